"""Secrets: the key for page tokens, which deploy creates, and the keys of language models, which it never reads."""

import secrets
from typing import Final

from deploy.gcloud import CommandFailed, Gcloud, Secret
from deploy.target import Target
from shared.settings import LLM_KEYS

PAGE_TOKEN_KEY: Final = "page-token-key"  # noqa: S105  # the name of the secret


def create_page_token_key(cloud: Gcloud, target: Target) -> None:
    """Create the key for page tokens with a random value, if it does not exist or has no version in use."""
    name = target.name(PAGE_TOKEN_KEY)
    value = Secret(secrets.token_urlsafe(32), "python3 -c 'import secrets; print(secrets.token_urlsafe(32), end=\"\")'")
    if name not in cloud.by_name("secrets list"):
        cloud.change("secrets create", name, "--replication-policy=automatic", "--data-file=-", secret=value)
    elif not has_version(
        cloud, name
    ):  # gcloud creates the secret and its version one after the other, and may stop between them
        cloud.change("secrets versions add", name, "--data-file=-", secret=value)


def check_llm_keys(cloud: Gcloud, target: Target) -> None:
    """Check that the key of each language model exists, because a job whose secret is missing cannot start.

    Raises:
        CommandFailed: if one is missing, with the command that creates it. A dry run prints this as a comment.
    """
    missing = [
        secret for provider in target.llm_providers if not has_version(cloud, secret := target.llm_secret(provider))
    ]
    if not missing:
        return
    flags = f"--project={target.project} --replication-policy=automatic --data-file=-"
    lines = [
        "Store the key of each language model in Secret Manager first. Each command reads the key from standard input:",
        *(f"gcloud secrets create {name} {flags}" for name in missing),
    ]
    if not cloud.dry_run:
        raise CommandFailed("\n".join(lines))
    cloud.note("\n".join(lines))


def llm_key_versions(target: Target) -> str:
    """Return the setting `JOB_SECRETS`, which refers to the newest version of each key."""
    return ",".join(
        f"{LLM_KEYS[provider]}=projects/{target.project}/secrets/{target.llm_secret(provider)}/versions/latest"
        for provider in target.llm_providers
    )


def has_version(cloud: Gcloud, secret: str) -> bool:
    """Return whether the newest version of a secret can be read."""
    found = cloud.find("secrets versions describe", "latest", f"--secret={secret}")
    return found is not None and found.get("state") == "ENABLED"
