"""Fixtures of the contract suites: each port once with each of its adapters, and the catalog with its fake too."""

import pytest

from shared.catalog.cache import Catalog
from shared.runs.ports import RunDatabase
from shared.stores.firestore import FirestoreRunStore
from shared.stores.firestore_catalog import FirestoreCatalog
from shared.stores.sqlite import SqliteCatalog, SqliteRunStore
from tests.support.orchestrator.world import ListedCatalog

ADAPTERS = ["sqlite", "firestore"]


@pytest.fixture(params=ADAPTERS)
def run_store(request: pytest.FixtureRequest) -> RunDatabase:
    """An empty run store."""
    database = request.getfixturevalue(request.param)
    return SqliteRunStore(database) if request.param == "sqlite" else FirestoreRunStore(database)


@pytest.fixture(params=[*ADAPTERS, "memory"])
def catalog(request: pytest.FixtureRequest) -> Catalog:
    """An empty catalog."""
    if request.param == "memory":
        return ListedCatalog({})
    database = request.getfixturevalue(request.param)
    return SqliteCatalog(database) if request.param == "sqlite" else FirestoreCatalog(database)
