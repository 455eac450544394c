"""Runs the jobs of the Batch emulator as processes, a few at a time."""

import asyncio
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from google.cloud import batch_v1

from local import processes
from local.batch.faults import QUEUE_SECONDS, ImagePull, Preempt, StayQueued
from local.batch.jobs import JobRecord
from local.batch.mounts import Mounts, shown
from local.processes import Child
from shared.runs.jobs import JobState

logger = logging.getLogger(__name__)

NOT_STARTED: Final = 50000
# Docker's own exit code. Batch passes it on, and its events give no further detail.
IMAGE_NOT_STARTED: Final = 125
# Batch's limit forevery job (https://docs.cloud.google.com/batch/quotas).
RUN_SECONDS: Final = 14 * 24 * 3600.0


class Ended(NamedTuple):
    """How an attempt of a task ended: its exit code, and the cause in Batch's words; empty if it ended by itself."""

    exit_code: int
    cause: str


class Cut(NamedTuple):
    """Why a task is stopped after `seconds`: the exit code, and the cause in Batch's words."""

    seconds: float
    exit_code: int
    cause: str


@dataclass(eq=False)
class Scheduler:
    """Runs jobs in the order of their admission; jobs that wait for their turn stay QUEUED.

    The fields are the arguments of `BatchEmulator`, with `mounts` from its buckets. `closing` is true once all processes are being stopped.
    """

    log_dir: Path
    job_env: Mapping[str, str]
    cwd: Path
    max_parallel: int
    grace_seconds: float
    mounts: Mounts

    def __post_init__(self) -> None:
        # The queue, in the order of admission, with the timer that fails each job.
        self._waiting: dict[JobRecord, asyncio.TimerHandle] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._children: dict[str, Child] = {}
        self.closing = False

    def admit(self, record: JobRecord) -> None:
        """Run a job when its turn comes; fail it after two days in the queue."""
        limit = QUEUE_SECONDS
        if isinstance(record.fault, StayQueued):
            limit = record.fault.seconds
            record.delay(record.fault.because)
        self._waiting[record] = asyncio.get_running_loop().call_later(limit, self._give_up, record)
        self._fill()

    def resume(self) -> None:
        """Let the jobs run that fault injection keeps in the queue."""
        for record in [record for record in self._waiting if isinstance(record.fault, StayQueued)]:
            self._leave_queue(record)
            record.fault = None
            self.admit(record)

    async def release(self, record: JobRecord) -> None:
        """Stop a job's process and wait for its end.

        The record must already be `released`; otherwise the end of its process counts as a failure.
        """
        if record in self._waiting:
            self._leave_queue(record)
        if record.name in self._children:
            await self._children[record.name].stop(self.grace_seconds)
        if record.name in self._running:
            await asyncio.wait([self._running[record.name]])

    async def close(self) -> None:
        """Stop all processes. Jobs keep their states, as after a power failure; `BatchService.recover` decides what becomes of them."""
        self.closing = True
        for record in [*self._waiting]:
            self._leave_queue(record)
        try:
            await asyncio.gather(*(child.stop(self.grace_seconds) for child in self._children.values()))
            await asyncio.gather(*self._running.values())
        finally:
            for child in self._children.values():
                child.kill()

    def log_path(self, job_id: str) -> Path:
        """Return the file with a job's output."""
        return self.log_dir / f"{job_id}.log"

    def _fill(self) -> None:
        for record in [record for record in self._waiting if not isinstance(record.fault, StayQueued)]:
            if len(self._running) >= self.max_parallel:
                return
            self._leave_queue(record)
            task = asyncio.get_running_loop().create_task(self._run(record), name=record.name)
            self._running[record.name] = task
            task.add_done_callback(self._ended)

    def _leave_queue(self, record: JobRecord) -> None:
        self._waiting.pop(record).cancel()

    def _give_up(self, record: JobRecord) -> None:
        if not record.released:
            self._leave_queue(record)
            record.move(JobState.FAILED)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task.get_name()]
        if not task.cancelled() and (error := task.exception()):
            logger.error("the Batch emulator failed to run %s", task.get_name(), exc_info=error)
        self._fill()

    async def _run(self, record: JobRecord) -> None:
        if record.released:
            return
        record.move(JobState.SCHEDULED)
        if isinstance(record.fault, ImagePull):
            self._refuse_image(record)
            return
        attempt = 0
        while ended := await self._attempt(record, attempt):
            if self._stopped(record) or not is_retried(record.job, ended.exit_code, attempt):
                self._end(record, *ended)
                return
            record.repeat(*ended)
            record.fault = None  # the fault met its machine; another one takes over
            attempt += 1

    async def _attempt(self, record: JobRecord, attempt: int) -> Ended | None:
        """Run the task's process, and return how it ended; None if the job was released before it started."""
        try:
            child = await self._start(record, attempt)
        except OSError as error:
            return Ended(NOT_STARTED, f"the emulator could not start the container: {error}")
        self._children[record.name] = child
        try:
            if self.closing or record.released:
                await child.stop(self.grace_seconds)
                return None
            if not attempt:
                record.move(JobState.RUNNING)
            cut = cut_of(record)
            try:
                return Ended(await asyncio.wait_for(child.wait(), cut.seconds), "")
            except TimeoutError:
                await child.stop(self.grace_seconds)
                return Ended(cut.exit_code, cut.cause)
        finally:
            child.kill()
            del self._children[record.name]

    def _end(self, record: JobRecord, exit_code: int, cause: str) -> None:
        """Record how a process ended, unless the job was released or the emulator itself stopped it while closing."""
        if not record.released and not (self.closing and exit_code):
            record.end(exit_code, cause)

    def _stopped(self, record: JobRecord) -> bool:
        return self.closing or record.released

    def _refuse_image(self, record: JobRecord) -> None:
        """Fail a job as if its image were missing: Batch reports Docker's exit code, and only the job's log explains it."""
        image = record.job.task_groups[0].task_spec.runnables[0].container.image_uri
        self.log_path(record.job_id).write_text(
            f"Unable to find image '{image}' locally\n"
            f"docker: Error response from daemon: manifest for {image} not found: manifest unknown.\n"
        )
        record.move(JobState.RUNNING)
        self._end(record, IMAGE_NOT_STARTED, "")

    async def _start(self, record: JobRecord, attempt: int) -> Child:
        spec = record.job.task_groups[0].task_spec
        runnable = spec.runnables[0]
        container = runnable.container
        command = [*([container.entrypoint] if container.entrypoint else []), *container.commands]
        environment = {
            **self.job_env,
            "BATCH_TASK_INDEX": "0",
            "BATCH_TASK_COUNT": "1",
            "BATCH_TASK_RETRY_ATTEMPT": str(attempt),
            **spec.environment.variables,
            **runnable.environment.variables,
        }
        # `python` is the image's interpreter; here it is this one.
        argv = [sys.executable if word == "python" and not place else word for place, word in enumerate(command)]
        folders = self.mounts.folders(spec)
        return await processes.start(
            [shown(word, folders) for word in argv],
            log=self.log_path(record.job_id),
            env={name: shown(value, folders) for name, value in environment.items()},
            cwd=self.cwd,
        )


