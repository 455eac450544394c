"""Who stands behind each port in this process: the only place that imports adapters.

Each getter makes its object once, at the first request that needs it. Adapters are imported inside, so that a function pays at its
cold start only for what it uses.
"""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from shared.auth.identity import Identity
from shared.catalog.cache import Catalog
from shared.runs.ports import BatchJobs, Readiness, ResultFiles, RunStore, RunWatch
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.catalog.cache import CatalogCache
    from shared.stores.firestore_client import FirestoreDatabase
    from shared.stores.sqlite import SqliteDatabase


class Database(RunStore, RunWatch, Readiness, Protocol):
    """A run store that can tell of changes, and whether it answers."""


def clock() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@cache
def settings() -> Settings:
    """This process's settings, read from its environment at the first call."""
    return Settings.from_env()


@cache
def run_store() -> Database:
    """Where runs are kept."""
    if settings().store == "sqlite":
        from shared.stores.sqlite import SqliteRunStore

        return SqliteRunStore(_sqlite())
    from shared.stores.firestore import FirestoreRunStore

    return FirestoreRunStore(_firestore())


@cache
def catalog() -> Catalog:
    """Where the ingested datasets are written down."""
    if settings().store == "sqlite":
        from shared.stores.sqlite import SqliteCatalog

        return SqliteCatalog(_sqlite())
    from shared.stores.firestore import FirestoreCatalog

    return FirestoreCatalog(_firestore())


@cache
def catalog_cache() -> "CatalogCache":
    """The catalog in memory."""
    from shared.catalog.cache import CatalogCache

    return CatalogCache(catalog(), clock)


@cache
def batch_jobs() -> BatchJobs:
    """Google Cloud Batch."""
    from shared.gcp.batch import GoogleBatchJobs

    return GoogleBatchJobs(settings())


@cache
def result_files() -> ResultFiles:
    """The results bucket."""
    from shared.gcp.storage import GoogleResultFiles

    return GoogleResultFiles(settings())


@cache
def identity() -> Identity:
    """Who users are: by IAP's assertion, unless this process is set to development on purpose."""
    from shared.auth.identity import DevelopmentIdentity, IapIdentity
    from shared.auth.keys import PublicKeys

    if settings().environment == "development":
        return DevelopmentIdentity()
    return IapIdentity(audience=settings().iap_audience, keys=PublicKeys(settings().iap_keys_url))


@cache
def service_identity() -> Identity:
    """Which service may reconcile: the one whose OpenID Connect token says so, in development too."""
    from shared.auth.identity import ServiceCaller
    from shared.auth.keys import PublicKeys

    return ServiceCaller(
        audience=settings().reconcile_audience,
        email=settings().reconcile_caller,
        keys=PublicKeys(settings().oidc_keys_url),
    )


def reset() -> None:
    """Forget everything made so far; the next call reads the environment again. For a process that serves tests."""
    for getter in (
        settings,
        run_store,
        catalog,
        catalog_cache,
        batch_jobs,
        result_files,
        identity,
        service_identity,
        _firestore,
        _sqlite,
    ):
        getter.cache_clear()


@cache
def _firestore() -> "FirestoreDatabase":
    from shared.stores.firestore_client import FirestoreDatabase

    here = settings()
    return FirestoreDatabase(here.project, here.firestore_database, here.firestore_emulator_host)


@cache
def _sqlite() -> "SqliteDatabase":
    from shared.stores.sqlite import SqliteDatabase

    return SqliteDatabase(Path(settings().sqlite_path))
