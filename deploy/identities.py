"""Who may do what: the service accounts and their bindings, each with its reason."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from deploy.gcloud import Gcloud
from deploy.target import RECONCILE, Target
from shared.routes import SPECS

ACCOUNTS: Final = {
    "reader": "runs status, list, validate, metadata and health",
    "submitter": "runs create, cancel and reconcile",
    "signer": "runs result",
    "job": "runs the Batch job",
    "invoker": "Pub/Sub and Cloud Scheduler call reconcile as this account",
    "builder": "builds the functions and the job's image",
}
"""Each service account, by the end of its name, with what it is for."""

_RESOURCES: Final = {
    "project": ("projects",),
    "account": ("iam", "service-accounts"),
    "bucket": ("storage", "buckets"),
    "topic": ("pubsub", "topics"),
    "secret": ("secrets",),
    "repository": ("artifacts", "repositories"),
    "function": ("run", "services"),
}
_CONDITIONAL: Final = frozenset({"project", "account", "bucket", "secret"})
# gcloud asks about conditions where a policy has some already; these commands can be told.
_REGIONAL: Final = {"repository": "--location", "function": "--region"}


@dataclass(frozen=True)
class Binding:
    """One role of one member on one resource.

    Attributes:
        kind: what the resource is, one of the keys above.
        resource: its name, as gcloud takes it.
        member: who gets the role, as IAM writes it.
        role: the role.
        reason: why it is needed.
    """

    kind: str
    resource: str
    member: str
    role: str
    reason: str


def bindings(target: Target) -> tuple[Binding, ...]:
    """Every binding of the service, the table that `docs/deploy.md` shows."""
    project, functions = target.project, sorted(SPECS)
    reader, submitter, signer, job, invoker, builder = (f"serviceAccount:{target.account(name)}" for name in ACCOUNTS)
    iap = f"serviceAccount:{iap_agent(target)}"
    secret, topic = target.name(PAGE_TOKEN_KEY), target.name("jobs")
    results, atlases = f"gs://{target.results_bucket}", f"gs://{target.atlas_bucket}"
    return (
        Binding("project", project, reader, "roles/datastore.viewer", "reads runs and the catalog, writes nothing"),
        Binding("secret", secret, reader, "roles/secretmanager.secretAccessor", "list binds page tokens with this key"),
        Binding("project", project, submitter, "roles/datastore.user", "keeps new runs and their transitions"),
        Binding("project", project, submitter, "roles/batch.jobsEditor", "submits, reads and cancels Batch jobs"),
        Binding(
            "account",
            target.account("job"),
            submitter,
            "roles/iam.serviceAccountUser",
            "submits jobs that run as this account",
        ),
        Binding(
            "topic",
            topic,
            submitter,
            "roles/pubsub.editor",
            "Batch asks this of whoever submits a job that notifies; on this topic only",
        ),
        Binding("project", project, signer, "roles/datastore.viewer", "reads the run whose result is asked for"),
        Binding(
            "account",
            target.account("signer"),
            signer,
            "roles/iam.serviceAccountTokenCreator",
            "signs URLs as itself (signBlob), having no key",
        ),
        Binding(
            "bucket", results, signer, "roles/storage.objectViewer", "a signed URL opens only what its signer may read"
        ),
        Binding("project", project, job, "roles/datastore.user", "reports progress and the result of its run"),
        Binding(
            "project", project, job, "roles/batch.agentReporter", "the agent on the job's machine reports to Batch"
        ),
        Binding("project", project, job, "roles/logging.logWriter", "the job's machine writes its log"),
        Binding(
            "bucket", results, job, "roles/storage.objectUser", "writes results, also over those of a broken upload"
        ),
        Binding("bucket", atlases, job, "roles/storage.objectViewer", "reads the mounted atlases"),
        *(
            Binding(
                "secret",
                target.llm_secret(provider),
                job,
                "roles/secretmanager.secretAccessor",
                f"a run that asks for {provider} finds this key",
            )
            for provider in target.llm_providers
        ),
        Binding("repository", target.prefix, job, "roles/artifactregistry.reader", "pulls the job's image"),
        Binding(
            "topic", topic, job, "roles/pubsub.publisher", "Batch publishes a job's notifications as the job's account"
        ),
        Binding(
            "project", project, builder, "roles/run.builder", "reads staged sources, pushes images, writes build logs"
        ),
        *(
            Binding("function", target.name(name), iap, "roles/run.invoker", "lets in whom IAP has let in, nobody else")
            for name in functions
            if name != RECONCILE
        ),
        Binding(
            "function", target.name(RECONCILE), invoker, "roles/run.invoker", "Pub/Sub and Cloud Scheduler call it"
        ),
    )


PAGE_TOKEN_KEY: Final = "page-token-key"  # noqa: S105  # the secret's name
"""What the secret is called that page tokens are bound with."""


def iap_agent(target: Target) -> str:
    """The account that Identity-Aware Proxy calls functions as."""
    return f"service-{target.number}@gcp-sa-iap.iam.gserviceaccount.com"


def make_accounts(cloud: Gcloud, target: Target) -> None:
    """Make the service accounts that are not there."""
    there = {account["email"] for account in cloud.items("iam", "service-accounts", "list")}
    for name, purpose in ACCOUNTS.items():
        if target.account(name) not in there:
            cloud.change(
                "iam",
                "service-accounts",
                "create",
                target.name(name),
                f"--display-name=HAYSTACK {target.env}: {purpose}",
            )


def bind(cloud: Gcloud, target: Target, wanted: Iterable[Binding]) -> None:
    """Add the bindings that are not there; one read a resource."""
    by_resource: dict[tuple[str, str], list[Binding]] = {}
    for binding in wanted:
        by_resource.setdefault((binding.kind, binding.resource), []).append(binding)
    missing: dict[tuple[str, str], list[Binding]] = {}

    def look(place: tuple[str, str]) -> None:
        held = _held(cloud, target, *place)
        if lacking := [each for each in by_resource[place] if (each.role, each.member) not in held]:
            missing[place] = lacking

    cloud.together(*(partial(look, place) for place in by_resource))
    if any(each.member.endswith(iap_agent(target)) for group in missing.values() for each in group):
        # Google makes this account only when asked; asked again, it answers with the one that is there.
        cloud.change("beta", "services", "identity", "create", "--service=iap.googleapis.com")
    cloud.together(*(partial(_add, cloud, target, missing[place]) for place in by_resource if place in missing))


def bind_resources(cloud: Gcloud, target: Target) -> None:
    """Add the bindings that functions and jobs need before they start."""
    bind(cloud, target, (each for each in bindings(target) if each.kind != "function"))


def bind_functions(cloud: Gcloud, target: Target, functions: Iterable[str]) -> None:
    """Let IAP call the functions behind the balancer, and the invoker call reconcile; nobody else may."""
    names = {target.name(function) for function in functions}
    bind(cloud, target, (each for each in bindings(target) if each.kind == "function" and each.resource in names))


def admit_members(cloud: Gcloud, target: Target) -> None:
    """Let the members through IAP, to every backend of the project; those that are there already stay."""
    if not target.members:
        return
    held = _roles(cloud.find("iap", "web", "get-iam-policy"))
    for member in target.members:
        if ("roles/iap.httpsResourceAccessor", member) not in held:
            cloud.change(
                "iap",
                "web",
                "add-iam-policy-binding",
                f"--member={member}",
                "--role=roles/iap.httpsResourceAccessor",
                "--condition=None",
                "--format=none",
            )


def _held(cloud: Gcloud, target: Target, kind: str, resource: str) -> set[tuple[str, str]]:
    words, where = _words(target, kind)
    return _roles(cloud.find(*words, "get-iam-policy", resource, *where))


def _roles(policy: dict[str, Any] | None) -> set[tuple[str, str]]:
    """Role and member of each binding that has no condition."""
    return {
        (binding["role"], member)
        for binding in (policy or {}).get("bindings", [])
        if "condition" not in binding
        for member in binding.get("members", [])
    }


def _add(cloud: Gcloud, target: Target, group: list[Binding]) -> None:
    for each in group:
        words, where = _words(target, each.kind)
        cloud.note(f"{each.member.partition(':')[2]}: {each.reason}")
        cloud.change(
            *words,
            "add-iam-policy-binding",
            each.resource,
            *where,
            f"--member={each.member}",
            f"--role={each.role}",
            *(["--condition=None"] if each.kind in _CONDITIONAL else []),
            "--format=none",
        )


def _words(target: Target, kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words of the command group, and the flags that say where."""
    flag = _REGIONAL.get(kind)
    return _RESOURCES[kind], () if flag is None else (f"{flag}={target.region}",)
