"""Run a service as in production, send requests to it, and measure its process."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.processes import free_port
from tools.benchmarks import generator
from tools.benchmarks.generator import Request, Responses

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
class Service:
    """Running service, a single process.

    Attributes:
        first_response: seconds from the start of the process to the first response.
        body: body of the first response.
        generator: process that sends the load.
    """

    pid: int
    port: int
    first_response: float
    body: bytes
    generator: Executor

    async def load(self, requests: Sequence[Request], *, count: int, concurrency: int) -> Responses:
        """Send `count` requests, cycling through `requests`.

        Raises:
            RuntimeError: a response has an unexpected status.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.generator, generator.load, self.port, requests, count, concurrency)

    def cpu_seconds(self) -> float:
        """Return the CPU time of all threads so far."""
        files = (task / "schedstat" for task in Path(f"/proc/{self.pid}/task").iterdir())
        return sum(int(file.read_text().split()[0]) for file in files) / 1e9

    def memory_mib(self, kind: str = "Pss") -> float:
        """Return the proportional set size in MiB; `Pss_Anon` leaves out the pages of files."""
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024


@asynccontextmanager
async def running(command: Command, first: Request, log: Path, load_generator: Executor) -> AsyncIterator[Service]:
    """Start a service, send the first request, and end the process on exit.

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
        )
    try:
        reader, writer = await _connect(process, port, started + LONGEST_START)
        body = await first.send(reader, writer)
        elapsed = time.perf_counter() - started
        writer.close()
        yield Service(process.pid, port, elapsed, body, load_generator)
    except (ConnectionError, EOFError, RuntimeError) as error:
        raise RuntimeError(f"{command.name}: {error}\n{_tail(log)}") from error
    finally:
        with suppress(ProcessLookupError):  # it may have ended
            process.kill()
        await process.wait()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


async def _connect(
    process: asyncio.subprocess.Process, port: int, deadline: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while process.returncode is None and time.perf_counter() < deadline:
        with suppress(ConnectionRefusedError):
            return await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(RETRY_SECONDS)
    raise RuntimeError("it did not start")
