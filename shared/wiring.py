"""Adapters behind each port of this process; the only module that imports adapters.

`container()` returns the process's container, built from its environment at the first call. Tests replace it whole.
"""

import secrets
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import SettingsInvalid
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.auth.identity import Identity
    from shared.auth.limits import CallerLimits
    from shared.catalog.cache import Catalog, CatalogCache
    from shared.catalog.objects import Objects
    from shared.fields import Clock
    from shared.runs.deliveries import Channel
    from shared.runs.notifications import NotificationRules
    from shared.runs.notifier import Notifier
    from shared.runs.ports import BatchJobs, ResultFiles, RunDatabase, Sender
    from shared.runs.readiness import Readiness
    from shared.runs.reconciler import Reconciler
    from shared.runs.submission import RunSubmission
    from shared.runs.sweeper import Sweeper
    from shared.stores.firestore_client import FirestoreDatabase
    from shared.stores.sqlite import SqliteDatabase


class Container:
    """Adapters and services of one process, each made when first needed.

    Adapters are imported inside the properties, so that the cold start of a function pays only for what the function uses.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def clock(self) -> "Clock":
        """Current time in UTC."""
        from shared.fields import utc_now

        return utc_now

    @cached_property
    def run_store(self) -> "RunDatabase":
        """Store of runs."""
        if self.settings.store == "sqlite":
            from shared.stores.sqlite import SqliteRunStore

            return SqliteRunStore(self._sqlite)
        from shared.stores.firestore import FirestoreRunStore

        return FirestoreRunStore(self._firestore)

    @cached_property
    def readiness(self) -> "Readiness":
        """Whether the run store can be read and written."""
        from shared.runs.readiness import Readiness

        return Readiness(self.run_store, self.clock)

    @cached_property
    def catalog(self) -> "Catalog":
        """Catalog of ingested atlases."""
        if self.settings.store == "sqlite":
            from shared.stores.sqlite import SqliteCatalog

            return SqliteCatalog(self._sqlite)
        from shared.stores.firestore_catalog import FirestoreCatalog

        return FirestoreCatalog(self._firestore)

    @cached_property
    def catalog_cache(self) -> "CatalogCache":
        """Catalog in memory."""
        from shared.catalog.cache import CatalogCache

        return CatalogCache(self.catalog, self.clock)

    @cached_property
    def batch_jobs(self) -> "BatchJobs":
        """Google Cloud Batch."""
        from shared.gcp.batch import GoogleBatchJobs

        return GoogleBatchJobs(self.settings)

    @cached_property
    def result_files(self) -> "ResultFiles":
        """Results bucket."""
        from shared.gcp.storage import GoogleResultFiles

        return GoogleResultFiles(self.settings)

    @cached_property
    def objects(self) -> "Objects":
        """Cloud Storage, for ingests on Batch."""
        from shared.gcp.objects import GoogleObjects

        return GoogleObjects(self.settings)

    @cached_property
    def identity(self) -> "Identity":
        """Identity of users: verified by IAP's assertion, unless the environment is `development`."""
        from shared.auth.identity import DevelopmentIdentity, IapIdentity
        from shared.auth.keys import PublicKeys

        if self.settings.environment == "development":
            return DevelopmentIdentity()
        settings = self.settings
        return IapIdentity(
            audience=settings.iap_audience, keys=PublicKeys(settings.iap_keys_url), by_email=bool(settings.email_owners)
        )

    @cached_property
    def service_identity(self) -> "Identity":
        """Identity of the service that may reconcile: verified by its OIDC token, in `development` too."""
        from shared.auth.identity import ServiceCaller
        from shared.auth.keys import PublicKeys

        return ServiceCaller(
            audience=self.settings.reconcile_audience,
            email=self.settings.reconcile_caller,
            keys=PublicKeys(self.settings.oidc_keys_url),
        )

    @cached_property
    def caller_limits(self) -> "CallerLimits":
        """Limits of the requests of each user."""
        from shared.auth.limits import CallerLimits

        settings = self.settings
        return CallerLimits(requests_per_minute=settings.max_requests_per_minute, waiting=settings.max_waiting_requests)

    @cached_property
    def page_token_key(self) -> str:
        """Secret that signs page tokens. Without a configured one, it is of this process only, because anybody could sign with none."""
        return self.settings.page_token_key or secrets.token_urlsafe(32)

    @cached_property
    def submission(self) -> "RunSubmission":
        """Creates runs and submits their jobs.

        Raises:
            SettingsInvalid: the image of the job is missing. Batch would refuse each job, after its run was stored.
        """
        from shared.runs.submission import RunLimits, RunSubmission

        if not self.settings.job_image:
            raise SettingsInvalid(["JOB_IMAGE is missing; it names the container image of the job"])
        limits = RunLimits(
            max_active=self.settings.max_active_runs,
            max_run_seconds=self.settings.job_max_run_seconds,
            retention=self.settings.retention,
            notifications=self.notification_rules,
        )
        return RunSubmission(self.run_store, self.batch_jobs, self.clock, limits)

    @cached_property
    def reconciler(self) -> "Reconciler":
        """Finishes runs that something left halfway."""
        from shared.runs.reconciler import Reconciler

        return Reconciler(
            self.run_store,
            self.batch_jobs,
            self.submission,
            self.clock,
            queue_limit=self.settings.queue_limit,
        )

    @cached_property
    def sweeper(self) -> "Sweeper":
        """Finds runs that something left halfway, and sends the notifications of runs that ended."""
        from shared.runs.sweeper import Sweeper

        return Sweeper(self.run_store, self.reconciler, self.notifier, self.clock)

    @cached_property
    def notification_rules(self) -> "NotificationRules":
        """Notifications that the operator allows."""
        from shared.runs.notifications import NotificationRules

        return NotificationRules(self.settings.webhook_origins, bool(self.settings.smtp_host))

    @cached_property
    def notifier(self) -> "Notifier":
        """Sends the notifications of runs."""
        from shared.runs.notifier import Notifier

        return Notifier(self.run_store, self.sender_of, self.clock, self.settings.service_url)

    def sender_of(self, channel: "Channel") -> "Sender | None":
        """Return what sends through a channel, or None if the operator does not allow it; imported at the first notification."""
        from shared.runs.deliveries import Channel

        rules = self.notification_rules
        if channel is Channel.WEBHOOK and rules.origins:
            from shared.senders.webhook import WebhookSender

            return WebhookSender(rules.origins, self.settings.webhook_secret, self.clock)
        if channel is Channel.EMAIL and rules.email:
            from shared.senders.email import EmailSender

            return EmailSender(self.settings)
        return None

    @cached_property
    def _firestore(self) -> "FirestoreDatabase":
        from shared.stores.firestore_client import FirestoreDatabase

        settings = self.settings
        return FirestoreDatabase(settings.project, settings.firestore_database, settings.firestore_emulator_host)

    @cached_property
    def _sqlite(self) -> "SqliteDatabase":
        from shared.stores.sqlite import SqliteDatabase

        return SqliteDatabase(Path(self.settings.sqlite_path))


_current: Container | None = None


def container() -> Container:
    """Return the container of this process.

    Raises:
        SettingsInvalid: the environment lacks settings or has invalid ones.
    """
    global _current  # noqa: PLW0603  # one container per process
    if _current is None:
        _current = Container(Settings.from_env())
    return _current


def replace(replacement: Container | None) -> None:
    """Use another container from now on; None builds one from the environment at the next call. For tests."""
    global _current  # noqa: PLW0603
    _current = replacement
