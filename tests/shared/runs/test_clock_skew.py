"""A clock of the job or of a function that is wrong by less than a minute changes nothing; more than a minute is logged once."""

import itertools
import json
from datetime import datetime, timedelta

import pytest

from orchestrator.config import JobConfig
from shared.fields import utc_now
from shared.runs import lifecycle, states
from shared.runs.clocks import ClockCheck
from shared.runs.jobs import JobState
from shared.runs.records import Run
from shared.runs.schemas import CreateRunRequest, ListQuery, RunStatus
from shared.runs.states import ComputeState, FailureReason, Phase, RunState
from shared.runs.submission import RunSubmission
from shared.runs.sweeper import SweepReport
from shared.runs.views import list_runs, run_status
from shared.stores.firestore_client import FirestoreDatabase, write
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.support.builders import ADA, ANSWERABLE, lease, make_run, make_sweeper, outcome
from tests.support.fakes import FakeBatch, TestClock

QUESTION = CreateRunRequest(query="How would NK cells respond to IL-15?")
SKEWS = [-59, 59]
PAIRS = list(itertools.product([*SKEWS, 0], repeat=2))
HEARTBEAT = JobConfig().heartbeat_seconds


class Skewed:
    """A clock that is ahead of another by some seconds."""

    def __init__(self, clock: TestClock, seconds: float) -> None:
        self.clock, self.ahead = clock, timedelta(seconds=seconds)

    def __call__(self) -> datetime:
        return self.clock() + self.ahead


class Service:
    """A store and a Batch, functions, and a job whose clock is wrong."""

    def __init__(self, sqlite: SqliteDatabase, batch: FakeBatch, clock: TestClock) -> None:
        self.store, self.jobs, self.clock = SqliteRunStore(sqlite), batch, clock

    async def create(self, *, skew: float = 0, key: str | None = None) -> Run:
        clock = Skewed(self.clock, skew)
        return await RunSubmission(self.store, self.jobs, clock).create(QUESTION, ANSWERABLE, ADA, key)

    def job(self, run: Run, skew: float, owner: str = "process") -> lifecycle.RunLease:
        return lease(run.run_id, owner=owner, store=self.store, clock=Skewed(self.clock, skew))

    async def begun(self, skew: float) -> Run:
        run = await self.create()
        self.clock.move(seconds=1)
        self.jobs.put(run.compute.job_id, JobState.RUNNING)
        return await self.job(run, skew).begin()

    async def sweep(self, skew: float = 0) -> SweepReport:
        return await make_sweeper(self.store, self.jobs, Skewed(self.clock, skew)).sweep()

    async def get(self, run: Run) -> Run:
        found = await self.store.get(run.run_id)
        assert found is not None
        return found


@pytest.fixture
def service(sqlite: SqliteDatabase, batch: FakeBatch, clock: TestClock) -> Service:
    return Service(sqlite, batch, clock)


@pytest.mark.parametrize("skew", SKEWS)
async def test_a_job_that_sends_heartbeats_is_never_due(service: Service, skew: float) -> None:
    run = await service.begun(skew)
    for _ in range(30):
        service.clock.move(seconds=HEARTBEAT)
        assert (await service.sweep()).looked_at == 0
        await service.job(run, skew).heartbeat()
    assert (await service.get(run)).status is RunState.RUNNING


@pytest.mark.parametrize("skew", SKEWS)
async def test_a_job_that_sends_heartbeats_survives_notifications_and_a_batch_that_does_not_find_it(
    service: Service, skew: float
) -> None:
    run = await service.begun(skew)
    await service.jobs.forget()
    name = f"projects/p/locations/r/jobs/{run.compute.job_id}"
    for _ in range(10):
        service.clock.move(seconds=HEARTBEAT)
        await make_sweeper(service.store, service.jobs, service.clock).notified(name)
        await service.job(run, skew).heartbeat()
    assert (await service.get(run)).status is RunState.RUNNING


@pytest.mark.parametrize("skew", SKEWS)
async def test_a_job_that_hangs_fails_within_a_minute_of_its_limit(service: Service, skew: float) -> None:
    run = await service.begun(skew)
    began = service.clock()
    while not (await service.get(run)).status.done:
        service.clock.move(seconds=20)
        await service.sweep()
    silent = service.clock() - began
    # The sweep looks at a run that may hang every five minutes.
    late = states.HEARTBEAT_LIMIT + timedelta(seconds=40)
    assert -states.CLOCK_SKEW < silent - states.SILENCE_LIMIT < states.CLOCK_SKEW + late
    failed = await service.get(run)
    assert failed.failure is not None
    assert failed.failure.reason is FailureReason.ORCHESTRATOR_ERROR


@pytest.mark.parametrize(("mine", "others"), PAIRS)
async def test_a_process_that_sends_heartbeats_keeps_its_lease(service: Service, mine: float, others: float) -> None:
    run = await service.begun(mine)
    for _ in range(5):
        service.clock.move(seconds=HEARTBEAT)
        stolen = await service.job(run, others, "another process").begin()
        assert stolen.compute.lease_owner == "process"
        await service.job(run, mine).heartbeat()


