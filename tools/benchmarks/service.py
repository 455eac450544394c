"""Run a service as in production, send requests to it, and measure its processes."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.processes import free_port
from tools.benchmarks.generator import Responses, read_response

LONGEST_START: Final = 60.0
# Seconds between two attempts to connect: short compared to a start, and long enough to leave the CPU to the service.
RETRY_SECONDS: Final = 0.002


@dataclass(frozen=True)
class Command:
    """Command that starts a service; `{port}` in an argument is replaced by the port to listen on."""

    name: str
    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Request:
    """HTTP request and the expected status of its response."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    status: int = 200

    def encoded(self) -> bytes:
        """Return the request on the wire, on a persistent connection."""
        headers = {"Host": "benchmark", **self.headers}
        if self.body:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(self.body))}
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


@dataclass(frozen=True)
class Service:
    """Running service.

    Attributes:
        pid: the process that was started; all others descend from it.
        first_response: seconds from the start of that process to the first response.
        body: body of the first response.
    """

    pid: int
    port: int
    first_response: float
    body: bytes

    async def load(self, requests: Sequence[Request], *, count: int, concurrency: int) -> Responses:
        """Send `count` requests, cycling through `requests`.

        Raises:
            RuntimeError: a response has an unexpected status.
        """
        plan = {
            "port": self.port,
            "count": count,
            "concurrency": concurrency,
            "requests": [request.encoded().decode("latin-1") for request in requests],
            "statuses": [request.status for request in requests],
        }
        pipe = asyncio.subprocess.PIPE
        program = (sys.executable, "-m", "tools.benchmarks.generator")
        generator = await asyncio.create_subprocess_exec(*program, stdin=pipe, stdout=pipe, stderr=pipe)
        output, error = await generator.communicate(json.dumps(plan).encode())
        if generator.returncode != 0:
            raise RuntimeError(error.decode())
        return Responses(**json.loads(output))

    def cpu_seconds(self) -> float:
        """Return the CPU time of all processes so far."""
        files = (task / "schedstat" for pid in _tree(self.pid) for task in Path(f"/proc/{pid}/task").iterdir())
        return sum(int(file.read_text().split()[0]) for file in files) / 1e9

    def memory_mib(self, kind: str = "Pss") -> float:
        """Return the proportional set size of all processes in MiB; `Pss_Anon` leaves out the pages of files."""
        rollups = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in _tree(self.pid))
        lines = (line.split() for rollup in rollups for line in rollup.splitlines())
        return sum(int(line[1]) for line in lines if line[0] == f"{kind}:") / 1024


@asynccontextmanager
async def running(command: Command, first: Request, log: Path) -> AsyncIterator[Service]:
    """Start a service, send the first request, and end all its processes on exit.

    Raises:
        RuntimeError: the service ended, did not listen in time, or gave an unexpected response.
    """
    port = free_port()
    with log.open("ab") as output:
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(argument.format(port=port) for argument in command.arguments),
            cwd=command.folder,
            env=dict(command.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        body = await _first_response(process, port, first, started + LONGEST_START)
        yield Service(process.pid, port, time.perf_counter() - started, body)
    except (ConnectionError, EOFError, RuntimeError) as error:
        raise RuntimeError(f"{command.name}: {error}\n{_tail(log)}") from error
    finally:
        with suppress(ProcessLookupError):  # the caller may have ended it
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


async def _first_response(process: asyncio.subprocess.Process, port: int, request: Request, deadline: float) -> bytes:
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        except ConnectionRefusedError:
            if process.returncode is not None or time.perf_counter() > deadline:
                raise RuntimeError("it did not start") from None
            await asyncio.sleep(RETRY_SECONDS)
    try:
        writer.write(request.encoded())
        status, body = await read_response(reader)
        if status != request.status:
            raise RuntimeError(f"unexpected response {status} to {request.method} {request.path}: {body.decode()}")
        return body
    finally:
        writer.close()


def _tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += _tree(int(child))
    return found
