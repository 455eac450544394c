"""Fixtures that more than one folder uses: the real emulator, the two databases, and a clock that tests move."""

import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest

from local import firestore_emulator
from local.firestore_emulator import FirestoreEmulator
from shared.stores.firestore_client import FirestoreDatabase
from shared.stores.sqlite import SqliteDatabase
from tests.support.fakes import FakeBatch, TestClock

# How long an example takes tells of the machine and its other work; each test as a whole has its time limit.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(scope="session")
async def firestore_host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """`host:port` of an emulator for the whole session; where there is none, a skip for a user and a failure in CI."""
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
    """An empty Firestore database."""
    database = FirestoreDatabase(f"test-{uuid4().hex[:12]}", "(default)", firestore_host)
    yield database
    await database.close()


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """An empty SQLite database."""
    database = SqliteDatabase(tmp_path / "runs.db")
    yield database
    await database.close()


@pytest.fixture
def clock() -> TestClock:
    """A clock of the test's own."""
    return TestClock()


@pytest.fixture
def ticking() -> Callable[[], datetime]:
    """The real clock."""
    return lambda: datetime.now(UTC)


@pytest.fixture
def batch() -> FakeBatch:
    """A Batch that does what the test tells it."""
    return FakeBatch()
