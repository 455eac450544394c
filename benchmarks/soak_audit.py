"""After a soak: what the store and Batch hold, compared with what users were told."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import grpc.aio
from google.cloud import batch_v1
from google.cloud.batch_v1.services.batch_service.transports import BatchServiceGrpcAsyncIOTransport

from benchmarks.soak_model import FOLLOWING, SeenRuns
from local.service import PROJECT, REGION
from shared.runs.ports import RunStore
from shared.runs.records import Run
from shared.runs.states import run_id_of_job
from shared.runs.views import run_status
from tests.support.builders import runs_of

MANY: Final = 10_000
LIVE: Final = frozenset({"QUEUED", "SCHEDULED", "RUNNING", "CANCELLATION_IN_PROGRESS", "DELETION_IN_PROGRESS"})


async def settled(store: RunStore, seconds: float) -> float:
    """Wait until there is no run any more that the reconciler would look at again; gives the seconds that it took.

    Raises:
        TimeoutError: there are still some; with a few of them.
    """
    began = time.monotonic()
    while due := await store.due(datetime.now(UTC) + timedelta(days=1), limit=MANY):
        if time.monotonic() - began > seconds:
            some = [(run.run_id, run.status.value, run.compute.state.value) for run in due[:5]]
            raise TimeoutError(f"after {seconds} s {len(due)} runs are not settled: {some}")
        await asyncio.sleep(1.0)
    return time.monotonic() - began


async def kept_runs(store: RunStore, owners: Iterable[str]) -> list[Run]:
    """All runs of these users."""
    return [run for owner in owners for run in await runs_of(store, owner, limit=MANY)]


async def batch_jobs(host: str) -> Sequence[batch_v1.Job]:
    """All jobs that Batch has, by the real client."""
    async with grpc.aio.insecure_channel(host) as channel:
        client = batch_v1.BatchServiceAsyncClient(transport=BatchServiceGrpcAsyncIOTransport(channel=channel))
        parent = f"projects/{PROJECT}/locations/{REGION}"
        return [job async for job in await client.list_jobs(parent=parent)]


def compare(users: Iterable[SeenRuns], runs: Sequence[Run], jobs: Sequence[batch_v1.Job]) -> list[str]:
    """What is wrong: runs lost, doubled, unasked for or unfinished, other than told, with a wrong history, or with a wrong job."""
    wrong: list[str] = []
    kept = {run.run_id: run for run in runs}
    for user in users:
        theirs = {run_id: run for run_id, run in kept.items() if run.user_email == user.owner}
        wrong += [f"{run_id} of {user.owner} is lost" for run_id in user.runs.keys() - theirs.keys()]
        unasked = Counter(theirs[run_id].query for run_id in theirs.keys() - user.runs.keys())
        wrong += [
            f"{user.owner} has {count} run(s) of: {query}"
            for query, count in unasked.items()
            if count > 1 or query not in user.unanswered
        ]
        for run_id, seen in user.runs.items():
            status = json.loads(run_status(theirs[run_id]).model_dump_json()) if run_id in theirs else None
            if status is not None and seen.known.done and status != seen.known.status:
                wrong.append(f"{run_id} was told to be {seen.known.status}, and is {status}")
    for run in runs:
        wrong += [f"{run.run_id}: {fault}" for fault in _faults(run)]
    return wrong + _wrong_jobs(kept, jobs)


def _faults(run: Run) -> list[str]:
    faults = []
    if not run.status.done:
        faults.append(f"still {run.status.value}")
    moves = [(each.from_status, each.to_status) for each in run.transitions]
    if moves[0] != (None, "pending"):
        faults.append(f"its history begins with {moves[0]}")
    for (_, before), (since, after) in pairwise(moves):
        if since != before or after not in FOLLOWING[before]:
            faults.append(f"its history goes from {before} to {since} to {after}")
    if moves[-1][1] != run.status:
        faults.append(f"its history ends with {moves[-1][1]}, and it is {run.status.value}")
    if (run.outcome is not None) is not (run.status == "completed"):
        faults.append(f"{run.status.value}, and its outcome is {run.outcome}")
    return faults


def _wrong_jobs(kept: dict[str, Run], jobs: Sequence[batch_v1.Job]) -> list[str]:
    wrong, jobs_of = [], defaultdict(list)
    for job in jobs:
        job_id, state = job.name.rpartition("/")[2], job.status.state.name
        run = kept.get(run_id_of_job(job_id) or "")
        if run is None:
            wrong.append(f"{job_id} is a job of no run")
            continue
        jobs_of[run.run_id].append(state)
        if state in LIVE:
            wrong.append(f"{job_id} is {state}, and its run is {run.status.value}")
    for run_id, states in jobs_of.items():
        run = kept[run_id]
        if len(states) > run.compute.attempt or states.count("SUCCEEDED") > 1:
            wrong.append(f"{run_id} had {len(states)} jobs in {run.compute.attempt} attempt(s): {states}")
    return wrong + [
        f"{run.run_id} completed, and its jobs are {jobs_of[run.run_id]}"
        for run in kept.values()
        if run.status == "completed" and "SUCCEEDED" not in jobs_of[run.run_id]
    ]
