"""A service in processes of its own: started as in production, timed to its first answer, its processes weighed."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.processes import free_port

LONGEST_START: Final = 60.0
LOOK_AGAIN: Final = 0.002
"""Seconds between two tries to connect: short beside what is timed, long enough to leave the processor to the service."""


@dataclass(frozen=True)
class Command:
    """How a service is started; `{port}` in an argument, and the variable PORT, are where it is to listen.

    Attributes:
        name: what the tables call it.
        arguments: program and arguments.
        folder: where it is started.
        environment: all of its environment but PORT.
    """

    name: str
    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Request:
    """An HTTP request that is to be answered with a status, 200 unless another is given."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    status: int = 200

    def encoded(self) -> bytes:
        """The request on the wire, on a connection that stays open."""
        headers = {"Host": "benchmark", **self.headers}
        if self.body:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(self.body))}
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        pid: its first process; the others descend from it.
        port: where it listens.
        first_answer: seconds from the start of its first process to its first answer.
        body: that answer's body.
    """

    pid: int
    port: int
    first_answer: float
    body: bytes

    def cpu_seconds(self) -> float:
        """Processor time of all its processes so far."""
        files = (task / "schedstat" for pid in _tree(self.pid) for task in Path(f"/proc/{pid}/task").iterdir())
        return sum(int(file.read_text().split()[0]) for file in files) / 1e9

    def pss_mib(self) -> float:
        """Proportional set size of all its processes: pages that they share are counted once."""
        return self._mib("Pss:")

    def own_mib(self) -> float:
        """The same without the pages of files, whose share falls to us when other processes that map them end."""
        return self._mib("Pss_Anon:")

    def _mib(self, name: str) -> float:
        rollups = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in _tree(self.pid))
        lines = (line.split() for rollup in rollups for line in rollup.splitlines())
        return sum(int(line[1]) for line in lines if line[0] == name) / 1024


@asynccontextmanager
async def running(command: Command, first: Request, log: Path) -> AsyncIterator[Service]:
    """Start a service, ask it for the first time, and end all its processes when the block is left.

    Raises:
        RuntimeError: it ended, did not listen in time, or gave another answer than was expected.
    """
    port = free_port()
    arguments = [argument.format(port=port) for argument in command.arguments]
    environment = {**command.environment, "PORT": str(port)}
    with log.open("ab") as output:
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *arguments,
            cwd=command.folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        body = await _first_answer(process, port, first, started + LONGEST_START)
        yield Service(process.pid, port, time.perf_counter() - started, body)
    except (ConnectionError, EOFError, RuntimeError) as error:
        raise RuntimeError(f"{command.name}: {error}\n{_end_of(log)}") from error
    finally:
        with suppress(ProcessLookupError):  # who used the block may have ended it
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


async def _first_answer(process: asyncio.subprocess.Process, port: int, request: Request, ends: float) -> bytes:
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        except ConnectionRefusedError:
            if process.returncode is not None or time.perf_counter() > ends:
                raise RuntimeError("it did not start") from None
            await asyncio.sleep(LOOK_AGAIN)
    try:
        writer.write(request.encoded())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, length = int(head.split(" ", 2)[1]), _content_length(head.splitlines())
        body = await reader.readexactly(length)
        if status != request.status:
            raise RuntimeError(f"{request.method} {request.path} was answered with {status}: {body.decode()}")
        return body
    finally:
        writer.close()


def _content_length(lines: Iterable[str]) -> int:
    return next((int(line[15:]) for line in lines if line.lower().startswith("content-length:")), 0)


def _tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += _tree(int(child))
    return found
