"""A running service: send requests to it, and measure its process."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from tools.benchmarks import generator
from tools.benchmarks.generator import Request, Responses


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
