"""The environment that a deployment targets: the names of its resources and the size of each function."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from shared.routes import PAGES, ROUTES
from shared.settings import DEFAULT_QUEUE_MINUTES, LLM_KEYS

PRODUCT: Final = "haystack"
ENVIRONMENTS: Final = ("prod", "dev")
RECONCILE: Final = "reconcile"
RECONCILE_PATH: Final = next(route.template for route in ROUTES if route.function == RECONCILE)

# Cloud Run sets PORT. Without `--lifespan on`, a main.py that raises would still serve, with 500 for every request.
START_COMMAND: Final = "uvicorn shared.http.server:app --host 0.0.0.0 --port $PORT --lifespan on --no-access-log"
# FUNCTION_TARGET names the handler in main.py for the Functions Framework. PYDANTIC_DISABLE_PLUGINS skips the search
# for plugins in the metadata of every installed package. Measurements: docs/performance.md.
RUNTIME: Final[Mapping[str, str]] = {"FUNCTION_TARGET": "handle", "PYDANTIC_DISABLE_PLUGINS": "__all__"}
WEBHOOK_SECRET: Final = "webhook-secret"  # noqa: S105  # the name of the secret
SMTP_PASSWORD: Final = "smtp-password"  # noqa: S105  # as above


class FunctionSpec(NamedTuple):
    """The size and the identity of one function.

    Attributes:
        function: folder under `functions/`.
        account: role of its service account: `reader`, `health`, `submitter`, `signer` or `web`.
        concurrency: maximum number of concurrent requests per instance.
        max_instances: upper limit of instances; it bounds the cost of a flood of requests.
        timeout_seconds: request timeout; longer than the longest wait inside the function.
        warm_instances: minimum number of instances with `--production`; otherwise 0.
        reason: why these values.
        memory_mib: memory per instance.
    """

    function: str
    account: str
    concurrency: int
    max_instances: int
    timeout_seconds: int
    warm_instances: int
    reason: str
    memory_mib: int = 512


# Each function gets one CPU: with less, Cloud Run allows no concurrency. Measurements: docs/performance.md.
SPECS: Final[Mapping[str, FunctionSpec]] = {
    spec.function: spec
    for spec in (
        FunctionSpec("cancel", "submitter", 40, 5, 60, 0, "rare; waits up to 25 s for Batch"),
        FunctionSpec("create", "submitter", 40, 10, 60, 1, "interactive; waits up to 25 s for Batch"),
        FunctionSpec("health", "health", 80, 3, 15, 0, "cheap; also answers unknown paths of the API"),
        FunctionSpec("list", "reader", 40, 10, 30, 1, "interactive; encodes pages of up to 100 runs"),
        FunctionSpec("metadata", "reader", 80, 5, 30, 0, "answers from memory; clients may cache the response"),
        FunctionSpec("reconcile", "submitter", 8, 3, 300, 0, "not interactive; a sweep checks many runs"),
        FunctionSpec("result", "signer", 16, 10, 30, 0, "signs URLs in threads, for up to 15 s"),
        FunctionSpec("status", "reader", 80, 20, 60, 1, "most requests; `?wait=` holds one for up to 30 s without CPU"),
        FunctionSpec("validate", "reader", 20, 5, 30, 0, "CPU-bound: interprets a question"),
        FunctionSpec("web", "web", 80, 5, 15, 1, "reads small files; the first thing that a person waits for"),
    )
}


class Notifications(NamedTuple):
    """What the operator allows; nothing by default.

    Attributes:
        webhook_hosts: hosts, with ports other than 443, that webhooks may go to.
        smtp_host: mail server.
        smtp_user: user at the mail server, whose password is in Secret Manager; empty: no sign-in.
        smtp_from: sender's address.
    """

    webhook_hosts: tuple[str, ...] = ()
    smtp_host: str = ""
    smtp_port: str = "587"
    smtp_user: str = ""
    smtp_from: str = ""

    def settings(self, service_url: str) -> dict[str, str]:
        """Return the settings of functions (see `shared/settings.py`), without secrets."""
        values = {}
        if self.webhook_hosts:
            values["WEBHOOK_HOSTS"] = ",".join(self.webhook_hosts)
        if self.smtp_host:
            values |= {"SMTP_HOST": self.smtp_host, "SMTP_PORT": self.smtp_port, "SMTP_FROM": self.smtp_from}
        if self.smtp_user:
            values["SMTP_USER"] = self.smtp_user
        return {**values, "SERVICE_URL": service_url} if values else {}

    def secrets(self) -> dict[str, str]:
        """Return the variables of the sender that come from Secret Manager, with the part of each secret's name."""
        found = {"WEBHOOK_SECRET": WEBHOOK_SECRET} if self.webhook_hosts else {}
        return {**found, "SMTP_PASSWORD": SMTP_PASSWORD} if self.smtp_user else found


NO_NOTIFICATIONS: Final = Notifications()


