"""What a process is told by its environment, read once when the process first needs it, never at import."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from shared.errors import SettingsInvalid
from shared.runs.states import SHORTEST_RETENTION

SECRET = re.compile(r"([A-Z][A-Z0-9_]*)=(projects/[^/]+/secrets/[^/]+/versions/[^/]+)")
STORES = ("firestore", "sqlite")
ENVIRONMENTS = ("production", "development")


class Settings(NamedTuple):
    """The settings of a function or of the job. The names in the environment are these in capitals.

    Attributes:
        environment: `production` (the default: IAP assertions are verified) or `development` (the e-mail header is believed).
        project: Google Cloud project id.
        region: where Batch jobs run.
        store: `firestore` or `sqlite`.
        sqlite_path: the database file, for `sqlite`.
        firestore_database: Firestore database id.
        results_bucket: where results lie.
        atlas_dir: folder (in production a read-only mount of `atlas_bucket`) where ingested atlases lie.
        atlas_bucket: bucket that the Batch job mounts at `atlas_dir`; empty: nothing is mounted.
        job_image: container image of the job.
        job_service_account: e-mail that the job runs as; empty: the project's default.
        job_topic: Pub/Sub topic (`projects/P/topics/T`) for Batch notifications; empty: none.
        job_max_run_seconds: how long a job may run.
        job_secrets: what jobs may find in their environment, as `NAME=projects/P/secrets/S/versions/V`, separated by commas; empty: none.
        iap_audience: `/projects/NUMBER/global/backendServices/ID` of this function's backend.
        iap_keys_url: where IAP's public keys are, as a set of JSON web keys.
        reconcile_audience: audience of the OIDC tokens that reconcile accepts.
        reconcile_caller: e-mail of the service account that may call reconcile.
        oidc_keys_url: where the public keys of Google's OIDC tokens are, as a set of JSON web keys.
        signer_email: service account that signs URLs through IAM; empty: the process's own.
        signing_key_file: service-account key file to sign with instead of IAM (the local service's).
        batch_emulator_host: `host:port` of the Batch stand-in; empty: the real one.
        firestore_emulator_host: `host:port` of the Firestore emulator; empty: the real one.
        storage_emulator_host: URL of a Cloud Storage stand-in; empty: the real one.
        cors_origins: origins of web pages that may call, separated by commas; empty: none.
        max_active_runs: most unfinished runs of one user; 0: no limit.
        run_retention_days: after so many days Firestore deletes a run, where the deployment has it do so; 0: it is kept for ever.
        page_token_key: secret that page tokens are bound with; empty: tokens are bound by the owner's e-mail alone.
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
    job_topic: str = ""
    job_max_run_seconds: int = 3600
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
    max_active_runs: int = 20
    run_retention_days: int = 0
    page_token_key: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings, from this process's environment unless another is given.

        Raises:
            SettingsInvalid: with everything that is missing or wrong, not only the first.
        """
        source = os.environ if env is None else env
        given: dict[str, str | int] = {}
        faults: list[str] = []
        for name, default in cls._field_defaults.items():
            raw = source.get(name.upper(), "").strip()
            if not raw:
                continue
            if isinstance(default, int):
                if raw.isdecimal():
                    given[name] = int(raw)
                else:
                    faults.append(f"{name.upper()} must be a whole number")
            else:
                given[name] = raw
        settings = cls(**given)  # type: ignore[arg-type]  # the loop above gave each field its own type
        faults += settings._faults()
        if faults:
            raise SettingsInvalid(faults)
        return settings

    def _faults(self) -> list[str]:
        faults = []
        if self.environment not in ENVIRONMENTS:
            faults.append(f"ENVIRONMENT must be one of {', '.join(ENVIRONMENTS)}")
        if self.store not in STORES:
            faults.append(f"STORE must be one of {', '.join(STORES)}")
        required = ["project", "region", "results_bucket"]
        if self.store == "sqlite":
            required.append("sqlite_path")
        faults += [f"{name.upper()} is missing" for name in required if not getattr(self, name)]
        if 0 < self.run_retention_days < SHORTEST_RETENTION.days:
            faults.append(f"RUN_RETENTION_DAYS must be {SHORTEST_RETENTION.days} or more, or 0 to keep runs for ever")
        if not all(map(SECRET.fullmatch, _listed(self.job_secrets))):
            faults.append("JOB_SECRETS must list NAME=projects/P/secrets/S/versions/V")
        return faults

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The origins of `cors_origins`."""
        return _listed(self.cors_origins)

    @property
    def secret_versions(self) -> dict[str, str]:
        """The secrets of `job_secrets`: the version behind each name."""
        return dict(entry.split("=", 1) for entry in _listed(self.job_secrets))

    @property
    def retention(self) -> timedelta | None:
        """How long a run is kept; None: for ever."""
        return timedelta(days=self.run_retention_days) if self.run_retention_days else None

    @property
    def atlas_root(self) -> Path:
        """The folder of ingested atlases."""
        return Path(self.atlas_dir)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


# FOLDED from llm_keys.py: """Where the job finds a language model provider's key: the names in its environment. Standard library only, for `deploy` reads them too."""  # noqa: E501
LLM_KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY", "google_genai": "GOOGLE_API_KEY"}
)
"""The key's name for each provider of `shared.models.LlmProvider`; the names that the providers' own libraries read."""
