"""The Batch emulator: `google.cloud.batch.v1.BatchService` over gRPC on 127.0.0.1, by the rules of the real service."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from uuid import uuid4

import grpc
import grpc.aio
from google.cloud import batch_v1
from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from local.batch import rules
from local.batch.faults import FaultInjector, LoseJob
from local.batch.jobs import JobRecord, OnChange, begin_operation, finish_operation, new_job
from local.batch.journal import Journal
from local.batch.mounts import Mounts
from local.batch.notifications import Notifier, Publish
from local.batch.rules import Refused, not_found
from local.batch.scheduler import Scheduler
from shared.runs.jobs import JobState

# The code and the words of a VM that Batch lost, "VM reporting timeout" (https://cloud.google.com/batch/docs/troubleshooting).
MACHINE_LOST: Final = 50002
NO_VM_UPDATES: Final = "Batch no longer receives VM updates"

# A call's name, what serves it, and the deserializer and the serializer of its messages.
Method = tuple[str, Callable[[Any], Any], Callable[[bytes], Any], Callable[[Any], bytes]]


class BatchService:
    """The methods of the service; each may raise `Refused`."""

    def __init__(self, scheduler: Scheduler, on_change: OnChange, faults: FaultInjector, journal: Journal) -> None:
        self._scheduler = scheduler
        self._on_change = on_change
        self._faults = faults
        self._journal = journal
        self._records: dict[str, JobRecord] = {}
        # Operations end with the process.
        self._operations: dict[str, operations_pb2.Operation] = {}
        self._requested: dict[tuple[str, str], operations_pb2.Operation] = {}
        self._releases: set[asyncio.Task[None]] = set()

    def recover(self) -> None:
        """Load the stored jobs: run those that were queued, fail those whose process ended with the service."""
        for job, request_key in self._journal.load():
            record = JobRecord(job, self._changed, request_key=request_key)
            if record.state is JobState.DELETION_IN_PROGRESS:
                self._journal.delete(record.name)
                continue
            self._records[record.name] = record
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
        for record in self._records.values():
            if key and record.request_key == key:
                return record.job
        name = f"{request.parent}/jobs/{request.job_id or f'job-{uuid4()}'}"
        if name in self._records:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"Resource '{name}' already exists")
        job, fault = new_job(name, request.job), self._faults.for_job(name)
        self._records[name] = record = JobRecord(job, self._changed, fault=fault, request_key=key)
        self._journal.save(record)
        response = batch_v1.Job(job)
        self._scheduler.admit(record)
        return response

    def get_job(self, request: batch_v1.GetJobRequest) -> batch_v1.Job:
        """Return the job of this name."""
        return self._record(request.name).job

    def list_jobs(self, request: batch_v1.ListJobsRequest) -> batch_v1.ListJobsResponse:
        """Return all jobs of a location, newest first."""
        rules.check_list(request)
        jobs = [record.job for name, record in self._records.items() if name.startswith(f"{request.parent}/jobs/")]
        return batch_v1.ListJobsResponse(jobs=jobs[::-1])

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
        return self._release(record, JobState.CANCELLATION_IN_PROGRESS, request.request_id)

    def delete_job(self, request: batch_v1.DeleteJobRequest) -> operations_pb2.Operation:
        """Start deleting a job; one that runs is stopped first."""
        rules.check_request_id(request.request_id)
        if known := self._requested.get((request.name, request.request_id)):
            return known
        return self._release(self._record(request.name), JobState.DELETION_IN_PROGRESS, request.request_id)

    def get_operation(self, request: operations_pb2.GetOperationRequest) -> operations_pb2.Operation:
        """Return the operation of this name."""
        if request.name not in self._operations:
            raise not_found(request.name)
        return self._operations[request.name]

    async def settle(self) -> None:
        """Wait for the cancels and deletes in progress."""
        await asyncio.gather(*self._releases)

    def _changed(self, record: JobRecord, old: JobState) -> None:
        self._journal.save(record)
        if record.state is JobState.RUNNING and isinstance(record.fault, LoseJob):
            asyncio.get_running_loop().call_later(record.fault.after_seconds, self._lose, record)
        self._on_change(record, old)

    def _lose(self, record: JobRecord) -> None:
        """Delete a job as somebody else would, if it still runs."""
        if record.state is JobState.RUNNING and not self._scheduler.closing:
            self._release(record, JobState.DELETION_IN_PROGRESS, "")

    def _record(self, name: str) -> JobRecord:
        if name not in self._records:
            raise not_found(name)
        return self._records[name]

    def _release(self, record: JobRecord, state: JobState, request_id: str) -> operations_pb2.Operation:
        """Start cancelling or deleting a job, and return the operation; the one in progress if the state is the same."""
        if record.operation and record.state is state:
            return record.operation
        record.move(state)
        verb, release = ("delete", self._delete) if state is JobState.DELETION_IN_PROGRESS else ("cancel", self._cancel)
        record.operation = operation = begin_operation(record.name, verb)
        self._operations[operation.name] = operation
        if request_id:
            self._requested[record.name, request_id] = operation
        task = asyncio.get_running_loop().create_task(release(record, operation), name=f"{verb} {record.name}")
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)
        return operation

    async def _cancel(self, record: JobRecord, operation: operations_pb2.Operation) -> None:
        await self._scheduler.release(record)
        if record.state is JobState.CANCELLATION_IN_PROGRESS:  # otherwise it is being deleted
            record.move(JobState.CANCELLED)
        finish_operation(operation, batch_v1.CancelJobResponse.pb(batch_v1.CancelJobResponse()))

    async def _delete(self, record: JobRecord, operation: operations_pb2.Operation) -> None:
        await self._scheduler.release(record)
        del self._records[record.name]
        self._journal.delete(record.name)
        finish_operation(operation, Empty())


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
        buckets: the folder with the objects of each bucket that jobs may mount.

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
        buckets: Mapping[str, Path] = MappingProxyType({}),
    ) -> None:
        self._log_dir = log_dir
        mounts = Mounts(buckets, log_dir)
        self._scheduler = Scheduler(log_dir, job_env, cwd, max_parallel, grace_seconds, mounts)
        self.faults = FaultInjector(on_end=self._scheduler.resume)
        self._notifier = Notifier(on_notification)
        self._journal = Journal(journal)
        self._service = BatchService(self._scheduler, self._notifier.notify, self.faults, self._journal)
        self._server: grpc.aio.Server | None = None

    async def start(self, port: int = 0) -> int:
        """Serve on this port of 127.0.0.1 (0: any free port), recover the stored jobs, and return the port.

        Raises:
            RuntimeError: the port is taken.
        """
        self._log_dir.mkdir(parents=True, exist_ok=True)
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers(_handlers(self._service, self.faults))
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
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

    def log_path(self, job_id: str) -> Path:
        """Return the file with a job's standard output and error."""
        return self._scheduler.log_path(job_id)


def _handlers(service: BatchService, faults: FaultInjector) -> tuple[grpc.GenericRpcHandler, ...]:
    operation = operations_pb2.Operation.SerializeToString
    batch: list[Method] = [
        ("CreateJob", service.create_job, batch_v1.CreateJobRequest.deserialize, batch_v1.Job.serialize),
        ("GetJob", service.get_job, batch_v1.GetJobRequest.deserialize, batch_v1.Job.serialize),
        ("ListJobs", service.list_jobs, batch_v1.ListJobsRequest.deserialize, batch_v1.ListJobsResponse.serialize),
        ("CancelJob", service.cancel_job, batch_v1.CancelJobRequest.deserialize, operation),
        ("DeleteJob", service.delete_job, batch_v1.DeleteJobRequest.deserialize, operation),
    ]
    operations: list[Method] = [
        ("GetOperation", service.get_operation, operations_pb2.GetOperationRequest.FromString, operation)
    ]
    services = {"google.cloud.batch.v1.BatchService": batch, "google.longrunning.Operations": operations}
    return tuple(
        grpc.method_handlers_generic_handler(name, {method[0]: _handler(method, faults) for method in methods})
        for name, methods in services.items()
    )


def _handler(method: Method, faults: FaultInjector) -> "grpc.RpcMethodHandler[Any, Any]":
    """Wrap a method of the service for gRPC. A refusal becomes its status; an injected fault hides the response."""
    rpc, call, read, write = method

    async def answer(request: Any, context: "grpc.aio.ServicerContext[Any, Any]") -> Any:  # noqa: ANN401  # each method has its own types
        fault = faults.for_call(rpc)
        try:
            response = None if fault and fault.moment == "before" else call(request)
        except Refused as refusal:
            await context.abort(refusal.code, refusal.message)
        if fault:
            await context.abort(grpc.StatusCode[fault.code], "fault injection made this call fail")
        return response

    return grpc.unary_unary_rpc_method_handler(answer, request_deserializer=read, response_serializer=write)