@dataclass(frozen=True)
class Target:
    """One environment of the service in one project.

    Attributes:
        project: project id.
        number: project number.
        region: region of functions, jobs and buckets.
        domain: host name of the service.
        env: `prod` or `dev`; both fit into one project, because the resources of `dev` have their own names.
        production: keep instances warm and the database recoverable.
        members: IAM members who may use the service (`group:lab@example.org`).
        root: root of the repository.
        work: folder for generated files: staged functions, URL maps.
        origins: other web origins that may call the API (`https://app.example.org`).
        operators: e-mail addresses that receive alerts.
        retention_days: days after which runs and results are deleted; 0 keeps them forever.
        queue_minutes: minutes that a job may wait for its machine; 0: as long as Batch lets it.
        llm_providers: language model providers that runs may use.
        build_region: region of builds; empty: the region of the service.
        network: network of jobs, as a name or from `projects/` on; empty: the default network.
        subnet: subnet of jobs, as a name or from `projects/` on.
        external_ip: whether jobs have external addresses.
        email_owners: whether runs stored under an e-mail address (before owners were IAP subjects) belong to the user with that address.
        iap_client_id: id of the OAuth client with which people sign in; empty: as before, at first Google's.
        iap_client_secret: its secret, if the operator passed it.
        frontend: folder of a front end of one's own; None: the built-in page.
        notifications: what the service sends when a run ends.
    """

    project: str
    number: str
    region: str
    domain: str
    env: str
    production: bool
    members: tuple[str, ...]
    root: Path
    work: Path
    origins: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    retention_days: int = 0
    queue_minutes: int = DEFAULT_QUEUE_MINUTES
    llm_providers: tuple[str, ...] = ()
    build_region: str = ""
    network: str = ""
    subnet: str = ""
    external_ip: bool = True
    email_owners: bool = True
    iap_client_id: str = ""
    iap_client_secret: str = field(default="", repr=False)
    frontend: Path | None = None
    notifications: Notifications = NO_NOTIFICATIONS

    @property
    def prefix(self) -> str:
        """Return the prefix of every resource name."""
        return PRODUCT if self.env == "prod" else f"{PRODUCT}-{self.env}"

    def name(self, part: str) -> str:
        """Return the resource name of a part: a function, its backend, a topic."""
        return f"{self.prefix}-{part}"

    def account(self, role: str) -> str:
        """Return the e-mail address of the service account for a role."""
        return f"{self.name(role)}@{self.project}.iam.gserviceaccount.com"

    @property
    def database(self) -> str:
        """Return the id of the Firestore database; only `(default)` has the free quota."""
        return "(default)" if self.env == "prod" else self.prefix

    @property
    def results_bucket(self) -> str:
        """Return the name of the bucket for results."""
        return f"{self.project}-{self.name('results')}"

    @property
    def atlas_bucket(self) -> str:
        """Return the name of the bucket for ingested atlases."""
        return f"{self.project}-{self.name('atlases')}"

    @property
    def source_bucket(self) -> str:
        """Return the name of the bucket to which `gcloud run deploy --source` uploads; gcloud offers no choice."""
        project = self.project.replace("google", "elgoog")  # as gcloud does: bucket names may not have this word
        return f"run-sources-{project}-{self.region}"

    @property
    def source_folder(self) -> str:
        """Return the URL that starts the URL of each source archive of this environment."""
        return f"gs://{self.source_bucket}/services/{self.prefix}-"

    def llm_secret(self, provider: str) -> str:
        """Return the name of the secret with a provider's key; operators create it, and deploy never reads it."""
        return self.name(LLM_KEYS[provider].lower().replace("_", "-"))

    @property
    def topic(self) -> str:
        """Return the full name of the topic for Batch notifications."""
        return f"projects/{self.project}/topics/{self.name('jobs')}"

    @property
    def registry(self) -> str:
        """Return the path of the Docker repository, whose name is the prefix."""
        return f"{self.region}-docker.pkg.dev/{self.project}/{self.prefix}"

    @property
    def builder(self) -> str:
        """Return the full name of the service account for builds."""
        return f"projects/{self.project}/serviceAccounts/{self.account('builder')}"

    @property
    def job_network(self) -> str:
        """Return the full name of the network of jobs; empty: the default network."""
        short = bool(self.network) and "/" not in self.network
        return f"projects/{self.project}/global/networks/{self.network}" if short else self.network

    @property
    def job_subnetwork(self) -> str:
        """Return the full name of the subnet of jobs; empty: that of the default network."""
        short = bool(self.subnet) and "/" not in self.subnet
        return f"projects/{self.project}/regions/{self.region}/subnetworks/{self.subnet}" if short else self.subnet

    @property
    def reconcile_url(self) -> str:
        """Return the URL of reconcile, which is known before the function exists."""
        return f"https://{self.name(RECONCILE)}-{self.number}.{self.region}.run.app"

    @property
    def balanced(self) -> tuple[str, ...]:
        """Return the functions behind the load balancer."""
        return tuple(sorted({route.function for route in (*ROUTES, PAGES) if not route.internal}))

    def write_json(self, name: str, content: object) -> Path:
        """Write a generated file into the work folder and return its path."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n")
        return path
