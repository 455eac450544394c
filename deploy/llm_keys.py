"""The keys of language models: people put them into Secret Manager, jobs find them there, and nothing here ever sees one."""

from deploy.gcloud import CommandFailed, Gcloud
from deploy.target import Target
from shared.settings import LLM_KEYS


def check(cloud: Gcloud, target: Target) -> None:
    """See that each key is there: a job whose secret is missing would not start.

    Raises:
        CommandFailed: one is not, with the command that makes it. A dry run only says so.
    """
    lacking = [target.llm_secret(provider) for provider in target.llm_providers if not _there(cloud, target, provider)]
    if not lacking:
        return
    told = "\n".join(
        ["Put the key of each language model into Secret Manager first; each command reads it from its input:"]
        + [
            f"gcloud secrets create {name} --project={target.project} --replication-policy=automatic --data-file=-"
            for name in lacking
        ]
    )
    if not cloud.dry_run:
        raise CommandFailed(told)
    cloud.note(told)


def versions(target: Target) -> str:
    """The setting `JOB_SECRETS`: the newest version of each key."""
    return ",".join(
        f"{LLM_KEYS[provider]}=projects/{target.project}/secrets/{target.llm_secret(provider)}/versions/latest"
        for provider in target.llm_providers
    )


def _there(cloud: Gcloud, target: Target, provider: str) -> bool:
    name = target.llm_secret(provider)
    found = cloud.find("secrets", "versions", "describe", "latest", f"--secret={name}")
    return found is not None and found.get("state") == "ENABLED"
