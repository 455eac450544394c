"""Fixtures for several folders: the real emulator, the two databases, a fake Batch and a manual clock."""

import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest

from local import demo, firestore_emulator
from local.firestore_emulator import FirestoreEmulator
from shared.stores.firestore_client import FirestoreDatabase
from shared.stores.sqlite import SqliteDatabase
from tests.support.fakes import FakeBatch, TestClock

# The duration of one example depends on the load of the machine; each test as a whole has a time limit.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(scope="session")
async def firestore_host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Start an emulator for the session and return its `host:port`; skip without one, but fail in CI."""
    if running := os.environ.get("TEST_FIRESTORE_HOST"):  # of `make mutants`
        yield running
        return
    found = firestore_emulator.find()
    if isinstance(found, str):
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the Firestore emulator: {found}")
        pytest.skip(f"no Firestore emulator: {found}")
    emulator = FirestoreEmulator(found, tmp_path_factory.mktemp("firestore") / "emulator.log")
    yield await emulator.start()
    await emulator.stop()


@pytest.fixture
async def firestore(firestore_host: str) -> AsyncIterator[FirestoreDatabase]:
    """Return an empty Firestore database."""
    database = FirestoreDatabase(f"test-{uuid4().hex[:12]}", "(default)", firestore_host)
    yield database
    await database.close()


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """Return an empty SQLite database."""
    database = SqliteDatabase(tmp_path / "runs.db")
    # A query without an order comes out in an index's order by chance; here it comes out the other way round.
    await database.read(lambda connection: connection.execute("pragma reverse_unordered_selects = on").close())
    yield database
    await database.close()


@pytest.fixture
def clock() -> TestClock:
    """Return a clock that the test moves."""
    return TestClock()


@pytest.fixture
def ticking() -> Callable[[], datetime]:
    """Return the real clock."""
    return lambda: datetime.now(UTC)


@pytest.fixture
def batch() -> FakeBatch:
    """Return a Batch that the test controls."""
    return FakeBatch()


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the demo atlases. Without a package registry the tests are skipped, but in CI they fail."""
    folder = tmp_path_factory.mktemp("demo")
    try:
        demo.make_atlases(folder)
    except SystemExit as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    return folder
