"""What the settings of the functions rest on: `python -m benchmarks.runtime [ROUNDS]`.

One processor, as an instance has: the service is bound to one, the load and the emulator share the other. Told are memory and latency of
each function under as many requests at a time as the route table lets an instance take; workers under gunicorn, one and two; and a start
without what is done for it.
"""

import asyncio
import json
import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from benchmarks import made_runs
from benchmarks.load import load
from benchmarks.section import Section
from benchmarks.server import Command, Request, running
from benchmarks.stand import Stand, standing
from benchmarks.verdicts import Verdict, table
from shared.routes import RUNTIME, SPECS

ROUNDS: Final = 9
A_FUNCTION: Final = 300
"""Requests to each function."""
HALF: Final = 0.5
"""Of an instance's memory, what its processes may take: the rest is for the peaks and for what the system counts besides."""
SEVERAL_AT_A_TIME: Final = 8
RUNS: Final = "/api/v1/runs"
UNTUNED: Final = "import gc; gc.disable = gc.freeze = lambda: None; from functions_framework._cli import _cli; _cli()"
"""The framework's own start, with a collector that cannot be kept out."""


async def measure(stand: Stand, rounds: int = ROUNDS) -> Section:
    """Memory and latency by function, then the effect of each setting on status."""
    finished = await stand.keep(made_runs.completed())
    question = json.dumps({"query": made_runs.QUESTION}).encode()
    asked: Mapping[str, tuple[str, str, bytes]] = {
        "cancel": ("POST", f"{RUNS}/{(await stand.keep(made_runs.waiting())).run_id}/cancel", b""),
        "create": ("POST", RUNS, json.dumps({"query": made_runs.QUESTION, "validate_only": True}).encode()),
        "health": ("GET", "/api/v1/health/ready", b""),
        "list": ("GET", RUNS, b""),
        "metadata": ("GET", "/api/v1/metadata/perturbations", b""),
        "result": ("GET", f"{RUNS}/{finished.run_id}/result", b""),
        "status": ("GET", f"{RUNS}/{finished.run_id}", b""),
        "validate": ("POST", f"{RUNS}/validate-control-strategy", question),
    }
    lines = ["| function | requests at a time | requests/s | p50 | p99 | MiB | of |", "|--|--:|--:|--:|--:|--:|--:|"]
    largest = 0.0
    for name, (method, path, body) in asked.items():
        spec = SPECS[name]
        request = Request(method, path, stand.headers(), body)
        async with running(_bound(stand.function(name)), request, stand.log) as service:
            answers = await load(service, [request], count=A_FUNCTION, concurrency=spec.concurrency)
            mib = service.pss_mib()
        largest = max(largest, mib / spec.memory_mib)
        p50, p99 = (1000 * sorted(answers.latencies)[int(share * (A_FUNCTION - 1))] for share in (0.5, 0.99))
        lines.append(
            f"| {name} | {spec.concurrency} | {answers.per_second:.0f} | {p50:.0f} ms | {p99:.0f} ms | {mib:.0f} | {spec.memory_mib} |"
        )
    verdicts = (Verdict("largest share of an instance's memory", largest, HALF),)
    text = "\n\n".join(["\n".join(lines), await _settings(stand, finished.run_id, rounds), table(verdicts)])
    return Section("runtime", text, verdicts)


async def _settings(stand: Stand, run_id: str, rounds: int) -> str:
    """Status as it is set, and with one thing otherwise, in turn."""
    as_set = _bound(stand.function("status"))
    python = str(stand.scratch / "environment" / "bin" / "python")
    ways = {
        "as set": as_set,
        "without `DEBUG`: a worker of gunicorn's": _without("DEBUG", as_set),
        "the same with two workers": _without("DEBUG", as_set, WORKERS="2"),
        "without `FUNCTION_USE_ASGI`": _without("FUNCTION_USE_ASGI", as_set),
        "with the collector at work": replace(as_set, arguments=(*BOUND, python, "-c", UNTUNED)),
    }
    assert RUNTIME.keys() <= as_set.environment.keys()
    found: defaultdict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for _ in range(rounds):
        for name, command in ways.items():
            request = Request("GET", f"{RUNS}/{run_id}", stand.headers())
            async with running(command, request, stand.log) as service:
                answers = await load(service, [request], count=A_FUNCTION, concurrency=SEVERAL_AT_A_TIME)
                found[name].append((1000 * service.first_answer, answers.per_second, service.pss_mib()))
    lines = ["| status | first answer | requests/s, 8 at a time | MiB |", "|--|--:|--:|--:|"]
    for name, rows in found.items():
        first, rate, mib = (statistics.median(column) for column in zip(*rows, strict=True))
        lines.append(f"| {name} | {first:.0f} ms | {rate:.0f} | {mib:.0f} |")
    return "\n".join(lines)


def _without(name: str, command: Command, **others: str) -> Command:
    """The same without a variable of its environment, and maybe with others."""
    return replace(
        command, environment={key: value for key, value in command.environment.items() if key != name} | others
    )


BOUND: Final = ("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))))


def _bound(command: Command) -> Command:
    """The same on one processor."""
    return replace(command, arguments=(*BOUND, *command.arguments))


async def main() -> None:
    """Measure and print."""
    async with standing() as stand:
        print((await measure(stand, int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)).text)


if __name__ == "__main__":
    asyncio.run(main())
