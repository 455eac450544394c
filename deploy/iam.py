"""Service accounts and IAM bindings, each with its reason."""

from collections.abc import Iterable
from typing import Final

from deploy import policies
from deploy.gcloud import Gcloud
from deploy.policies import Binding, Owned, Policy, Stale
from deploy.secrets import PAGE_TOKEN_KEY
from deploy.target import RECONCILE, SMTP_PASSWORD, SPECS, WEBHOOK_SECRET, Target
from shared.settings import LLM_KEYS

# Each service account, by the end of its name, with its purpose.
ACCOUNTS: Final = {
    "reader": "runs status, list, validate and metadata",
    "health": "runs health",
    "submitter": "runs create, cancel (also deletes) and reconcile",
    "signer": "runs result",
    "web": "runs web; has no roles",
    "job": "runs the Batch job",
    "ingest": "runs ingests on Batch",
    "invoker": "Pub/Sub and Cloud Scheduler call reconcile as this account",
    "builder": "builds the functions and the job's image",
}
INVOKER: Final = "roles/run.invoker"


def bindings(target: Target) -> tuple[Binding, ...]:
    """Return every binding of the service; `docs/deploy.md` shows them as a table."""
    project, secret, topic = target.project, target.name(PAGE_TOKEN_KEY), target.name("jobs")
    database = target.database
    results, atlases = f"gs://{target.results_bucket}", f"gs://{target.atlas_bucket}"
    job, signer = target.account("job"), target.account("signer")
    rows = [
        ("reader", "datastore.viewer", "database", database, "reads runs and the catalog, writes nothing"),
        ("reader", "secretmanager.secretAccessor", "secret", secret, "list signs page tokens"),
        ("health", "datastore.user", "database", database, "readiness reads, and writes one document"),
        ("submitter", "datastore.user", "database", database, "stores new runs and their transitions"),
        ("submitter", "batch.jobsEditor", "project", project, "submits, reads and cancels Batch jobs"),
        ("submitter", "iam.serviceAccountUser", "account", job, "runs jobs as this account"),
        ("submitter", "pubsub.editor", "topic", topic, "required for notifications"),
        *(
            (
                "submitter",
                "secretmanager.secretAccessor",
                "secret",
                target.name(secret),
                "reconcile sends notifications",
            )
            for secret in target.notifications.secrets().values()
        ),
        ("submitter", "storage.legacyBucketWriter", "bucket", results, "deletes the files of deleted runs, reads none"),
        ("signer", "datastore.viewer", "database", database, "reads the run whose result is requested"),
        (
            "signer",
            "iam.serviceAccountTokenCreator",
            "account",
            signer,
            "signs URLs (signBlob)",
        ),
        ("signer", "storage.objectViewer", "bucket", results, "a signed URL opens only what its signer may read"),
        ("job", "datastore.user", "database", database, "stores progress and results"),
        ("job", "batch.agentReporter", "project", project, "its agent reports to Batch"),
        ("job", "logging.logWriter", "project", project, "writes its log"),
        ("job", "storage.objectCreator", "bucket", results, "writes results, and replaces and deletes none"),
        ("job", "storage.objectViewer", "bucket", results, "compares a file whose upload lost its answer"),
        ("job", "storage.objectViewer", "bucket", atlases, "reads the mounted atlases"),
        *(
            ("job", "secretmanager.secretAccessor", "secret", target.llm_secret(name), f"key for runs that use {name}")
            for name in target.llm_providers
        ),
        ("job", "artifactregistry.reader", "repository", target.prefix, "pulls the job's image"),
        ("job", "pubsub.publisher", "topic", topic, "Batch notifies as this account"),
        ("ingest", "datastore.user", "database", database, "stores the catalog entry of its atlas"),
        ("ingest", "batch.agentReporter", "project", project, "the agent on the ingest's machine reports to Batch"),
        ("ingest", "logging.logWriter", "project", project, "the ingest's machine writes its log"),
        ("ingest", "storage.objectUser", "bucket", atlases, "writes atlases and the record of its progress"),
        ("ingest", "artifactregistry.reader", "repository", target.prefix, "pulls the job's image"),
        ("builder", "storage.objectViewer", "folder", target.source_folder, "reads staged sources"),
        ("builder", "artifactregistry.writer", "repository", target.prefix, "pushes images"),
        ("builder", "logging.logWriter", "project", project, "writes build logs"),
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


def bind_resources(cloud: Gcloud, target: Target) -> list[Stale]:
    """Add the bindings that functions and jobs need before they start, and return those that the accounts no longer need."""
    wanted = [each for each in bindings(target) if each.kind != "function"]
    existing = cloud.by_name("secrets list")
    used = target.notifications.secrets().values()
    unused = (
        *(target.llm_secret(provider) for provider in LLM_KEYS if provider not in target.llm_providers),
        *(target.name(each) for each in (WEBHOOK_SECRET, SMTP_PASSWORD) if each not in used),
    )
    also = [Policy("secret", secret) for secret in unused if secret in existing]
    return policies.apply(cloud, target, wanted, owned=_of_an_account(target), also=also)


def bind_functions(cloud: Gcloud, target: Target, functions: Iterable[str]) -> list[Stale]:
    """Let IAP call the functions behind the load balancer, and the invoker reconcile; return who else may call them."""
    names = {target.name(function) for function in functions}
    wanted = [each for each in bindings(target) if each.kind == "function" and each.resource in names]
    return policies.apply(cloud, target, wanted, owned=lambda role, _: role == INVOKER)


def bindings_of_accounts(cloud: Gcloud, target: Target, places: Iterable[Policy]) -> list[Stale]:
    """Return every binding of this environment's accounts in these policies."""
    return policies.apply(cloud, target, (), owned=_of_an_account(target), also=places)


def _of_an_account(target: Target) -> Owned:
    members = {f"serviceAccount:{target.account(name)}" for name in ACCOUNTS}
    return lambda _, member: member in members
