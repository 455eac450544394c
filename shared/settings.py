"""Settings of a process, read from its environment once, never at import. Standard library only: `deploy` reads `LLM_KEYS`."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from shared.errors import SettingsInvalid

SECRET = re.compile(r"([A-Z][A-Z0-9_]*)=(projects/[^/]+/secrets/[^/]+/versions/[^/]+)")
# `http` is for a receiver on the developer's own machine.
WEBHOOK_HOST = re.compile(
    r"(?P<host>[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:(?P<port>[0-9]{1,5}))?|http://127\.0\.0\.1:[0-9]{1,5}"
)
# As https://www.standardwebhooks.com says: base64 of 24 to 64 bytes.
WEBHOOK_SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{32,86}={0,2}")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
# An address without display name, quotes or characters outside ASCII; no other can change the header of an e-mail.
EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
# The port of servers that speak TLS from the first byte.
SMTPS_PORT = 465
STORES = ("firestore", "sqlite")
ENVIRONMENTS = ("production", "development")

# No run is deleted sooner than this after its creation or, while unfinished, after its last write.
SHORTEST_RETENTION: Final = timedelta(days=7)

# Minutes after which a job that still waits for its machine fails.
DEFAULT_QUEUE_MINUTES: Final = 24 * 60
# Batch itself fails a job that was queued for two days, so a longer limit would have no effect.
LONGEST_QUEUE_MINUTES: Final = 2 * 24 * 60

# Environment variable of each `LlmProvider`'s key; the names that the providers' own libraries read.
LLM_KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY", "google_genai": "GOOGLE_API_KEY"}
)


class Settings(NamedTuple):
    """Settings of a function or of the job; the environment variables are the same names in capitals.

    Attributes:
        environment: `production` (the default: IAP assertions are verified) or `development` (the e-mail header is trusted).
        atlas_dir: folder of ingested atlases; in production a read-only mount of `atlas_bucket`.
        atlas_bucket: bucket that the Batch job mounts at `atlas_dir`; empty: none.
        job_service_account: service account of the job; empty: the project's default.
        ingest_service_account: service account of an ingest on Batch; empty: the project's default.
        job_topic: Pub/Sub topic (`projects/P/topics/T`) for Batch notifications; empty: none.
        job_network: network of jobs (`projects/P/global/networks/N`); empty: the default network.
        job_subnetwork: subnet of jobs (`projects/P/regions/R/subnetworks/S`), if they have a network.
        job_external_ip: 0 gives jobs no external address; their subnet then needs Private Google Access.
        queue_limit_minutes: minutes that a job may wait for its machine; 0: as long as Batch lets it, two days.
        job_secrets: secrets that jobs may get, as `NAME=projects/P/secrets/S/versions/V`, separated by commas; empty: none.
        iap_audience: `/projects/NUMBER/global/backendServices/ID` of this function's backend service.
        iap_keys_url: URL of IAP's public keys, a set of JSON web keys.
        reconcile_audience: audience of the OIDC tokens that reconcile accepts.
        reconcile_caller: service account that may call reconcile.
        oidc_keys_url: URL of the public keys of Google's OIDC tokens, a set of JSON web keys.
        signer_email: service account that signs URLs through IAM; empty: the process's own.
        signing_key_file: service account key file that signs URLs instead of IAM, for the local service.
        batch_emulator_host: `host:port` of the Batch emulator; empty: Google Cloud.
        firestore_emulator_host: `host:port` of the Firestore emulator; empty: Google Cloud.
        storage_emulator_host: URL of a Cloud Storage emulator; empty: Google Cloud.
        cors_origins: origins of other web pages that may call the API, separated by commas; empty: none.
        email_owners: 0 if runs that are stored under an e-mail address, as before owners were IAP's subjects, belong to nobody.
        max_active_runs: maximum number of unfinished runs of a user; 0: no limit.
        max_requests_per_minute: maximum number of requests of a user per minute and instance; 0: no limit.
        max_waiting_requests: maximum number of requests of a user that wait at the same time, per instance; 0: no limit.
        run_retention_days: days after which Firestore deletes a run, if the deployment enables it; 0: never.
        page_token_key: secret that signs page tokens; empty: a random one, so that tokens are valid for one process only.
        service_url: address of the service, without a slash at its end; links in notifications begin with it.
        webhook_hosts: hosts that webhooks may go to, as HOST or HOST:PORT, or for tests http://127.0.0.1:PORT, separated by commas;
            empty: no webhooks.
        webhook_secret: `whsec_` and base64 of the key that signs webhooks; only reconcile needs it.
        smtp_host: server that e-mail is sent through; empty: no e-mail.
        smtp_port: its port; at 465, TLS starts with the connection.
        smtp_starttls: 0 sends unencrypted, except at port 465; only without a user.
        smtp_user: user at the server; empty: none.
        smtp_password: its password; only reconcile needs it.
        smtp_from: sender's address of e-mail.
    """

    environment: str = "production"
    project: str = ""
    region: str = ""
    store: str = "firestore"
    sqlite_path: str = ""
    firestore_database: str = "(default)"
    results_bucket: str = ""
    atlas_dir: str = "/mnt/atlases"
    atlas_bucket: str = ""
    job_image: str = ""
    job_service_account: str = ""
    ingest_service_account: str = ""
    job_topic: str = ""
    job_network: str = ""
    job_subnetwork: str = ""
    job_external_ip: int = 1
    job_max_run_seconds: int = 3600
    queue_limit_minutes: int = DEFAULT_QUEUE_MINUTES
    job_secrets: str = ""
    iap_audience: str = ""
    iap_keys_url: str = "https://www.gstatic.com/iap/verify/public_key-jwk"
    reconcile_audience: str = ""
    reconcile_caller: str = ""
    oidc_keys_url: str = "https://www.googleapis.com/oauth2/v3/certs"
    signer_email: str = ""
    signing_key_file: str = ""
    batch_emulator_host: str = ""
    firestore_emulator_host: str = ""
    storage_emulator_host: str = ""
    cors_origins: str = ""
    email_owners: int = 1
    max_active_runs: int = 20
    max_requests_per_minute: int = 600
    max_waiting_requests: int = 20
    run_retention_days: int = 0
    page_token_key: str = ""
    service_url: str = ""
    webhook_hosts: str = ""
    webhook_secret: str = ""
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_starttls: int = 1
    smtp_user: str = ""
    smtp_password: str = ""
    smtp_from: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from the environment of this process, unless another is given.

        Raises:
            SettingsInvalid: lists all missing and invalid settings.
        """
        source = os.environ if env is None else env
        given: dict[str, str | int] = {}
        errors: list[str] = []
        for name, default in cls._field_defaults.items():
            raw = source.get(name.upper(), "").strip()
            if not raw:
                continue
            if isinstance(default, int):
                if raw.isdecimal():
                    given[name] = int(raw)
                else:
                    errors.append(f"{name.upper()} must be a whole number")
            else:
                given[name] = raw
        settings = cls(**given)  # type: ignore[arg-type]  # the loop above gives each field its type
        errors += settings._errors()
        if errors:
            raise SettingsInvalid(errors)
        return settings

    def _errors(self) -> list[str]:
        errors = []
        if self.environment not in ENVIRONMENTS:
            errors.append(f"ENVIRONMENT must be one of {', '.join(ENVIRONMENTS)}")
        if self.store not in STORES:
            errors.append(f"STORE must be one of {', '.join(STORES)}")
        required = ["project", "region", "results_bucket"]
        if self.store == "sqlite":
            required.append("sqlite_path")
        errors += [f"{name.upper()} is missing" for name in required if not getattr(self, name)]
        if 0 < self.run_retention_days < SHORTEST_RETENTION.days:
            errors.append(f"RUN_RETENTION_DAYS must be {SHORTEST_RETENTION.days} or more, or 0 to never delete runs")
        if self.queue_limit_minutes > LONGEST_QUEUE_MINUTES:
            errors.append(f"QUEUE_LIMIT_MINUTES must be at most {LONGEST_QUEUE_MINUTES}, Batch's own limit")
        if not all(map(SECRET.fullmatch, _listed(self.job_secrets))):
            errors.append("JOB_SECRETS must list NAME=projects/P/secrets/S/versions/V")
        return errors + self._notification_errors()

    def _notification_errors(self) -> list[str]:
        errors = []
        if not all(map(WEBHOOK_HOST.fullmatch, _listed(self.webhook_hosts))):
            errors.append("WEBHOOK_HOSTS must list HOST, HOST:PORT or http://127.0.0.1:PORT, in lower case")
        if self.webhook_secret and not WEBHOOK_SECRET.fullmatch(self.webhook_secret):  # never quoted
            errors.append("WEBHOOK_SECRET must be whsec_ and the base64 of 24 to 64 bytes")
        if self.smtp_host and not HOST.fullmatch(self.smtp_host):
            errors.append("SMTP_HOST must be the name or the address of a server, without its port")
        if self.smtp_host and not EMAIL.fullmatch(self.smtp_from):
            errors.append("SMTP_FROM must be an e-mail address in ASCII")
        if self.smtp_user and not self.smtp_starttls and self.smtp_port != SMTPS_PORT:
            errors.append("SMTP_USER needs SMTP_STARTTLS=1 or SMTP_PORT=465, so that no password travels unencrypted")
        if (self.webhook_hosts or self.smtp_host) and not self.service_url:
            errors.append("SERVICE_URL is missing; the links in notifications begin with it")
        return errors

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """Origins in `cors_origins`."""
        return _listed(self.cors_origins)

    @property
    def webhook_origins(self) -> frozenset[str]:
        """Origins in `webhook_hosts`, each with its port."""
        found = map(WEBHOOK_HOST.fullmatch, _listed(self.webhook_hosts))
        return frozenset(
            f"https://{each['host']}:{each['port'] or 443}" if each["host"] else each[0] for each in found if each
        )

    @property
    def secret_versions(self) -> dict[str, str]:
        """Secret version of each name in `job_secrets`."""
        return dict(entry.split("=", 1) for entry in _listed(self.job_secrets))

    @property
    def retention(self) -> timedelta | None:
        """How long a run is stored; None: forever."""
        return timedelta(days=self.run_retention_days) if self.run_retention_days else None

    @property
    def queue_limit(self) -> timedelta | None:
        """How long a job may wait for its machine; None: as long as Batch lets it."""
        return timedelta(minutes=self.queue_limit_minutes) if self.queue_limit_minutes else None

    @property
    def atlas_root(self) -> Path:
        """Folder of ingested atlases."""
        return Path(self.atlas_dir)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
