"""Load and soak of the local service, its store killed and its functions restarted: `python -m benchmarks.soak --minutes 3 --users 200`.

Every user checks every answer against what they were told before; in the end the store and Batch are compared with what all were told.
Leaves with 1 if anything was wrong. `docs/operations.md` shows what it prints, and says what is real in it and what is not.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from benchmarks import soak_audit, soak_memory
from benchmarks.soak_ledger import GATEWAY_GRACE, STORE_GRACE, Ledger
from benchmarks.soak_memory import Sample
from benchmarks.soak_service import SoakedService, running
from benchmarks.soak_users import User
from shared.runs.records import Run

SEED: Final = 20250601
RESTART, FREEZE, KILL = 0.15, 0.3, 0.5
"""When the functions are restarted, the store is frozen and the store is killed, as parts of the whole time."""
LONGEST_OUTAGE: Final = 15.0
SETTLING_SECONDS: Final = 420.0
"""A run whose notification was lost is looked at after five minutes at the latest."""
WARM_UP: Final = 30.0
SHORTEST: Final = 30.0


@dataclass
class Soak:
    """What a soak found.

    Attributes:
        ledger: the requests.
        users: who asked.
        runs: what the store holds in the end.
        jobs: how many jobs Batch had.
        settling: seconds until nothing was left to do.
        memory: samples of each process of the functions.
        exits: exit codes of the functions that were asked to end.
    """

    ledger: Ledger = field(default_factory=Ledger)
    users: list[User] = field(default_factory=list)
    runs: Sequence[Run] = ()
    jobs: int = 0
    settling: float = 0.0
    memory: defaultdict[int, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    exits: list[int] = field(default_factory=list)


async def soak(kind: str, users: int, seconds: float, seed: int, folder: Path) -> Soak:
    """Soak the service.

    Args:
        kind: `firestore` or `sqlite`.
        users: how many.
        seconds: for how long they ask.
        seed: makes what they do.
        folder: an empty one, for all data.

    Raises:
        TimeoutError: there were runs that reached no end.
    """
    found = Soak()
    async with contextlib.AsyncExitStack() as stack:
        service = await stack.enter_async_context(running(kind, folder))
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=service.functions.url, timeout=60.0, limits=limits, trust_env=False)
        )
        chance = random.Random(seed)  # noqa: S311  # a simulation

        def stranger() -> str | None:
            owner = chance.choice(found.users).seen
            return next(reversed(owner.runs), None)

        found.users += [User(number, seed, client, found.ledger, stranger) for number in range(users)]
        sampling = asyncio.create_task(soak_memory.watch(lambda: service.functions.pid, found.memory))
        stopped = asyncio.Event()
        lives = asyncio.gather(*(user.live(stopped) for user in found.users))
        hurting = asyncio.create_task(_hurt(service, found, seconds, users))
        await asyncio.sleep(seconds)
        await hurting
        stopped.set()
        await lives
        sampling.cancel()
        _say("the users have stopped; waiting for the last runs")
        store = service.store.opened()
        found.settling = await soak_audit.settled(store, SETTLING_SECONDS)
        await asyncio.gather(*(user.look_again() for user in found.users))
        found.runs = await soak_audit.kept_runs(store, [user.seen.owner for user in found.users])
        jobs = await soak_audit.batch_jobs(service.batch_host)
        found.jobs = len(jobs)
        found.ledger.wrong += soak_audit.compare([user.seen for user in found.users], found.runs, jobs)
    return found


async def _hurt(service: SoakedService, found: Soak, seconds: float, users: int) -> None:
    """Restart the functions, freeze the store, kill the store, each at its time."""
    ledger, store = found.ledger, service.store
    began, outage = time.monotonic(), min(LONGEST_OUTAGE, seconds / 12)
    await _until(began + RESTART * seconds)
    _say("the functions end by SIGTERM and start anew")
    with ledger.outage("functions restarted (SIGTERM)", "503 lost", GATEWAY_GRACE):
        found.exits.append(await service.restart_functions())
    await _until(began + FREEZE * seconds)
    _say(f"the store is frozen for {outage:.1f} s")
    with ledger.outage(f"store frozen for {outage:.0f} s", "503", STORE_GRACE):
        await store.freeze(outage)
    await _until(began + KILL * seconds)
    _say("the store is killed, and starts anew")
    excused = "503" if store.outlives_gateway else "lost"
    with ledger.outage("store killed (SIGKILL)", excused, STORE_GRACE):
        await service.kill_store(outage)
    _say(f"all is back; {users} users go on")


async def _until(moment: float) -> None:
    await asyncio.sleep(moment - time.monotonic())


def report(found: Soak, seconds: float) -> str:
    """What was found, as tables."""
    requests = sum(found.ledger.outcomes.values())
    states = Counter(run.status.value for run in found.runs)
    reasons = Counter(run.failure.reason.value for run in found.runs if run.failure)
    unknown = sum(len(user.seen.unanswered) for user in found.users)
    told = sum(len(user.seen.runs) for user in found.users)
    rows = [
        ("users", f"{len(found.users)}, for {seconds:.0f} s"),
        ("requests", f"{requests:,} ({requests / seconds:,.0f} a second)"),
        ("wrong answers", f"{len(found.ledger.wrong)}"),
        (
            "runs in the store",
            f"{len(found.runs):,}: " + ", ".join(f"{n} {state}" for state, n in sorted(states.items())),
        ),
        ("why runs failed", ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items())) or "none did"),
        ("runs that users know", f"{told:,}; creates without a key that were never answered: {unknown}"),
        ("Batch jobs", f"{found.jobs:,}"),
        ("all settled after", f"{found.settling:.0f} s"),
        ("functions ended by SIGTERM with", ", ".join(map(str, found.exits))),
    ]
    rows += [
        (each.what, f"away for {each.ended - each.began:.1f} s; last told {each.back:.1f} s after it was back")
        for each in found.ledger.outages
        if each.ended is not None
    ]
    rows += [(f"memory of functions, process {n}", _memory(life)) for n, life in enumerate(found.memory.values(), 1)]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"| | |\n|---|---|\n{table}\n\n{found.ledger.table()}"


def _memory(life: Sequence[Sample]) -> str:
    warm = [sample for sample in life if sample[0] >= WARM_UP]
    most = f"at most {max(mib for _, mib in life):.1f} MiB in {life[-1][0]:.0f} s"
    if len(warm) < 2 or warm[-1][0] - warm[0][0] < SHORTEST:
        return f"{most}; too short for a slope"
    return f"{most}; {soak_memory.slope(warm):+.2f} MiB a minute after {WARM_UP:.0f} s"


def _say(line: str) -> None:
    print(f"soak: {line}", file=sys.stderr, flush=True)


def main() -> int:
    """The command; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--store", choices=["firestore", "sqlite"], default="firestore")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--data-dir", type=Path, help="an empty folder for all data, which stays; else a temporary one")
    given = parser.parse_args()
    seconds = given.minutes * 60
    with tempfile.TemporaryDirectory(prefix="haystack-soak-") as folder:
        data_dir = (given.data_dir or Path(folder)).resolve()
        found = asyncio.run(soak(given.store, given.users, seconds, given.seed, data_dir))
    print(report(found, seconds))
    for sentence in found.ledger.wrong[:50]:
        _say(f"WRONG: {sentence}")
    return 1 if found.ledger.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
