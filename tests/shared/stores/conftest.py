"""Fixtures of the contract suites: each port once with each of its adapters, and the catalog with its fake too."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.catalog.cache import Catalog
from shared.runs.ports import RunDatabase
from shared.stores.firestore import FirestoreRunStore
from shared.stores.firestore_catalog import FirestoreCatalog
from shared.stores.firestore_client import FirestoreDatabase
from shared.stores.sqlite import SqliteCatalog, SqliteDatabase, SqliteRunStore
from tests.support.orchestrator.world import ListedCatalog

ADAPTERS = ["sqlite", "firestore"]


@pytest.fixture(params=ADAPTERS)
def run_store(request: pytest.FixtureRequest) -> RunDatabase:
    """An empty run store."""
    database = request.getfixturevalue(request.param)
    return SqliteRunStore(database) if request.param == "sqlite" else FirestoreRunStore(database)


@pytest.fixture
async def rival_store(
    run_store: RunDatabase, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[RunDatabase]:
    """The same run store as another process sees it, through its own connection."""
    database: SqliteDatabase | FirestoreDatabase
    if isinstance(run_store, SqliteRunStore):
        database = SqliteDatabase(tmp_path / "runs.db")
        yield SqliteRunStore(database)
    else:
        project = request.getfixturevalue("firestore").name.split("/")[1]
        database = FirestoreDatabase(project, "(default)", request.getfixturevalue("firestore_host"))
        yield FirestoreRunStore(database)
    await database.close()


@pytest.fixture(params=[*ADAPTERS, "memory"])
def catalog(request: pytest.FixtureRequest) -> Catalog:
    """An empty catalog."""
    if request.param == "memory":
        return ListedCatalog({})
    database = request.getfixturevalue(request.param)
    return SqliteCatalog(database) if request.param == "sqlite" else FirestoreCatalog(database)
