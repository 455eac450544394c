"""Load generator: sends requests as fast as a service responds, with HTTP/1.1 on persistent connections.

It works on plain streams, because the warm benchmark compares services that share the CPUs with it: its CPU time per request,
which the benchmark reports, must stay small compared to theirs.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice


@dataclass(frozen=True)
class Request:
    """HTTP request and the expected status of its response."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    status: int = 200

    async def send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Send the request on a connection, and return the body of the response.

        Raises:
            RuntimeError: the response has an unexpected status.
        """
        headers = {"Host": "benchmark", **self.headers}
        if self.body:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(self.body))}
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + self.body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, found, rest = head.partition(b"content-length:")  # without it, the response has no body
        body = await reader.readexactly(int(rest.split(b"\r\n", 1)[0]) if found else 0)
        if (status := int(head[9:12])) != self.status:
            raise RuntimeError(f"unexpected response {status} to {self.method} {self.path}: {body.decode()}")
        return body


@dataclass(frozen=True)
class Responses:
    """Measurements of a load.

    Attributes:
        seconds: from the first request to the last response.
        latencies: seconds of each request, in the order of the responses.
        cpu_seconds: CPU time of the generator.
    """

    seconds: float
    latencies: Sequence[float]
    cpu_seconds: float

    def percentile(self, share: float) -> float:
        """Return a percentile of the latencies in milliseconds."""
        return 1000 * sorted(self.latencies)[int(share * (len(self.latencies) - 1))]


def load(port: int, requests: Sequence[Request], count: int, concurrency: int) -> Responses:
    """Send `count` requests, cycling through `requests`, with one at a time on each connection."""
    queue, latencies = islice(cycle(requests), count), list[float]()
    cpu, started = time.process_time(), time.perf_counter()
    asyncio.run(_load(port, queue, latencies, concurrency))
    return Responses(time.perf_counter() - started, latencies, time.process_time() - cpu)


async def _load(port: int, queue: Iterator[Request], latencies: list[float], concurrency: int) -> None:
    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in queue:
            started = time.perf_counter()
            await request.send(reader, writer)
            latencies.append(time.perf_counter() - started)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(concurrency)))