def cut_of(record: JobRecord) -> Cut:
    """Return when and why a job's task is stopped, unless it ends first."""
    limit = Cut(time_limit(record.job), 50005, "task runs over the maximum runtime")
    if not isinstance(record.fault, Preempt):
        return limit
    return min(limit, Cut(record.fault.after_seconds, 50001, "Spot Preemption"))


def is_retried(job: batch_v1.Job, exit_code: int, attempt: int) -> bool:
    """Return whether Batch repeats a task that ended like this; a job without a policy repeats every failure."""
    spec = job.task_groups[0].task_spec
    if not exit_code or attempt >= spec.max_retry_count:
        return False
    if not spec.lifecycle_policies:
        return True
    policy = spec.lifecycle_policies[0]
    named = exit_code in policy.action_condition.exit_codes
    return named == (policy.action == batch_v1.LifecyclePolicy.Action.RETRY_TASK)


def time_limit(job: batch_v1.Job) -> float:
    """Return the shortest of the task's, the runnable's and Batch's own time limit, in seconds."""
    spec = batch_v1.Job.pb(job).task_groups[0].task_spec
    both = (spec.max_run_duration, spec.runnables[0].timeout)
    limits: list[float] = [limit.ToTimedelta().total_seconds() for limit in both]
    return min([RUN_SECONDS, *(limit for limit in limits if limit)])
