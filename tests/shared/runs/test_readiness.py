"""Readiness reads and writes now and then, however often it is asked, and a store that refuses writes is not ready."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import grpc.aio
import pytest

from shared.errors import NotWritable, Unavailable
from shared.runs.ports import RunDatabase
from shared.runs.readiness import READ_SECONDS, RETRY_SECONDS, WRITE_SECONDS, Readiness
from shared.stores.firestore import FirestoreRunStore
from shared.stores.firestore_client import FirestoreDatabase
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.support.fakes import TestClock


class Probed(SqliteRunStore):
    """A store that counts its test reads and writes, and may refuse them."""

    def __init__(self, database: SqliteDatabase) -> None:
        super().__init__(database)
        self.reads = 0
        self.is_away = False
        self.writes: list[datetime] = []
        self.error: Unavailable | None = None

    async def ping(self) -> None:
        """See `RunDatabase.ping`."""
        self.reads += 1
        await asyncio.sleep(0)  # other probes come while this one waits
        if self.is_away:
            raise Unavailable("Firestore")
        await super().ping()

    async def ping_write(self, moment: datetime) -> None:
        """See `RunDatabase.ping_write`."""
        self.writes.append(moment)
        if self.error is not None:
            raise self.error
        await super().ping_write(moment)


class Elapsed:
    """Monotonic seconds that stand still until they are moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def store(sqlite: SqliteDatabase) -> Probed:
    return Probed(sqlite)


@pytest.fixture
def elapsed() -> Elapsed:
    return Elapsed()


@pytest.fixture
def readiness(store: Probed, clock: TestClock, elapsed: Elapsed) -> Readiness:
    return Readiness(store, clock, elapsed)


async def test_any_number_of_probes_writes_once_in_half_a_minute(
    readiness: Readiness, store: Probed, elapsed: Elapsed
) -> None:
    await asyncio.gather(*(readiness.check() for _ in range(20)))
    elapsed.seconds += WRITE_SECONDS - 0.1
    await readiness.check()
    assert len(store.writes) == 1
    elapsed.seconds += 0.2
    await readiness.check()
    assert len(store.writes) == 2


async def test_any_number_of_probes_reads_once_in_a_second(
    readiness: Readiness, store: Probed, elapsed: Elapsed
) -> None:
    await asyncio.gather(*(readiness.check() for _ in range(20)))
    elapsed.seconds += READ_SECONDS - 0.1
    await readiness.check()
    assert store.reads == 1
    elapsed.seconds += 0.1
    await readiness.check()
    assert store.reads == 2


async def test_a_store_that_is_away_is_told_to_every_probe_and_seen_when_it_is_back(
    readiness: Readiness, store: Probed, elapsed: Elapsed
) -> None:
    await readiness.check()
    store.is_away = True
    elapsed.seconds += READ_SECONDS
    outcomes = await asyncio.gather(*(readiness.check() for _ in range(20)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 20
    assert (store.reads, len(store.writes)) == (2, 1)
    store.is_away = False
    elapsed.seconds += READ_SECONDS
    await readiness.check()


async def test_a_refused_write_is_told_to_every_probe_until_a_write_succeeds(
    readiness: Readiness, store: Probed, elapsed: Elapsed, capsys: pytest.CaptureFixture[str]
) -> None:
    store.error = NotWritable("Firestore")
    for _ in range(10):
        with pytest.raises(NotWritable, match="can be read but not written"):
            await readiness.check()
    assert len(store.writes) == 1
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["severity"], line["message"]) for line in lines] == [("ERROR", "the run store cannot be written")]
    store.error = None
    elapsed.seconds += RETRY_SECONDS
    await readiness.check()
    assert len(store.writes) == 2


async def test_a_store_that_does_not_answer_is_not_ready_and_no_permission_is_missing(
    readiness: Readiness, store: Probed, capsys: pytest.CaptureFixture[str]
) -> None:
    store.error = Unavailable("Firestore")
    with pytest.raises(Unavailable):
        await readiness.check()
    assert "cannot be written" not in capsys.readouterr().err


async def test_regression_a_database_that_became_read_only_is_not_ready(
    sqlite: SqliteDatabase, clock: TestClock
) -> None:
    readiness = Readiness(SqliteRunStore(sqlite), clock)
    await sqlite.read(lambda connection: connection.execute("pragma query_only = on"))
    with pytest.raises(NotWritable):
        await readiness.check()


async def test_regression_a_full_disk_is_not_ready(tmp_path: Path, clock: TestClock) -> None:
    database = SqliteDatabase(tmp_path / "full.db")
    store = SqliteRunStore(database)

    def fill(connection: sqlite3.Connection) -> None:
        # The table of the test write has no page left for its first row, as on a full disk.
        connection.execute("drop table health")
        connection.execute("vacuum")
        connection.execute("create table health (name text primary key, written_at text not null)")
        connection.execute("insert into health values (?, ?)", ("x" * 4000, "y" * 60_000))
        connection.execute(
            "create trigger more after insert on health begin "
            "insert into health values (hex(randomblob(9000)), ''); end"
        )
        (pages,) = connection.execute("pragma page_count").fetchone()
        connection.execute(f"pragma max_page_count = {pages}")

    await database.read(fill)
    with pytest.raises(NotWritable):
        await Readiness(store, clock).check()
    await database.close()


async def test_a_locked_database_is_unavailable_but_can_be_written(tmp_path: Path, clock: TestClock) -> None:
    database = SqliteDatabase(tmp_path / "locked.db")
    store = SqliteRunStore(database)
    await store.ping_write(clock())
    await database.read(lambda connection: connection.execute("pragma busy_timeout = 10"))
    rival = sqlite3.connect(tmp_path / "locked.db", isolation_level=None)
    rival.execute("begin immediate")
    with pytest.raises(Unavailable) as locked:
        await Readiness(store, clock).check()
    assert not isinstance(locked.value, NotWritable)
    rival.close()
    await database.close()


@asynccontextmanager
async def firestore(reads: grpc.StatusCode, writes: grpc.StatusCode) -> AsyncIterator[RunDatabase]:
    """A Firestore that answers reads and commits with these statuses."""

    def answers(status: grpc.StatusCode) -> "grpc.RpcMethodHandler[bytes, bytes]":
        async def answer(_: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
            if status is not grpc.StatusCode.OK:
                await context.abort(status, "no")
            return b""  # an empty message of any type

        return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.aio.server()
    methods = {"GetDocument": answers(reads), "Commit": answers(writes)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("google.firestore.v1.Firestore", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    database = FirestoreDatabase("p", "(default)", f"127.0.0.1:{port}")
    yield FirestoreRunStore(database)
    await database.close()
    await server.stop(None)


async def test_regression_a_firestore_that_denies_writes_is_not_ready(clock: TestClock) -> None:
    async with firestore(grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED) as store:
        with pytest.raises(NotWritable, match="Firestore can be read but not written"):
            await Readiness(store, clock).check()


async def test_a_firestore_that_denies_reads_is_not_ready(clock: TestClock) -> None:
    async with firestore(grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.OK) as store:
        with pytest.raises(Unavailable):
            await Readiness(store, clock).check()


@pytest.mark.parametrize("status", [grpc.StatusCode.OK, grpc.StatusCode.ABORTED])
async def test_a_write_that_another_process_overtakes_shows_that_writes_work(
    clock: TestClock, status: grpc.StatusCode
) -> None:
    async with firestore(grpc.StatusCode.NOT_FOUND, status) as store:
        await Readiness(store, clock).check()
