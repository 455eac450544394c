"""Fixtures of the contract suites: each port once with each of its two adapters."""

import pytest

from shared.catalog.cache import Catalog
from shared.runs.ports import RunDatabase
from shared.stores.firestore import FirestoreCatalog, FirestoreRunStore
from shared.stores.sqlite import SqliteCatalog, SqliteRunStore

ADAPTERS = ["sqlite", "firestore"]


@pytest.fixture(params=ADAPTERS)
def run_store(request: pytest.FixtureRequest) -> RunDatabase:
    """An empty run store."""
    database = request.getfixturevalue(request.param)
    return SqliteRunStore(database) if request.param == "sqlite" else FirestoreRunStore(database)


@pytest.fixture(params=ADAPTERS)
def catalog(request: pytest.FixtureRequest) -> Catalog:
    """An empty catalog."""
    database = request.getfixturevalue(request.param)
    return SqliteCatalog(database) if request.param == "sqlite" else FirestoreCatalog(database)
