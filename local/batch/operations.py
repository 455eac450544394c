"""The long-running operations that cancel and delete answer with."""

from datetime import UTC, datetime
from uuid import uuid4

from google.cloud import batch_v1
from google.longrunning import operations_pb2
from google.protobuf.message import Message

from local.batch.refusal import missing


class Operations:
    """All operations since the start, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, operations_pb2.Operation] = {}

    def begin(self, target: str, verb: str) -> operations_pb2.Operation:
        """A new operation that is not done.

        Args:
            target: the resource name of the job.
            verb: `cancel` or `delete`.
        """
        parent = target.partition("/jobs/")[0]
        operation = operations_pb2.Operation(name=f"{parent}/operations/operation-{uuid4()}")
        operation.metadata.Pack(
            batch_v1.OperationMetadata.pb(
                batch_v1.OperationMetadata(create_time=datetime.now(UTC), target=target, verb=verb, api_version="v1")
            )
        )
        self._by_name[operation.name] = operation
        return operation

    def finish(self, operation: operations_pb2.Operation, response: Message) -> None:
        """An operation is done, with this response."""
        metadata = batch_v1.OperationMetadata.pb(batch_v1.OperationMetadata())
        operation.metadata.Unpack(metadata)
        metadata.end_time.FromDatetime(datetime.now(UTC))
        operation.metadata.Pack(metadata)
        operation.response.Pack(response)
        operation.done = True

    def get(self, name: str) -> operations_pb2.Operation:
        """The operation of this name.

        Raises:
            Refused: NOT_FOUND.
        """
        if name not in self._by_name:
            raise missing(name)
        return self._by_name[name]
