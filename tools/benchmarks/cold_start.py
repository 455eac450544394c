"""Cold starts: from the start of a process to the first successful response.

Each round starts all services in turn. The hello world, the reference of all ratios, starts at the beginning, in the middle
and near the end of a round, so that other load on the machine affects both sides alike. Ratios are ratios of medians.
"""

import json
import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from tools.benchmarks import runs
from tools.benchmarks.generator import Request
from tools.benchmarks.harness import HELLO, PEER, Harness
from tools.benchmarks.report import Section, Verdict, progress, table

ROUNDS: Final = 21
# Upper bounds, in multiples of the hello world.
BARS: Final = {
    "health": 1.3,
    **dict.fromkeys(("metadata", "validate", "status", "list"), 2.8),
    **dict.fromkeys(("create", "cancel", "result"), 3.1),
}
STATUS_TO_PEER: Final = 0.85
QUESTION: Final = json.dumps({"query": runs.QUESTION}).encode()
RUNS: Final = "/api/v1/runs"


async def measure(harness: Harness, rounds: int = ROUNDS) -> Section:
    """Measure the cold starts of the functions, the hello world and the peer."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for _ in progress("cold_start", rounds):
        hello, *others = await _first_requests(harness)
        for name, request in (hello, *others[:3], hello, *others[3:6], hello, *others[6:]):
            async with harness.running(name, request) as service:
                seconds[name].append(service.first_response)
    return _section(seconds)


async def _first_requests(harness: Harness) -> list[tuple[str, Request]]:
    """Return each service with its first request, the hello world first; runs to read and to cancel are new."""
    completed = (await harness.add(runs.completed())).run_id
    pending = (await harness.add(runs.pending())).run_id

    def request(method: str, path: str, body: bytes = b"") -> Request:
        return Request(method, path, harness.headers(), body)

    status = request("GET", f"{RUNS}/{completed}")
    functions = {
        "health": request("GET", "/api/v1/health"),
        "metadata": request("GET", "/api/v1/metadata/perturbations"),
        "validate": request("POST", f"{RUNS}/validate-control-strategy", QUESTION),
        "status": status,
        "list": request("GET", RUNS),
        "create": request("POST", RUNS, QUESTION),
        "cancel": request("POST", f"{RUNS}/{pending}/cancel"),
        "result": request("GET", f"{RUNS}/{completed}/result"),
    }
    return [(HELLO, request("GET", "/")), (PEER, status), *functions.items()]


def _section(seconds: Mapping[str, list[float]]) -> Section:
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    rows = [
        (
            name,
            f"{1000 * medians[name]:.0f}",
            f"{1000 * min(values):.0f}–{1000 * max(values):.0f}",
            f"{medians[name] / medians[HELLO]:.2f}",
            f"{medians[name] / medians[PEER]:.2f}",
        )
        for name, values in seconds.items()
    ]
    columns = ("first response of", "median, ms", "range", "× hello world", "× FastAPI peer")
    verdicts = [Verdict(f"{name} / hello world", medians[name] / medians[HELLO], bar) for name, bar in BARS.items()]
    verdicts.append(Verdict("status / FastAPI peer", medians["status"] / medians[PEER], STATUS_TO_PEER))
    return Section("cold_start", table(columns, rows), verdicts)
