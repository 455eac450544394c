"""The stand-in as a gRPC server on 127.0.0.1."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio
from google.cloud import batch_v1
from google.longrunning import operations_pb2

from local.batch.failing_calls import FailingCalls
from local.batch.notifications import Notifier, Publish
from local.batch.refusal import Refused
from local.batch.rehearsal import Rehearsal
from local.batch.scheduler import Scheduler
from local.batch.service import BatchService

HOST = "127.0.0.1"

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


async def _unheard(_attributes: dict[str, str]) -> None:
    """Where nobody listens to the topics."""


class BatchStandIn:
    """Google Cloud Batch for this machine, until `stop`; what it knows is gone then.

    Args:
        log_dir: takes each job's output, as `{job_id}.log`; made if it is not there.
        job_env: what every job finds in its environment beside its own variables, which win: PATH, emulator hosts.
        cwd: the folder that jobs start in; `python -m` finds its modules there.
        on_notification: takes the attributes of a Pub/Sub message, for jobs that ask for a topic. One message at a time, in order.
        max_parallel: how many jobs run at once.
        grace_seconds: how long a job that is cancelled, over its time or shut down may go on after SIGTERM.

    Attributes:
        rehearsal: what is to go wrong, on request.
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
    ) -> None:
        self.rehearsal = Rehearsal()
        self._log_dir = log_dir
        self._scheduler = Scheduler(
            log_dir=log_dir, job_env=job_env, cwd=cwd, max_parallel=max_parallel, grace_seconds=grace_seconds
        )
        self._notifier = Notifier(on_notification or _unheard)
        self._service = BatchService(self._scheduler, self._notifier.tell, self.rehearsal)
        self._server: grpc.aio.Server | None = None

    async def start(self, port: int = 0) -> int:
        """Serve on this port of 127.0.0.1, or a free one for 0, and give the port.

        Raises:
            RuntimeError: the port is taken.
        """
        self._log_dir.mkdir(parents=True, exist_ok=True)
        server = grpc.aio.server(interceptors=[FailingCalls(self.rehearsal)], options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers(_handlers(self._service))
        bound = server.add_insecure_port(f"{HOST}:{port}")
        self._notifier.start()
        await server.start()
        self._server = server
        return bound

    async def stop(self) -> None:
        """Take no more requests, tell nobody any more, and end every process of every job."""
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None
        await self._notifier.stop()
        await self._scheduler.close()
        await self._service.settle()

    def end_rehearsal(self) -> None:
        """Have nothing go wrong any more; jobs that were kept waiting may run."""
        self.rehearsal.end()
        self._scheduler.resume()

    def log_path(self, job_id: str) -> Path:
        """The file that takes a job's standard output and error."""
        return self._scheduler.log_path(job_id)


def _handlers(service: BatchService) -> tuple[grpc.GenericRpcHandler, ...]:
    pb = operations_pb2
    batch = {
        "CreateJob": _handler(service.create_job, batch_v1.CreateJobRequest.deserialize, batch_v1.Job.serialize),
        "GetJob": _handler(service.get_job, batch_v1.GetJobRequest.deserialize, batch_v1.Job.serialize),
        "ListJobs": _handler(
            service.list_jobs, batch_v1.ListJobsRequest.deserialize, batch_v1.ListJobsResponse.serialize
        ),
        "CancelJob": _handler(
            service.cancel_job, batch_v1.CancelJobRequest.deserialize, pb.Operation.SerializeToString
        ),
        "DeleteJob": _handler(
            service.delete_job, batch_v1.DeleteJobRequest.deserialize, pb.Operation.SerializeToString
        ),
        "GetTask": _handler(service.get_task, batch_v1.GetTaskRequest.deserialize, batch_v1.Task.serialize),
        "ListTasks": _handler(
            service.list_tasks, batch_v1.ListTasksRequest.deserialize, batch_v1.ListTasksResponse.serialize
        ),
    }
    operations = {
        "GetOperation": _handler(
            service.get_operation, pb.GetOperationRequest.FromString, pb.Operation.SerializeToString
        )
    }
    return (
        grpc.method_handlers_generic_handler("google.cloud.batch.v1.BatchService", batch),
        grpc.method_handlers_generic_handler("google.longrunning.Operations", operations),
    )


def _handler(
    method: Callable[[Asked], Answer], read: Callable[[bytes], Asked], write: Callable[[Answer], bytes]
) -> "grpc.RpcMethodHandler[Asked, Answer]":
    """A method of the service as gRPC calls it; a refusal becomes its status."""

    async def answer(request: Asked, context: "grpc.aio.ServicerContext[Asked, Answer]") -> Answer:
        try:
            return method(request)
        except Refused as refusal:
            await context.abort(refusal.code, refusal.message)

    return grpc.unary_unary_rpc_method_handler(answer, request_deserializer=read, response_serializer=write)
