"""`google.cloud.batch.v1.BatchService` as the real one behaves, on jobs kept in memory."""

import asyncio
from uuid import uuid4

import grpc
from google.cloud import batch_v1
from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from local.batch import listing, rules
from local.batch.jobs import Change, JobRecord, OnChange
from local.batch.operations import Operations
from local.batch.refusal import Refused, missing
from local.batch.rehearsal import LoseJob, Rehearsal
from local.batch.scheduler import Scheduler
from shared.runs.jobs import JobState


class BatchService:
    """The methods of the service; each may raise `Refused`.

    Args:
        scheduler: runs the jobs.
        on_change: told of each change of a job's state.
        rehearsal: says what is to go wrong with jobs.
    """

    def __init__(self, scheduler: Scheduler, on_change: OnChange, rehearsal: Rehearsal) -> None:
        self._scheduler = scheduler
        self._on_change = on_change
        self._rehearsal = rehearsal
        self._records: dict[str, JobRecord] = {}
        self._operations = Operations()
        self._created: dict[str, JobRecord] = {}
        self._releasing: dict[str, operations_pb2.Operation] = {}
        self._asked: dict[tuple[str, str], operations_pb2.Operation] = {}
        self._endings: set[asyncio.Task[None]] = set()

    def create_job(self, request: batch_v1.CreateJobRequest) -> batch_v1.Job:
        """Take a job in. The same request id again answers with the job made at the first time, as it is now."""
        rules.check_create(request)
        key = f"{request.parent} {request.request_id}"
        if request.request_id and key in self._created:
            return self._created[key].job
        name = f"{request.parent}/jobs/{request.job_id or f'job-{uuid4()}'}"
        if name in self._records:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"Resource '{name}' already exists")
        record = JobRecord(name, request.job, self._changed, self._rehearsal.for_job(name))
        self._records[name] = record
        if request.request_id:
            self._created[key] = record
        answer = batch_v1.Job(record.job)
        self._scheduler.admit(record)
        return answer

    def get_job(self, request: batch_v1.GetJobRequest) -> batch_v1.Job:
        """The job of this name."""
        return self._record(request.name).job

    def list_jobs(self, request: batch_v1.ListJobsRequest) -> batch_v1.ListJobsResponse:
        """One page of the jobs of a location."""
        rules.check_parent(request.parent)
        return listing.list_jobs((record.job for record in self._records.values()), request)

    def cancel_job(self, request: batch_v1.CancelJobRequest) -> operations_pb2.Operation:
        """Begin to cancel a job; FAILED_PRECONDITION for one that is over or being deleted."""
        rules.check_request_id(request.request_id)
        if known := self._asked.get((request.name, request.request_id)):
            return known
        record = self._record(request.name)
        if record.state.over or record.state is JobState.DELETION_IN_PROGRESS:
            raise Refused(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"Job {request.name} is {record.state.name} and cannot be cancelled",
            )
        if record.state is JobState.CANCELLATION_IN_PROGRESS:
            return self._releasing[record.name]
        record.move(JobState.CANCELLATION_IN_PROGRESS)
        return self._begin(record, "cancel", request.request_id)

    def delete_job(self, request: batch_v1.DeleteJobRequest) -> operations_pb2.Operation:
        """Begin to delete a job; one that runs is stopped before."""
        rules.check_request_id(request.request_id)
        if known := self._asked.get((request.name, request.request_id)):
            return known
        record = self._record(request.name)
        if record.state is JobState.DELETION_IN_PROGRESS:
            return self._releasing[record.name]
        record.move(JobState.DELETION_IN_PROGRESS)
        return self._begin(record, "delete", request.request_id)

    def get_task(self, request: batch_v1.GetTaskRequest) -> batch_v1.Task:
        """The task of this name."""
        task = self._record(request.name.partition("/taskGroups/")[0]).task
        if task.name != request.name:
            raise missing(request.name)
        return task

    def list_tasks(self, request: batch_v1.ListTasksRequest) -> batch_v1.ListTasksResponse:
        """The one task of a task group."""
        record = self._record(request.parent.partition("/taskGroups/")[0])
        if record.job.task_groups[0].name != request.parent:
            raise missing(request.parent)
        return batch_v1.ListTasksResponse(tasks=[record.task])

    def get_operation(self, request: operations_pb2.GetOperationRequest) -> operations_pb2.Operation:
        """The operation of this name."""
        return self._operations.get(request.name)

    def _changed(self, change: Change) -> None:
        trouble = change.record.trouble
        if change.new is JobState.RUNNING and isinstance(trouble, LoseJob):
            asyncio.get_running_loop().call_later(trouble.after_seconds, self._lose, change.record)
        self._on_change(change)

    def _lose(self, record: JobRecord) -> None:
        """Delete a job as somebody else would, unless it has ended before."""
        if record.state is JobState.RUNNING:
            record.move(JobState.DELETION_IN_PROGRESS)
            self._begin(record, "delete", "")

    def _record(self, name: str) -> JobRecord:
        if name not in self._records:
            raise missing(name)
        return self._records[name]

    def _begin(self, record: JobRecord, verb: str, request_id: str) -> operations_pb2.Operation:
        operation = self._operations.begin(record.name, verb)
        self._releasing[record.name] = operation
        if request_id:
            self._asked[record.name, request_id] = operation
        ending = self._cancelled(record, operation) if verb == "cancel" else self._deleted(record, operation)
        task = asyncio.get_running_loop().create_task(ending, name=f"{verb} {record.name}")
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
        return operation

    async def _cancelled(self, record: JobRecord, operation: operations_pb2.Operation) -> None:
        await self._scheduler.release(record)
        if record.state is JobState.CANCELLATION_IN_PROGRESS:  # else it is deleted meanwhile
            record.move(JobState.CANCELLED)
        self._operations.finish(operation, batch_v1.CancelJobResponse.pb(batch_v1.CancelJobResponse()))

    async def _deleted(self, record: JobRecord, operation: operations_pb2.Operation) -> None:
        await self._scheduler.release(record)
        del self._records[record.name]
        self._created = {key: kept for key, kept in self._created.items() if kept is not record}
        self._operations.finish(operation, Empty())

    async def settle(self) -> None:
        """Wait for the cancels and deletes under way."""
        await asyncio.gather(*self._endings)
