"""Load on local services that lose their functions and their store, with every response checked.

The functions' process tree is killed and started again. The Firestore emulator would lose its memory with its process, so for the
functions its death is simulated: all connections are reset and new ones refused. SQLite has no server: a lock of the whole
database takes its place, and the kill of the functions hits its writes.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from local import firestore_emulator
from local.firestore_emulator import FirestoreEmulator
from local.processes import free_port
from tools import ROOT
from tools.benchmarks.load import locusts
from tools.benchmarks.report import table

OUTAGE_SECONDS: Final = 10.0
START_SECONDS: Final = 60.0
COLUMNS: Final = (
    *("Store", "Users", "Requests", "Wrong answers", "Runs", "Lost", "Doubled", "Repeated while away"),
    *("p50 (ms)", "p95 (ms)"),
)

Outage = Callable[[], Awaitable[None]]


class Tree:
    """The process tree of `python -m local up`."""

    def __init__(self, port: int, store: str, data_dir: Path, environment: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._command = ["-m", "local", "up", "--port", str(port), "--store", store, "--data-dir", str(data_dir)]
        self._environment = {**os.environ, **environment}
        self._log = data_dir / "local.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it serves.

        Raises:
            RuntimeError: it ended before.
        """
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, *self._command),
                cwd=ROOT,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            while not (line := await self._process.stdout.readline()).startswith(b"API:"):
                if not line:
                    raise RuntimeError(f"The service did not start:\n{self._log.read_text(errors='replace')[-2000:]}")

    async def end(self, number: signal.Signals) -> None:
        """Send a signal to the service and wait for its end; the kernel kills its children with it."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        await self._process.wait()

    async def kill_and_restart(self) -> None:
        """Kill the functions, emulators of Batch and Cloud Storage, and jobs; start them again after a pause."""
        await self.end(signal.SIGKILL)
        await asyncio.sleep(OUTAGE_SECONDS / 2)
        await self.start()


class Wire:
    """The connections to a server, which can be cut."""

    def __init__(self, server: str) -> None:
        self._host, _, port = server.partition(":")
        self._server_port = int(port)
        self._port = free_port()
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """The `host:port` for clients."""
        return f"127.0.0.1:{self._port}"

    async def open(self) -> None:
        """Accept connections."""
        self._listener = await asyncio.start_server(self._forward, "127.0.0.1", self._port)

    async def cut(self) -> None:
        """Reset all connections and refuse new ones for a while."""
        await self.close()
        await asyncio.sleep(OUTAGE_SECONDS)
        await self.open()

    async def close(self) -> None:
        """Reset all connections and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            upstream = await asyncio.open_connection(self._host, self._server_port)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_copy(reader, upstream[1]))
                    both.create_task(_copy(upstream[0], writer))
            finally:
                upstream[1].transport.abort()
        except* (ConnectionError, asyncio.CancelledError):
            pass  # the connection ends, whichever side ended it
        finally:
            self._connections.discard(task)
            writer.transport.abort()


async def main(users: int, minutes: float) -> int:
    """Load and disturb a service with each store, print a table, and return 1 if anything was wrong, lost or doubled."""
    if not locusts.PYTHON.exists():
        print("Locust is not installed. Run: make load-faults", file=sys.stderr)
        return 2
    rows = []
    for store in ("sqlite", "firestore"):
        with tempfile.TemporaryDirectory(prefix="haystack-load-") as folder:
            rows.append(await _campaign(store, users, minutes, Path(folder)))
    print(table(COLUMNS, rows))
    return int(any(figure != "0" for row in rows for figure in (row[3], row[5], row[6])))


async def _campaign(store: str, users: int, minutes: float, data_dir: Path) -> list[str]:
    """Load a service with this store, kill its functions after a third of the time, and its store after two thirds."""
    await _prepare(data_dir)
    async with AsyncExitStack() as stack:
        environment: dict[str, str] = {}
        outage: Outage = partial(asyncio.to_thread, _lock, data_dir / "runs.db")
        if store == "firestore":
            wire = await stack.enter_async_context(_emulator(data_dir))
            environment, outage = {"FIRESTORE_EMULATOR_HOST": wire.address}, wire.cut
        tree = Tree(free_port(), store, data_dir, environment)
        await tree.start()
        stack.push_async_callback(tree.end, signal.SIGTERM)
        counts = data_dir / "counts.json"
        load = asyncio.create_task(locusts.report(tree.url, users, minutes, counts))
        for name, disturb in (("functions", tree.kill_and_restart), ("store", outage)):
            await asyncio.wait([load], timeout=20 * minutes)
            print(f"{store}: the {name} go away and come back", file=sys.stderr, flush=True)
            await disturb()
        return _row(store, users, await load, json.loads(counts.read_text()))


async def _prepare(data_dir: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local", "atlas", "--data-dir", str(data_dir)), cwd=ROOT, stdout=sys.stderr
    )
    if await process.wait() != 0:
        raise RuntimeError("The demo atlases could not be built; see the output above.")


@asynccontextmanager
async def _emulator(data_dir: Path) -> AsyncIterator[Wire]:
    """Run a Firestore emulator that outlives the functions, and yield the connections to it."""
    found = firestore_emulator.find()
    if isinstance(found, str):
        raise RuntimeError(f"The Firestore emulator cannot start: {found}.")
    emulator = FirestoreEmulator(found, data_dir / "firestore.log")
    wire = Wire(await emulator.start())
    await wire.open()
    try:
        yield wire
    finally:
        await wire.close()
        await emulator.stop()


def _lock(database: Path) -> None:
    """Lock a SQLite database against all writes for a while."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=START_SECONDS)) as connection:
        connection.execute("begin exclusive")
        time.sleep(OUTAGE_SECONDS)
        connection.execute("rollback")


def _row(store: str, users: int, statistics: list[dict[str, Any]], counts: dict[str, int]) -> list[str]:
    requests = sum(each["num_requests"] for each in statistics)
    wrong = sum(each["num_failures"] for each in statistics) + counts["errors"]
    times: dict[float, int] = {}
    for each in statistics:
        if "wait" not in each["name"]:
            for milliseconds, number in each["response_times"].items():
                times[float(milliseconds)] = times.get(float(milliseconds), 0) + number
    figures = (requests, wrong, counts["created"], counts["lost"], counts["doubled"], counts["unavailable"])
    return [store, str(users), *map(str, figures), *(f"{_percentile(times, share):.0f}" for share in (0.5, 0.95))]


def _percentile(times: dict[float, int], share: float) -> float:
    """Return a percentile of response times in milliseconds, from their counts."""
    left = share * sum(times.values())
    for milliseconds in sorted(times):
        left -= times[milliseconds]
        if left <= 0:
            return milliseconds
    return 0.0


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forward until the sender ends."""
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError
