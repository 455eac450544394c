"""The Batch emulator: `google.cloud.batch.v1.BatchService` over gRPC on 127.0.0.1, by the rules of the real service."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

import grpc
import grpc.aio
from google.cloud import batch_v1
from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from local.batch import rules
from local.batch.faults import FaultInjector, LoseJob
from local.batch.jobs import Change, JobRecord, OnChange, Operations
from local.batch.journal import Journal
from local.batch.notifications import Notifier, Publish
from local.batch.rules import Refused, not_found
from local.batch.scheduler import Scheduler
from shared.runs.jobs import JobState

HOST: Final = "127.0.0.1"
# The code and the words of a VM that Batch lost, "VM reporting timeout" (https://cloud.google.com/batch/docs/troubleshooting).
MACHINE_LOST: Final = 50002
NO_VM_UPDATES: Final = "Batch no longer receives VM updates"

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class BatchService:
    """The methods of the service; each may raise `Refused`."""

    def __init__(self, scheduler: Scheduler, on_change: OnChange, faults: FaultInjector, journal: Journal) -> None:
        self._scheduler = scheduler
        self._on_change = on_change
        self._faults = faults
        self._journal = journal
        self._records: dict[str, JobRecord] = {}
        self._operations = Operations()
        self._created: dict[str, JobRecord] = {}
        self._releasing: dict[str, operations_pb2.Operation] = {}
        self._requested: dict[tuple[str, str], operations_pb2.Operation] = {}
        self._releases: set[asyncio.Task[None]] = set()

    def recover(self) -> None:
        """Load the stored jobs: run those that were queued, fail those whose process ended with the service."""
        for job, task, request_key in self._journal.load():
            record = JobRecord.restore(job, task, self._changed)
            if record.state is JobState.DELETION_IN_PROGRESS:
                self._journal.delete(record.name)
                continue
            self._records[record.name] = record
            if request_key:
                self._created[request_key] = record
            if record.state is JobState.QUEUED:
                self._scheduler.admit(record)
            elif record.state is JobState.CANCELLATION_IN_PROGRESS:
                record.move(JobState.CANCELLED)
            elif not record.state.over:
                record.end(MACHINE_LOST, NO_VM_UPDATES)

    def create_job(self, request: batch_v1.CreateJobRequest) -> batch_v1.Job:
        """Create a job. A repeated request id returns the job of the first request as it is now."""
        rules.check_create(request)
        key = f"{request.parent} {request.request_id}" if request.request_id else ""
        if key in self._created:
            return self._created[key].job
        name = f"{request.parent}/jobs/{request.job_id or f'job-{uuid4()}'}"
        if name in self._records:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"Resource '{name}' already exists")
        record = JobRecord(name, request.job, self._changed, self._faults.for_job(name))
        self._records[name] = record
        if key:
            self._created[key] = record
        self._journal.save(record, key)
        response = batch_v1.Job(record.job)
        self._scheduler.admit(record)
        return response

    def get_job(self, request: batch_v1.GetJobRequest) -> batch_v1.Job:
        """Return the job of this name."""
        return self._record(request.name).job

    def list_jobs(self, request: batch_v1.ListJobsRequest) -> batch_v1.ListJobsResponse:
        """Return one page of a location's jobs, newest first."""
        rules.check_list(request)
        jobs = [record.job for name, record in self._records.items() if name.startswith(f"{request.parent}/jobs/")]
        jobs.reverse()
        begin = int(request.page_token or 0)
        end = begin + min(request.page_size or rules.DEFAULT_PAGE, rules.MAX_PAGE)
        return batch_v1.ListJobsResponse(jobs=jobs[begin:end], next_page_token=str(end) if end < len(jobs) else "")

    def cancel_job(self, request: batch_v1.CancelJobRequest) -> operations_pb2.Operation:
        """Start cancelling a job; FAILED_PRECONDITION for one that is over or being deleted."""
        rules.check_request_id(request.request_id)
        if known := self._requested.get((request.name, request.request_id)):
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
        """Start deleting a job; one that runs is stopped first."""
        rules.check_request_id(request.request_id)
        if known := self._requested.get((request.name, request.request_id)):
            return known
        record = self._record(request.name)
        if record.state is JobState.DELETION_IN_PROGRESS:
            return self._releasing[record.name]
        record.move(JobState.DELETION_IN_PROGRESS)
        return self._begin(record, "delete", request.request_id)

    def get_task(self, request: batch_v1.GetTaskRequest) -> batch_v1.Task:
        """Return the task of this name."""
        task = self._record(request.name.partition("/taskGroups/")[0]).task
        if task.name != request.name:
            raise not_found(request.name)
        return task

    def list_tasks(self, request: batch_v1.ListTasksRequest) -> batch_v1.ListTasksResponse:
        """Return the one task of a task group."""
        record = self._record(request.parent.partition("/taskGroups/")[0])
        if record.job.task_groups[0].name != request.parent:
            raise not_found(request.parent)
        return batch_v1.ListTasksResponse(tasks=[record.task])

    def get_operation(self, request: operations_pb2.GetOperationRequest) -> operations_pb2.Operation:
        """Return the operation of this name."""
        return self._operations.get(request.name)

    async def settle(self) -> None:
        """Wait for the cancels and deletes in progress."""
        await asyncio.gather(*self._releases)

    def _changed(self, change: Change) -> None:
        self._journal.save(change.record, "")
        fault = change.record.fault
        if change.new is JobState.RUNNING and isinstance(fault, LoseJob):
            asyncio.get_running_loop().call_later(fault.after_seconds, self._lose, change.record)
        self._on_change(change)

    def _lose(self, record: JobRecord) -> None:
        """Delete a job as somebody else would, if it still runs."""
        if record.state is JobState.RUNNING and not self._scheduler.closing:
            record.move(JobState.DELETION_IN_PROGRESS)
            self._begin(record, "delete", "")

    def _record(self, name: str) -> JobRecord:
        if name not in self._records:
            raise not_found(name)
        return self._records[name]

    def _begin(self, record: JobRecord, verb: str, request_id: str) -> operations_pb2.Operation:
        operation = self._operations.begin(record.name, verb)
        self._releasing[record.name] = operation
        if request_id:
            self._requested[record.name, request_id] = operation
        release = self._cancel(record, operation) if verb == "cancel" else self._delete(record, operation)
        task = asyncio.get_running_loop().create_task(release, name=f"{verb} {record.name}")
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)
        return operation

    async def _cancel(self, record: JobRecord, operation: operations_pb2.Operation) -> None:
        await self._scheduler.release(record)
        if record.state is JobState.CANCELLATION_IN_PROGRESS:  # otherwise it is being deleted
            record.move(JobState.CANCELLED)
        self._operations.finish(operation, batch_v1.CancelJobResponse.pb(batch_v1.CancelJobResponse()))

    async def _delete(self, record: JobRecord, operation: operations_pb2.Operation) -> None:
        await self._scheduler.release(record)
        del self._records[record.name]
        self._journal.delete(record.name)
        self._created = {key: created for key, created in self._created.items() if created is not record}
        self._operations.finish(operation, Empty())


