"""How long a cold start takes: `python -m benchmarks.cold_start [ROUNDS]`.

Whole processes, from their start to the first request answered well. Each round starts all of them, one after another, and the hello
world, which everything is compared with, at its beginning, in its middle and near its end, so that what else the machine does meanwhile
meets both sides alike. A ratio is that of the medians.
"""

import asyncio
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from benchmarks import made_runs
from benchmarks.section import Section
from benchmarks.server import Command, Request, running
from benchmarks.stand import HELLO, PEER, Stand, standing
from benchmarks.verdicts import Verdict, table

ROUNDS: Final = 21
LIGHT, READING, WRITING = 1.2, 2.2, 2.5
"""Bars, as multiples of the hello world."""
BARS: Final = {
    "health": LIGHT,
    "metadata": READING,
    "validate": READING,
    "status": READING,
    "list": READING,
    "create": WRITING,
    "cancel": WRITING,
    "result": WRITING,
}
AGAINST_PEER: Final = 0.75
STRETCH: Final = (1.8, 0.6)
"""Status against the hello world and against the peer: aimed at, not asked for."""
QUESTION: Final = json.dumps({"query": made_runs.QUESTION}).encode()
RUNS: Final = "/api/v1/runs"


async def measure(stand: Stand, rounds: int = ROUNDS) -> Section:
    """Cold starts of the functions, of the hello world and of the peer."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        hello, *others = await first_requests(stand)
        for command, request in (hello, *others[:4], hello, *others[4:7], hello, *others[7:]):
            async with running(command, request, stand.log) as service:
                seconds[command.name].append(service.first_answer)
    return _section(seconds)


async def first_requests(stand: Stand) -> list[tuple[Command, Request]]:
    """Each service, the hello world first, with the request it is asked first: for a finished run, or to cancel a waiting one, both new."""
    finished = (await stand.keep(made_runs.completed())).run_id
    waiting = (await stand.keep(made_runs.waiting())).run_id

    def request(method: str, path: str, body: bytes = b"") -> Request:
        return Request(method, path, stand.headers(), body)

    status = request("GET", f"{RUNS}/{finished}")
    functions = {
        "health": request("GET", "/api/v1/health"),
        "metadata": request("GET", "/api/v1/metadata/perturbations"),
        "validate": request("POST", f"{RUNS}/validate-control-strategy", QUESTION),
        "status": status,
        "list": request("GET", RUNS),
        "create": request("POST", RUNS, QUESTION),
        "cancel": request("POST", f"{RUNS}/{waiting}/cancel"),
        "result": request("GET", f"{RUNS}/{finished}/result"),
    }
    services = [(stand.function(name), asked) for name, asked in functions.items()]
    hello = request("GET", "/")
    return [(stand.hello(), hello), (stand.asynchronous_hello(), hello), (stand.peer(), status), *services]


def _section(seconds: Mapping[str, list[float]]) -> Section:
    def ratio(name: str, other: str) -> float:
        return statistics.median(seconds[name]) / statistics.median(seconds[other])

    lines = ["| first answer of | median | fastest | slowest | × hello world |", "|--|--:|--:|--:|--:|"]
    lines += [
        f"| {name} | {1000 * statistics.median(values):.0f} ms | {1000 * min(values):.0f} ms | {1000 * max(values):.0f} ms "
        f"| {ratio(name, HELLO):.2f} |"
        for name, values in seconds.items()
    ]
    verdicts = [Verdict(f"{name} / hello world", ratio(name, HELLO), bar) for name, bar in BARS.items()]
    verdicts.append(Verdict("status / FastAPI peer", ratio("status", PEER), AGAINST_PEER))
    reached = " and ".join(
        f"{ratio('status', other):.2f} (aimed at {aim:g})" for other, aim in zip((HELLO, PEER), STRETCH, strict=True)
    )
    text = "\n\n".join(["\n".join(lines), table(verdicts), f"Status, the stretch: {reached}."])
    return Section("cold_start", text, tuple(verdicts))


async def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    async with standing() as stand:
        print((await measure(stand, rounds)).text)


if __name__ == "__main__":
    asyncio.run(main())