@pytest.mark.parametrize(("mine", "others"), PAIRS)
async def test_a_silent_process_loses_its_lease_at_most_two_minutes_late(
    service: Service, mine: float, others: float
) -> None:
    run = await service.begun(mine)
    service.clock.move(seconds=(states.LEASE + 2 * states.CLOCK_SKEW).total_seconds())
    taken = await service.job(run, others, "another process").begin()
    assert taken.compute.lease_owner == "another process"


@pytest.mark.parametrize(("created", "used"), [(0, -59), (0, 59), (-59, 0), (59, 0), (29, -29), (-29, 29)])
async def test_a_key_stands_for_its_run_for_a_day_whichever_function_asks(
    service: Service, created: float, used: float
) -> None:
    """Regression: a function whose clock was ahead submitted a second run within the 24 hours."""
    first = await service.create(skew=created, key="k")
    service.clock.move(hours=24)
    assert (await service.create(skew=used, key="k")).run_id == first.run_id
    service.clock.move(minutes=2)
    assert (await service.create(skew=used, key="k")).run_id != first.run_id


async def test_a_list_has_each_run_once_in_one_order_whichever_function_created_it(service: Service) -> None:
    runs = []
    for number in range(6):
        runs.append(await service.create(skew=(-59, 0, 59)[number % 3]))
        service.clock.move(seconds=20)
    token: str | None = None
    listed: list[RunStatus] = []
    for _ in range(3):
        page = await list_runs(ListQuery(page_size=2, page_token=token), ADA, token_key="k", store=service.store)
        token, listed = page.next_page_token, [*listed, *page.runs]
    assert [each.run_id for each in listed] == [
        run.run_id for run in sorted(runs, key=lambda run: (run.created_at, run.run_id), reverse=True)
    ]
    assert token is None


@pytest.mark.parametrize("skew", SKEWS)
async def test_regression_a_run_never_ends_before_it_was_created(service: Service, skew: float) -> None:
    """A job whose clock was behind made a run end before its creation, and its duration negative."""
    run = await service.create()
    seen = [run]
    for change in (
        service.job(run, skew).begin,
        lambda: service.job(run, skew).progress(phase=Phase.INFERENCE, iteration=1),
        lambda: service.job(run, skew).complete(outcome(run.run_id)),
    ):
        service.clock.move(seconds=5)
        seen.append(await change())
    times = [each.updated_at for each in seen]
    assert times == sorted(times)
    assert len(set(times)) == len(times)
    assert run_status(seen[-1]).updated_at > run.created_at
    entries = [entry.at for entry in seen[-1].transitions]
    assert entries == sorted(entries)


@pytest.mark.parametrize("skew", SKEWS)
async def test_a_cancelled_job_is_released_and_a_submit_in_flight_is_awaited(service: Service, skew: float) -> None:
    run = await service.create()
    await service.jobs.forget()
    clock = Skewed(service.clock, skew)
    await lifecycle.cancel(run.run_id, ADA, store=service.store, jobs=service.jobs, clock=clock)
    service.clock.move(seconds=30)
    await service.sweep()
    assert (await service.get(run)).compute.state is ComputeState.RELEASING  # a submit may still be under way
    for _ in range(10):
        service.clock.move(seconds=30)
        await service.sweep()
    assert (await service.get(run)).compute.state is ComputeState.RELEASED


@pytest.mark.parametrize(
    ("seconds", "logged"), [(-61, True), (-60, False), (-59, False), (0, False), (59, False), (60, False), (61, True)]
)
def test_more_than_a_minute_is_logged_once(
    clock: TestClock, capsys: pytest.CaptureFixture[str], seconds: float, logged: bool
) -> None:
    check = ClockCheck("Firestore")
    for _ in range(3):
        check.compare(clock() + timedelta(seconds=seconds), after=clock(), before=clock())
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    expected = {
        "severity": "WARNING",
        "message": "clocks differ by more than a minute",
        "other": "Firestore",
        "ahead_seconds": seconds,
    }
    assert lines == [expected] * logged


async def test_a_job_whose_clock_is_behind_notices(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    run = await service.create()
    await service.job(run, -90).begin()
    assert capsys.readouterr().err.count("clocks differ by more than a minute") == 1


async def test_the_sweep_notices_a_job_whose_clock_is_ahead(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    run = await service.begun(600)
    name = f"projects/p/locations/r/jobs/{run.compute.job_id}"
    made = make_sweeper(service.store, service.jobs, service.clock)
    for _ in range(3):
        await made.notified(name)
    assert capsys.readouterr().err.count("clocks differ by more than a minute") == 1


@pytest.mark.parametrize(("hours", "logged"), [(-1, 1), (0, 0), (1, 1)])
async def test_each_process_compares_its_clock_with_firestores(
    firestore: FirestoreDatabase, firestore_host: str, capsys: pytest.CaptureFixture[str], hours: float, logged: int
) -> None:
    project = firestore.name.split("/")[1]
    wrong = FirestoreDatabase(project, "(default)", firestore_host, clock=lambda: utc_now() + timedelta(hours=hours))
    for _ in range(2):
        await wrong.commit(write(f"{wrong.documents}/runs/{make_run().run_id}", {"a": 1}, replaces=None))
    assert capsys.readouterr().err.count("clocks differ by more than a minute") == logged
    await wrong.close()
