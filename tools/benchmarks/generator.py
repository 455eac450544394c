"""Load generator: sends requests as fast as a service responds, `python -m tools.benchmarks.generator`, with a plan on standard input.

It runs in its own process and uses HTTP/1.1 on persistent connections, one request at a time on each. The warm benchmark
reports its CPU time per request, which must stay small compared to that of the service.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle, islice


@dataclass(frozen=True)
class Responses:
    """Measurements of a load.

    Attributes:
        seconds: from the first request to the last response.
        latencies: seconds of each request, in the order of the responses.
        cpu_seconds: CPU time of the generator.
    """

    seconds: float
    latencies: list[float]
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds


async def read_response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return status and body of a response that has a Content-Length or no body."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, found, rest = head.partition(b"content-length:")
    length = int(rest.split(b"\r\n", 1)[0]) if found else 0
    return int(head[9:12]), await reader.readexactly(length)


async def _send(port: int, requests: Iterator[tuple[bytes, int]], latencies: list[float]) -> None:
    """Send requests on one connection until there are no more.

    Raises:
        RuntimeError: a response has an unexpected status.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request, expected in requests:
        started = time.perf_counter()
        writer.write(request)
        status, body = await read_response(reader)
        latencies.append(time.perf_counter() - started)
        if status != expected:
            raise RuntimeError(f"unexpected response {status}: {body.decode(errors='replace')}")
    writer.close()


async def _main() -> None:
    plan = json.load(sys.stdin)
    each = [(text.encode("latin-1"), status) for text, status in zip(plan["requests"], plan["statuses"], strict=True)]
    requests, latencies = islice(cycle(each), plan["count"]), list[float]()
    cpu, started = time.process_time(), time.perf_counter()
    await asyncio.gather(*(_send(plan["port"], requests, latencies) for _ in range(plan["concurrency"])))
    responses = Responses(time.perf_counter() - started, latencies, time.process_time() - cpu)
    json.dump(asdict(responses), sys.stdout)


if __name__ == "__main__":
    asyncio.run(_main())
