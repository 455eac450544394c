"""Asks a service as fast as it answers: `python -m benchmarks.load`, a process of its own, told on standard input what to ask.

HTTP/1.1 on connections that stay open, each with one request under way, by asyncio's protocols and nothing above them: one request costs
the generator about 100 µs of processor time, which `benchmarks/warm.py` measures and tells.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from typing import Final

from benchmarks.server import Request, Service

END_OF_HEAD: Final = b"\r\n\r\n"
LENGTH: Final = b"content-length:"


@dataclass(frozen=True)
class Answers:
    """What a load found.

    Attributes:
        seconds: from the first request to the last answer.
        latencies: seconds of each request, in the order of the answers.
        cpu_seconds: processor time of the generator.
    """

    seconds: float
    latencies: list[float]
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds


async def load(service: Service, requests: list[Request], *, count: int, concurrency: int) -> Answers:
    """Ask a service so many times, in turn with each of the requests.

    Raises:
        RuntimeError: an answer had another status than was expected.
    """
    plan = {
        "port": service.port,
        "count": count,
        "concurrency": concurrency,
        "requests": [request.encoded().decode("latin-1") for request in requests],
        "statuses": [request.status for request in requests],
    }
    generator = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complaint = await generator.communicate(json.dumps(plan).encode())
    if generator.returncode != 0:
        raise RuntimeError(complaint.decode())
    return Answers(**json.loads(told))


class _Connection(asyncio.Protocol):
    """One connection that asks until all has been asked."""

    def __init__(self, queue: "_Queue") -> None:
        self._queue = queue
        self._received = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(END_OF_HEAD)
        if head_end < 0:
            return
        head = self._received[:head_end].lower()
        at = head.find(LENGTH)
        length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._received) < head_end + len(END_OF_HEAD) + length:
            return
        self._queue.latencies.append(time.perf_counter() - self._asked)
        if int(head[9:12]) != self._status:
            self.done.set_exception(RuntimeError(f"answered: {self._received.decode(errors='replace')}"))
            return
        self._received = b""
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the service closed the connection"))

    def _ask(self) -> None:
        following = self._queue.take()
        if following is None:
            self.done.set_result(None)
            self._transport.close()
            return
        request, self._status = following
        self._asked = time.perf_counter()
        self._transport.write(request)


class _Queue:
    """What is still to be asked, and how long the rest took."""

    def __init__(self, requests: list[bytes], statuses: list[int], count: int) -> None:
        self._all = list(zip(requests, statuses, strict=True))
        self._left = count
        self.latencies: list[float] = []

    def take(self) -> tuple[bytes, int] | None:
        """The next request and the status it is to be answered with; None when enough were asked."""
        if self._left == 0:
            return None
        self._left -= 1
        return self._all[self._left % len(self._all)]


async def _main() -> None:
    plan = json.load(sys.stdin)
    queue = _Queue([each.encode("latin-1") for each in plan["requests"]], plan["statuses"], plan["count"])
    loop, cpu, started = asyncio.get_running_loop(), time.process_time(), time.perf_counter()
    connections = []
    for _ in range(plan["concurrency"]):
        _, connection = await loop.create_connection(lambda: _Connection(queue), "127.0.0.1", plan["port"])
        connections.append(connection)
    await asyncio.gather(*(connection.done for connection in connections))
    answers = Answers(time.perf_counter() - started, queue.latencies, time.process_time() - cpu)
    json.dump(answers.__dict__, sys.stdout)


if __name__ == "__main__":
    asyncio.run(_main())