class FailingCalls(grpc.aio.ServerInterceptor):
    """Fails the calls that fault injection chooses: before they take effect, or after it, so that only the response is lost."""

    def __init__(self, faults: FaultInjector) -> None:
        self._faults = faults

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Asked, Answer] | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Asked, Answer] | None":
        """Return the method that serves a call, or one that fails in its place."""
        method = await continuation(handler_call_details)
        if method is None:
            return None
        fault = self._faults.for_call(handler_call_details.method.rpartition("/")[2])
        if fault is None:
            return method
        call: Any = method.unary_unary  # typed as a method of a synchronous server

        async def fail(request: Asked, context: "grpc.aio.ServicerContext[Asked, Answer]") -> Answer:
            if fault.moment == "after":
                await call(request, context)
            await context.abort(grpc.StatusCode[fault.code], "fault injection made this call fail")

        return grpc.unary_unary_rpc_method_handler(
            fail, request_deserializer=method.request_deserializer, response_serializer=method.response_serializer
        )


class BatchEmulator:
    """Google Cloud Batch on this machine, from `start` to `stop`.

    Args:
        log_dir: gets each job's output as `{job_id}.log`.
        job_env: the environment of every job; the job's own variables override it.
        cwd: the working directory of the jobs.
        on_notification: receives the attributes of Pub/Sub messages, one at a time and in order, for jobs that name a topic.
        max_parallel: number of jobs that run at once.
        grace_seconds: time between SIGTERM and SIGKILL for a job that is cancelled, over its time limit or shut down.
        journal: the SQLite file that keeps the jobs across restarts; None: they end with the emulator.

    Attributes:
        faults: injects faults on request.
    """

    def __init__(
        self,
        *,
        log_dir: Path,
        job_env: Mapping[str, str],
        cwd: Path,
        on_notification: Publish | None = None,
        max_parallel: int = 2,
        grace_seconds: float = 10.0,
        journal: Path | None = None,
    ) -> None:
        self.faults = FaultInjector()
        self._log_dir = log_dir
        self._scheduler = Scheduler(
            log_dir=log_dir, job_env=job_env, cwd=cwd, max_parallel=max_parallel, grace_seconds=grace_seconds
        )
        self._notifier = Notifier(on_notification or _discard)
        self._journal = Journal(journal)
        self._service = BatchService(self._scheduler, self._notifier.notify, self.faults, self._journal)
        self._server: grpc.aio.Server | None = None

    async def start(self, port: int = 0) -> int:
        """Serve on this port of 127.0.0.1 (0: any free port), recover the stored jobs, and return the port.

        Raises:
            RuntimeError: the port is taken.
        """
        self._log_dir.mkdir(parents=True, exist_ok=True)
        server = grpc.aio.server(interceptors=[FailingCalls(self.faults)], options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers(_handlers(self._service))
        bound = server.add_insecure_port(f"{HOST}:{port}")
        self._notifier.start()
        self._service.recover()
        await server.start()
        self._server = server
        return bound

    async def stop(self) -> None:
        """Refuse further calls, stop notifications, and stop every process of every job."""
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None
        await self._notifier.stop()
        await self._scheduler.close()
        await self._service.settle()
        self._journal.close()

    def end_faults(self) -> None:
        """Stop injecting faults and let the jobs run that waited because of one."""
        self.faults.end()
        self._scheduler.resume()

    def log_path(self, job_id: str) -> Path:
        """Return the file with a job's standard output and error."""
        return self._scheduler.log_path(job_id)


async def _discard(_attributes: dict[str, str]) -> None:
    """Drop notifications, because nobody subscribed."""


def _handlers(service: BatchService) -> tuple[grpc.GenericRpcHandler, ...]:
    operation = operations_pb2.Operation.SerializeToString
    batch = {
        "CreateJob": _handler(service.create_job, batch_v1.CreateJobRequest.deserialize, batch_v1.Job.serialize),
        "GetJob": _handler(service.get_job, batch_v1.GetJobRequest.deserialize, batch_v1.Job.serialize),
        "ListJobs": _handler(
            service.list_jobs, batch_v1.ListJobsRequest.deserialize, batch_v1.ListJobsResponse.serialize
        ),
        "CancelJob": _handler(service.cancel_job, batch_v1.CancelJobRequest.deserialize, operation),
        "DeleteJob": _handler(service.delete_job, batch_v1.DeleteJobRequest.deserialize, operation),
        "GetTask": _handler(service.get_task, batch_v1.GetTaskRequest.deserialize, batch_v1.Task.serialize),
        "ListTasks": _handler(
            service.list_tasks, batch_v1.ListTasksRequest.deserialize, batch_v1.ListTasksResponse.serialize
        ),
    }
    operations = {
        "GetOperation": _handler(service.get_operation, operations_pb2.GetOperationRequest.FromString, operation)
    }
    return (
        grpc.method_handlers_generic_handler("google.cloud.batch.v1.BatchService", batch),
        grpc.method_handlers_generic_handler("google.longrunning.Operations", operations),
    )


def _handler(
    method: Callable[[Asked], Answer], read: Callable[[bytes], Asked], write: Callable[[Answer], bytes]
) -> "grpc.RpcMethodHandler[Asked, Answer]":
    """Wrap a method of the service for gRPC; a refusal becomes its status."""

    async def answer(request: Asked, context: "grpc.aio.ServicerContext[Asked, Answer]") -> Answer:
        try:
            return method(request)
        except Refused as refusal:
            await context.abort(refusal.code, refusal.message)

    return grpc.unary_unary_rpc_method_handler(answer, request_deserializer=read, response_serializer=write)
