"""The crash matrix on the wire to Batch: the real adapter and client, the stand-in, and a proxy between them that fails on order."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from google.cloud import batch_v1
from google.longrunning import operations_pb2
from grpc import StatusCode

from local.batch.jobs import JobRecord
from local.batch.server import BatchStandIn
from shared.gcp.batch import ATTEMPT_SECONDS, TOTAL_SECONDS, GoogleBatchJobs
from shared.runs.jobs import JobReport, JobState
from shared.runs.states import RunState
from shared.settings import Settings
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.support.invariants import ENDS, Operation, World, job, live_through
from tests.wire_faults import FaultyGrpc, Spell, WireFault, grpc_troubles, strike_everywhere

TROUBLES = grpc_troubles("CreateJob", "CancelJob")


class StandIn(GoogleBatchJobs):
    """The stand-in, asked by the adapter, and commanded behind its back; one Google Cloud project of it."""

    def __init__(self, server: BatchStandIn, settings: Settings) -> None:
        super().__init__(settings)
        self._all, self._project = server._service._records, f"projects/{settings.project}/"

    @property
    def records(self) -> list[JobRecord]:
        """The jobs of this project as the stand-in keeps them."""
        return [record for record in self._all.values() if record.name.startswith(self._project)]

    @property
    def jobs(self) -> Mapping[str, JobReport]:
        """All jobs that there are, by id."""
        return {record.job_id: JobReport(record.job_id, record.state) for record in self.records}

    def put(self, job_id: str, state: JobState, *, exit_codes: tuple[int, ...] = ()) -> None:
        """Bring a job into a state, by the way that leads there; one that was taken away stays so."""
        record = next(record for record in self.records if record.job_id == job_id)
        if record.state.over or record.released:
            return
        for step in (JobState.SCHEDULED, JobState.RUNNING):
            if record.state is not step and record.state is not JobState.RUNNING:
                record.move(step)
        if state.over:
            record.end(exit_codes[0] if exit_codes else 0)

    async def forget(self) -> None:
        """Lose all jobs: somebody deletes them."""
        for record in self.records:
            delete = batch_v1.DeleteJobRequest(name=record.name)
            await self._ask("DeleteJob", delete, operations_pb2.Operation.FromString, name=record.name)
        while self.records:  # noqa: ASYNC110  # what is waited for is in the stand-in
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
async def stand_in(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[BatchStandIn, str]]:
    """A Batch that starts no job by itself, and its `host:port`."""
    folder = tmp_path_factory.mktemp("batch")
    server = BatchStandIn(log_dir=folder, job_env={}, cwd=folder, max_parallel=0)
    yield server, f"127.0.0.1:{await server.start()}"
    await server.stop()


@pytest.mark.parametrize("operation", [each for each in ENDS if each is not job])  # a job does not talk to Batch
async def test_the_law_holds_whatever_batch_answers_to_any_call(
    operation: Operation, stand_in: tuple[BatchStandIn, str], tmp_path: Path
) -> None:
    server, sound_host = stand_in

    async def live(fault: WireFault, host: str, deadline: float | None) -> None:
        settings = Settings(
            project=f"test-{uuid4().hex[:12]}", region="europe-west4", results_bucket="b", job_image="i"
        )
        sound = StandIn(server, settings._replace(batch_emulator_host=sound_host))
        faulty = GoogleBatchJobs(
            settings._replace(batch_emulator_host=host),
            attempt_seconds=deadline or ATTEMPT_SECONDS,
            total_seconds=2 * deadline if deadline else TOTAL_SECONDS,
        )
        database = SqliteDatabase(tmp_path / f"{settings.project}.db")
        world = World(SqliteRunStore(database), sound)
        # Batch's own words for a job that is lost, or is there, are believed; if they are wrong, the run may fail, and say why.
        believed = fault.trouble in {StatusCode.NOT_FOUND, StatusCode.ALREADY_EXISTS}
        also = {RunState.FAILED} if believed else set[RunState]()
        met = await live_through(operation, world, world.store, faulty, also=also)
        passing = fault.trouble in {StatusCode.UNAVAILABLE, StatusCode.ABORTED} and fault.spell is Spell.ONCE
        if fault.at is None or passing:
            assert met is None, repr(met)
        await faulty.close()
        await sound.close()
        await database.close()

    tried = await strike_everywhere(lambda: FaultyGrpc(sound_host), TROUBLES, live)
    print(f"{tried} on the wire to Batch")  # noqa: T201  # `pytest -rP` tells it
