"""Serve all functions as the framework does, in this process, on emulators. Jobs stay queued; other tests run them."""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from local.batch.service import BatchEmulator
from local.gateway import Gateway
from local.serving import serving
from local.storage.server import StorageServer
from local.tokens import TokenIssuer
from shared import wiring
from shared.catalog.entries import CellTypeEntry, ConditionEntry, DatasetEntry, GroupCount
from shared.runs.ports import RunDatabase
from shared.stores.firestore_client import FirestoreDatabase

AUDIENCE = "http://test/api/v1/reconcile"
BUCKET = "results"
DONORS = ["donor_1", "donor_2"]


@dataclass(frozen=True)
class Cloud:
    """The emulators that all tests of a session share."""

    storage_url: str
    key_file: Path
    issuer: TokenIssuer
    account: str
    keys_url: str


@pytest.fixture(scope="session")
async def cloud() -> AsyncIterator[Cloud]:
    """Start Cloud Storage with its verifying gateway, and a server of the keys of the account that calls reconcile."""
    storage = StorageServer(data_dir=None, bucket=BUCKET)
    url = await storage.start()
    issuer = TokenIssuer(storage.key)
    async with serving(Gateway(issuer.key_set())) as keys:
        yield Cloud(url, storage.key_file, issuer, storage.key.email, f"{keys}/local/oidc-keys")
    await storage.stop()


@pytest.fixture(params=["sqlite", "firestore"])
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Return the settings of an empty store, once for each kind."""
    if request.param == "sqlite":
        return {"STORE": "sqlite", "SQLITE_PATH": str(tmp_path / "runs.db")}
    found: dict[str, str] = request.getfixturevalue("firestore_settings")
    return found


@pytest.fixture
def firestore_settings(firestore: FirestoreDatabase, firestore_host: str) -> dict[str, str]:
    """Return the settings of an empty Firestore database."""
    project = firestore.name.split("/")[1]
    return {"STORE": "firestore", "FIRESTORE_EMULATOR_HOST": firestore_host, "PROJECT": project}


@pytest.fixture
def batch(tmp_path: Path) -> BatchEmulator:
    """Return a Batch that starts no job."""
    return BatchEmulator(log_dir=tmp_path / "jobs", job_env={}, cwd=tmp_path, max_parallel=0)


@pytest.fixture
async def settings(cloud: Cloud, batch: BatchEmulator, store_settings: dict[str, str]) -> AsyncIterator[dict[str, str]]:
    """Return the functions' environment: development, an empty store, and `batch`."""
    port = await batch.start()
    yield {
        "ENVIRONMENT": "development",
        "PROJECT": "test-project",
        "REGION": "europe-west4",
        "RESULTS_BUCKET": BUCKET,
        "JOB_IMAGE": "haystack/orchestrator",
        "BATCH_EMULATOR_HOST": f"127.0.0.1:{port}",
        "STORAGE_EMULATOR_HOST": cloud.storage_url,
        "SIGNING_KEY_FILE": str(cloud.key_file),
        "RECONCILE_AUDIENCE": AUDIENCE,
        "RECONCILE_CALLER": cloud.account,
        "OIDC_KEYS_URL": cloud.keys_url,
        **store_settings,
    }
    await batch.stop()


@pytest.fixture
def environment(settings: dict[str, str]) -> Iterator[dict[str, str]]:
    """Put the settings into this process's environment; a change of it takes effect at the next `wiring.replace(None)`."""
    before = dict(os.environ)
    os.environ.update(settings)
    wiring.replace(None)
    yield settings
    os.environ.clear()
    os.environ.update(before)
    wiring.replace(None)


@pytest.fixture
def store(environment: dict[str, str]) -> RunDatabase:
    """Return the functions' run store."""
    assert environment
    return wiring.container().run_store


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of all functions, as `dev@example.com` with a fixed request id; the catalog has one small dataset."""
    assert environment
    await wiring.container().catalog.put(small_dataset())
    transport = httpx.ASGITransport(Gateway({}))
    headers = {"X-Request-Id": "request-1"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        yield client


def small_dataset() -> DatasetEntry:
    """Return a dataset of monocytes and NK cells of two donors, in PBS and IFN-gamma."""
    labels = {"MDC": "CL:0000113", "NK": "CL:0000623"}
    return DatasetEntry(
        name="small_pbmc",
        title="A small data set",
        description="For a test.",
        licence="MIT",
        source="made here",
        ingested=True,
        atlas="small_pbmc",
        n_cells=80,
        n_genes=5,
        donors=DONORS,
        cell_types=[
            CellTypeEntry(label=label, cell_ontology_id=term, cell_ontology_label=None)
            for label, term in labels.items()
        ],
        conditions=[
            ConditionEntry(label="PBS", perturbation=None, kind="control", is_control=True),
            ConditionEntry(label="IFN-gamma", perturbation="IFN-gamma", kind="cytokine", is_control=False),
        ],
        groups=[
            GroupCount(cell_type=label, condition=condition, cells=20, donors=[12, 8])
            for label in labels
            for condition in ("PBS", "IFN-gamma")
        ],
    )
