"""Service accounts and IAM bindings, each with its reason."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from deploy.gcloud import Gcloud, Resource
from deploy.secrets import PAGE_TOKEN_KEY
from deploy.target import RECONCILE, SPECS, Target

# Each service account, by the end of its name, with its purpose.
ACCOUNTS: Final = {
    "reader": "runs status, list, validate, metadata and health",
    "submitter": "runs create, cancel and reconcile",
    "signer": "runs result",
    "job": "runs the Batch job",
    "ingest": "runs ingests on Batch",
    "invoker": "Pub/Sub and Cloud Scheduler call reconcile as this account",
    "builder": "builds the functions and the job's image",
}
IAP_ACCESSOR: Final = "roles/iap.httpsResourceAccessor"

_COMMANDS: Final = {
    "project": "projects",
    "account": "iam service-accounts",
    "bucket": "storage buckets",
    "topic": "pubsub topics",
    "secret": "secrets",
    "repository": "artifacts repositories",
    "function": "run services",
}
# gcloud prompts for a condition if the policy has conditional bindings; these commands accept `--condition=None`.
_CONDITIONAL: Final = frozenset({"project", "account", "bucket", "secret"})
_LOCATION_FLAGS: Final = {"repository": "--location", "function": "--region"}


@dataclass(frozen=True)
class Binding:
    """One role of one member on one resource, whose `kind` is a key of `_COMMANDS`."""

    kind: str
    resource: str
    member: str
    role: str
    reason: str


def bindings(target: Target) -> tuple[Binding, ...]:
    """Return every binding of the service; `docs/deploy.md` shows them as a table."""
    project, secret, topic = target.project, target.name(PAGE_TOKEN_KEY), target.name("jobs")
    results, atlases = f"gs://{target.results_bucket}", f"gs://{target.atlas_bucket}"
    job, signer = target.account("job"), target.account("signer")
    rows = [
        ("reader", "datastore.viewer", "project", project, "reads runs and the catalog, writes nothing"),
        ("reader", "secretmanager.secretAccessor", "secret", secret, "list signs page tokens with this key"),
        ("submitter", "datastore.user", "project", project, "stores new runs and their transitions"),
        ("submitter", "batch.jobsEditor", "project", project, "submits, reads and cancels Batch jobs"),
        ("submitter", "iam.serviceAccountUser", "account", job, "submits jobs that run as this account"),
        ("submitter", "pubsub.editor", "topic", topic, "Batch requires it to submit jobs with notifications"),
        ("signer", "datastore.viewer", "project", project, "reads the run whose result is requested"),
        (
            "signer",
            "iam.serviceAccountTokenCreator",
            "account",
            signer,
            "signs URLs as itself (signBlob), without a key",
        ),
        ("signer", "storage.objectViewer", "bucket", results, "a signed URL opens only what its signer may read"),
        ("job", "datastore.user", "project", project, "stores progress and the result of its run"),
        ("job", "batch.agentReporter", "project", project, "the agent on the job's machine reports to Batch"),
        ("job", "logging.logWriter", "project", project, "the job's machine writes its log"),
        ("job", "storage.objectUser", "bucket", results, "writes results and replaces interrupted uploads"),
        ("job", "storage.objectViewer", "bucket", atlases, "reads the mounted atlases"),
        *(
            ("job", "secretmanager.secretAccessor", "secret", target.llm_secret(name), f"key for runs that use {name}")
            for name in target.llm_providers
        ),
        ("job", "artifactregistry.reader", "repository", target.prefix, "pulls the job's image"),
        ("job", "pubsub.publisher", "topic", topic, "Batch publishes notifications as the job's account"),
        ("ingest", "datastore.user", "project", project, "stores the catalog entry of its atlas"),
        ("ingest", "batch.agentReporter", "project", project, "the agent on the ingest's machine reports to Batch"),
        ("ingest", "logging.logWriter", "project", project, "the ingest's machine writes its log"),
        ("ingest", "storage.objectUser", "bucket", atlases, "writes atlases and the record of its progress"),
        ("ingest", "artifactregistry.reader", "repository", target.prefix, "pulls the job's image"),
        ("builder", "run.builder", "project", project, "reads staged sources, pushes images, writes build logs"),
        *(
            ("iap", "run.invoker", "function", target.name(name), "only callers that IAP let through")
            for name in sorted(SPECS)
            if name != RECONCILE
        ),
        ("invoker", "run.invoker", "function", target.name(RECONCILE), "Pub/Sub and Cloud Scheduler call it"),
    ]
    members = {**{name: target.account(name) for name in ACCOUNTS}, "iap": iap_agent(target)}
    return tuple(
        Binding(kind, resource, f"serviceAccount:{members[who]}", f"roles/{role}", reason)
        for who, role, kind, resource, reason in rows
    )


def iap_agent(target: Target) -> str:
    """Return the account as which Identity-Aware Proxy calls functions."""
    return f"service-{target.number}@gcp-sa-iap.iam.gserviceaccount.com"


def create_accounts(cloud: Gcloud, target: Target) -> None:
    """Create the missing service accounts."""
    existing = cloud.by_name("iam service-accounts list")
    for name, purpose in ACCOUNTS.items():
        if target.account(name) not in existing:
            display = f"--display-name=HAYSTACK {target.env}: {purpose}"
            cloud.change("iam service-accounts create", target.name(name), display)


def bind(cloud: Gcloud, target: Target, wanted: Iterable[Binding]) -> None:
    """Add the missing bindings, with one read per resource."""
    by_resource: dict[tuple[str, str], list[Binding]] = {}
    for binding in wanted:
        by_resource.setdefault((binding.kind, binding.resource), []).append(binding)
    missing: dict[tuple[str, str], list[Binding]] = {}

    def check(place: tuple[str, str]) -> None:
        kind, resource = place
        policy = cloud.find(f"{_COMMANDS[kind]} get-iam-policy", resource, *_location(target, kind))
        existing = _unconditional_roles(policy)
        if lacking := [each for each in by_resource[place] if (each.role, each.member) not in existing]:
            missing[place] = lacking

    cloud.together(*(partial(check, place) for place in by_resource))
    if any(each.member.endswith(iap_agent(target)) for group in missing.values() for each in group):
        # Google creates this account on request only; the command is idempotent.
        cloud.change("beta services identity create", "--service=iap.googleapis.com")
    cloud.together(*(partial(_add, cloud, target, missing[place]) for place in by_resource if place in missing))


def bind_resources(cloud: Gcloud, target: Target) -> None:
    """Add the bindings that functions and jobs need before they start."""
    bind(cloud, target, (each for each in bindings(target) if each.kind != "function"))


def bind_functions(cloud: Gcloud, target: Target, functions: Iterable[str]) -> None:
    """Let IAP call the functions behind the load balancer, and let the invoker call reconcile; nobody else may."""
    names = {target.name(function) for function in functions}
    bind(cloud, target, (each for each in bindings(target) if each.kind == "function" and each.resource in names))


def admit_members(cloud: Gcloud, target: Target) -> None:
    """Let the members through IAP to every backend of the project; existing members stay."""
    if not target.members:
        return
    existing = _unconditional_roles(cloud.find("iap web get-iam-policy"))
    for member in target.members:
        if (IAP_ACCESSOR, member) not in existing:
            flags = (f"--member={member}", f"--role={IAP_ACCESSOR}", "--condition=None", "--format=none")
            cloud.change("iap web add-iam-policy-binding", *flags)


def _unconditional_roles(policy: Resource | None) -> set[tuple[str, str]]:
    """Return role and member of each binding without a condition."""
    return {
        (binding["role"], member)
        for binding in (policy or {}).get("bindings", [])
        if "condition" not in binding
        for member in binding.get("members", [])
    }


def _add(cloud: Gcloud, target: Target, group: list[Binding]) -> None:
    for each in group:
        flags = [*_location(target, each.kind), f"--member={each.member}", f"--role={each.role}"]
        if each.kind in _CONDITIONAL:
            flags.append("--condition=None")
        cloud.note(f"{each.member.partition(':')[2]}: {each.reason}")
        cloud.change(f"{_COMMANDS[each.kind]} add-iam-policy-binding", each.resource, *flags, "--format=none")


def _location(target: Target, kind: str) -> tuple[str, ...]:
    flag = _LOCATION_FLAGS.get(kind)
    return () if flag is None else (f"{flag}={target.region}",)
