"""Where the service is set up, and what its parts are called there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.routes import ROUTES
from shared.settings import LLM_KEYS

PRODUCT: Final = "haystack"
ENVIRONMENTS: Final = ("prod", "dev")
RECONCILE: Final = "reconcile"
RECONCILE_PATH: Final = next(route.template for route in ROUTES if route.function == RECONCILE)


@dataclass(frozen=True)
class Target:
    """One environment of the service in one project.

    Attributes:
        project: the project's id.
        number: the project's number.
        region: where functions, jobs and buckets are.
        domain: the host name that users call.
        env: `prod` or `dev`; both may live in one project, `dev` with names of its own.
        production: keep instances warm, keep deleted data for a while.
        members: who may use the service, as IAM writes them (`group:lab@example.org`).
        origins: the web pages of other origins that may call (`https://app.example.org`).
        operators: e-mail addresses that alerts go to.
        retention_days: how long runs and their results are kept; 0: for ever.
        llm_providers: the language models that runs may ask for.
        root: the repository.
        work: folder for what is generated: staged functions, URL maps.
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
    llm_providers: tuple[str, ...] = ()

    @property
    def prefix(self) -> str:
        """What every name begins with."""
        return PRODUCT if self.env == "prod" else f"{PRODUCT}-{self.env}"

    def name(self, part: str) -> str:
        """The name of a part: a function, its backend, a topic."""
        return f"{self.prefix}-{part}"

    def account(self, role: str) -> str:
        """The e-mail of a service account."""
        return f"{self.name(role)}@{self.project}.iam.gserviceaccount.com"

    @property
    def database(self) -> str:
        """The Firestore database; only the one of production has the free quota."""
        return "(default)" if self.env == "prod" else self.prefix

    @property
    def results_bucket(self) -> str:
        """Where results lie."""
        return f"{self.project}-{self.name('results')}"

    @property
    def atlas_bucket(self) -> str:
        """Where ingested atlases lie."""
        return f"{self.project}-{self.name('atlases')}"

    def llm_secret(self, provider: str) -> str:
        """The secret that a language model's key lies in; people make it, the deployment never sees the key."""
        return self.name(LLM_KEYS[provider].lower().replace("_", "-"))

    @property
    def topic(self) -> str:
        """The topic of Batch's notifications, in full."""
        return f"projects/{self.project}/topics/{self.name('jobs')}"

    @property
    def registry(self) -> str:
        """The Docker repository's path; its name is the prefix."""
        return f"{self.region}-docker.pkg.dev/{self.project}/{self.prefix}"

    @property
    def reconcile_url(self) -> str:
        """The address of reconcile, known before it is deployed."""
        return f"https://{self.name(RECONCILE)}-{self.number}.{self.region}.run.app"

    @property
    def balanced(self) -> tuple[str, ...]:
        """The functions behind the load balancer."""
        return tuple(sorted({route.function for route in ROUTES if not route.internal}))
