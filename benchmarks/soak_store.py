"""The two run stores as things that can be frozen, killed and started again, without a write lost that was acknowledged."""

import asyncio
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from shared.stores.firestore import FirestoreRunStore
from shared.stores.firestore_client import FirestoreDatabase
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore

from local import firestore_emulator
from local.firestore_emulator import FirestoreEmulator, Installation
from local.service import PROJECT
from shared.runs.ports import RunStore

SETTLING_SECONDS: Final = 0.5
CHUNK: Final = 65536


class Store(Protocol):
    """Where the service keeps its runs."""

    outlives_gateway: bool
    """Whether it is a process of its own; else it is killed by killing who holds it."""

    async def start(self) -> Mapping[str, str]:
        """Begin, and give the settings that point to it."""

    async def stop(self) -> None:
        """End."""

    def opened(self) -> RunStore:
        """The store, to be read from here."""

    async def freeze(self, seconds: float) -> None:
        """Have it answer nobody for so long, keep all that is sent to it, and then go on."""

    async def kill(self, seconds: float) -> None:
        """Kill it, and start it again after so long."""


class SqliteStore:
    """SQLite, which lives in the processes that open it.

    Args:
        folder: where its file goes.
    """

    outlives_gateway = False

    def __init__(self, folder: Path) -> None:
        self._path = folder / "runs.db"
        self._database = SqliteDatabase(self._path)

    async def start(self) -> Mapping[str, str]:
        """See `Store.start`."""
        return {"STORE": "sqlite", "SQLITE_PATH": str(self._path)}

    async def stop(self) -> None:
        """See `Store.stop`."""
        await self._database.close()

    def opened(self) -> RunStore:
        """See `Store.opened`."""
        return SqliteRunStore(self._database)

    async def freeze(self, seconds: float) -> None:
        """Another writer takes its time: readers go on, and writers wait."""
        await self._database.write(lambda _: time.sleep(seconds))

    async def kill(self, seconds: float) -> None:
        """Nothing to do: it was killed with the gateway."""
        await asyncio.sleep(seconds)


class FirestoreStore:
    """The Firestore emulator behind a wire that can be cut.

    The emulator forgets everything when it dies, which Firestore does not. So it is killed in this order: the wire is cut, which no client
    expects; what has reached the emulator is done there, its answers lost; its data is exported; it is killed; another begins with the
    data.

    Args:
        folder: for its logs and exports.
    """

    outlives_gateway = True

    def __init__(self, folder: Path) -> None:
        found = firestore_emulator.find()
        if not isinstance(found, Installation):
            raise RuntimeError(f"there is no Firestore emulator: {found}")
        self._installation = found
        self._folder = folder
        self._deaths = 0
        self._emulator = self._new(None)
        self._wire = Wire()
        self._host = ""

    async def start(self) -> Mapping[str, str]:
        """See `Store.start`."""
        self._host = await self._wire.connect(await self._emulator.start())
        return {"STORE": "firestore", "FIRESTORE_EMULATOR_HOST": self._host}

    async def stop(self) -> None:
        """See `Store.stop`."""
        await self._wire.cut()
        await self._emulator.stop()

    def opened(self) -> RunStore:
        """See `Store.opened`."""
        return FirestoreRunStore(FirestoreDatabase(PROJECT, "(default)", self._host))

    async def freeze(self, seconds: float) -> None:
        """See `Store.freeze`."""
        self._emulator.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._emulator.signal(signal.SIGCONT)

    async def kill(self, seconds: float) -> None:
        """See `Store.kill`."""
        over = asyncio.get_running_loop().time() + seconds
        await self._wire.cut()
        await asyncio.sleep(SETTLING_SECONDS)
        self._deaths += 1
        folder = self._folder / f"export-{self._deaths}"
        await asyncio.to_thread(folder.mkdir)
        export = await self._emulator.export(PROJECT, folder)
        self._emulator.signal(signal.SIGKILL)
        await self._emulator.stop()
        self._emulator = self._new(export)
        host = await self._emulator.start()
        await asyncio.sleep(over - asyncio.get_running_loop().time())
        await self._wire.connect(host)

    def _new(self, export: Path | None) -> FirestoreEmulator:
        log = self._folder / f"firestore-{self._deaths}.log"
        return FirestoreEmulator(self._installation, log, export=export)


class Wire:
    """A TCP relay on a port of its own, which it keeps for good."""

    def __init__(self) -> None:
        self._port = 0
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self._target = ("", 0)

    async def connect(self, target: str) -> str:
        """Carry what comes to another `host:port`; gives the wire's own."""
        host, _, port = target.partition(":")
        self._target = (host, int(port))
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return f"127.0.0.1:{self._port}"

    async def cut(self) -> None:
        """Break every connection in the middle of what it says, and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for end in list(self._ends):
            end.transport.abort()
        await asyncio.gather(*self._carrying)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            other_reader, other_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, other_writer}
        self._ends |= ends
        try:
            await asyncio.gather(_pour(reader, other_writer), _pour(other_reader, writer))
        finally:
            self._ends -= ends
            for end in ends:
                end.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one direction until it ends; then the other end is told."""
    with suppress(ConnectionError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    writer.close()
