"""Crash matrix on the wire to Batch: the real adapter, the emulator, and a proxy between them that injects faults."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from grpc import StatusCode

from local.batch.jobs import JobRecord
from local.batch.service import BatchEmulator
from shared.gcp.batch import ATTEMPT_SECONDS, TOTAL_SECONDS, GoogleBatchJobs
from shared.runs.jobs import JobReport, JobState
from shared.runs.states import RunState
from shared.settings import Settings
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.support.invariants import ENDS, Operation, World, job, live_through
from tests.support.wire_faults import Duration, FaultyGrpc, WireFault, grpc_troubles, inject_everywhere

TROUBLES = grpc_troubles("CreateJob", "CancelJob")


class Emulator(GoogleBatchJobs):
    """One Google Cloud project of the emulator, which the adapter calls, and which tests change behind its back."""

    def __init__(self, server: BatchEmulator, settings: Settings) -> None:
        super().__init__(settings)
        self._all, self._project = server._service._records, f"projects/{settings.project}/"

    @property
    def records(self) -> list[JobRecord]:
        """The jobs of this project as the emulator stores them."""
        return [record for record in self._all.values() if record.name.startswith(self._project)]

    @property
    def jobs(self) -> Mapping[str, JobReport]:
        """All jobs by id."""
        return {record.job_id: JobReport(record.job_id, record.state) for record in self.records}

    def put(self, job_id: str, state: JobState, *, exit_codes: tuple[int, ...] = ()) -> None:
        """Move a job to a state through the states before it; a job that is over or released stays so."""
        record = next(record for record in self.records if record.job_id == job_id)
        if record.state.over or record.released:
            return
        for step in (JobState.SCHEDULED, JobState.RUNNING):
            if record.state is not step and record.state is not JobState.RUNNING:
                record.move(step)
        if state.over:
            record.end(exit_codes[0] if exit_codes else 0)

    async def forget(self) -> None:
        """Delete all jobs, as an operator does."""
        for record in self.records:
            await self._delete(record.name)
        while self.records:  # noqa: ASYNC110  # the emulator has no event to wait for
            await asyncio.sleep(0.01)

    async def _delete(self, name: str) -> None:
        await self._connection.call(lambda client, options: client.delete_job(name=name, **options))


@pytest.fixture(scope="module")
async def emulator(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[BatchEmulator, str]]:
    """A Batch emulator that starts no job by itself, and its `host:port`."""
    folder = tmp_path_factory.mktemp("batch")
    server = BatchEmulator(log_dir=folder, job_env={}, cwd=folder, max_parallel=0)
    yield server, f"127.0.0.1:{await server.start()}"
    await server.stop()


@pytest.mark.parametrize("operation", [each for each in ENDS if each is not job])  # a job does not call Batch
async def test_the_law_holds_whatever_batch_answers_to_any_call(
    operation: Operation, emulator: tuple[BatchEmulator, str], tmp_path: Path
) -> None:
    server, sound_host = emulator

    async def live(fault: WireFault, host: str, deadline: float | None) -> None:
        settings = Settings(
            project=f"test-{uuid4().hex[:12]}", region="europe-west4", results_bucket="b", job_image="i"
        )
        sound = Emulator(server, settings._replace(batch_emulator_host=sound_host))
        faulty = GoogleBatchJobs(
            settings._replace(batch_emulator_host=host),
            attempt_seconds=deadline or ATTEMPT_SECONDS,
            total_seconds=2 * deadline if deadline else TOTAL_SECONDS,
        )
        database = SqliteDatabase(tmp_path / f"{settings.project}.db")
        world = World(SqliteRunStore(database), sound)
        # Batch is believed when it answers that a job is lost or exists; if that is wrong, the run may fail, and say why.
        believed = fault.trouble in {StatusCode.NOT_FOUND, StatusCode.ALREADY_EXISTS}
        also = {RunState.FAILED} if believed else set[RunState]()
        met = await live_through(operation, world, world.store, faulty, also=also)
        passing = fault.trouble in {StatusCode.UNAVAILABLE, StatusCode.ABORTED} and fault.duration is Duration.ONCE
        if fault.at is None or passing:
            assert met is None, repr(met)
        await faulty.close()
        await sound.close()
        await database.close()

    tried = await inject_everywhere(lambda: FaultyGrpc(sound_host), TROUBLES, live)
    print(f"{tried} on the wire to Batch")  # noqa: T201  # shown by `pytest -rP`
