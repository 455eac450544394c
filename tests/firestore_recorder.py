"""A gRPC proxy before the Firestore emulator that notes what a client asks and is answered, so that costs are counted, not assumed."""

from collections import Counter
from collections.abc import AsyncIterator

import grpc.aio
from google.cloud.firestore_v1.types.firestore import (
    CommitResponse,
    GetDocumentRequest,
    ListenResponse,
    RunAggregationQueryRequest,
    RunQueryRequest,
    RunQueryResponse,
)
from google.cloud.firestore_v1.types.query import StructuredQuery

from tests.grpc_proxy import Context, GrpcProxy


class Recorder(GrpcProxy):
    """Stands between a client and the emulator.

    `operations` counts what Firestore bills: document reads (a document that is not there costs one too), documents written, aggregations;
    and the calls by name. `queries` are the structured queries that came by, aggregated ones among them.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.operations: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.queries: list[StructuredQuery] = []

    def forget(self) -> None:
        """Begin to count anew."""
        self.operations.clear()
        self.calls.clear()
        self.queries.clear()

    async def forward(self, method: str, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Pass a call on, and note what it is."""
        name = method.rpartition("/")[2]
        self.calls[name] += 1

        async def noted() -> AsyncIterator[bytes]:
            async for request in requests:
                self._note_request(name, request)
                yield request

        try:
            async for answer in super().forward(method, noted(), context):
                self._note_answer(name, answer)
                yield answer
        finally:
            if name == "GetDocument" and context.code() is grpc.StatusCode.NOT_FOUND:
                self.operations["read"] += 1

    def _note_request(self, name: str, request: bytes) -> None:
        if name == "RunQuery":
            self.queries.append(RunQueryRequest.deserialize(request).structured_query)
        elif name == "RunAggregationQuery":
            asked = RunAggregationQueryRequest.deserialize(request)
            self.queries.append(asked.structured_aggregation_query.structured_query)
            self.operations["aggregation"] += 1
        elif name == "GetDocument":
            assert GetDocumentRequest.deserialize(request).name

    def _note_answer(self, name: str, answer: bytes) -> None:
        if name == "GetDocument":
            self.operations["read"] += 1
        elif name == "Commit":  # one that is refused writes nothing, and is tried again
            self.operations["write"] += len(CommitResponse.deserialize(answer).write_results)
        elif name == "RunQuery":
            self.operations["read"] += "document" in RunQueryResponse.deserialize(answer)
        elif name == "Listen":
            told = ListenResponse.deserialize(answer)
            self.operations["read"] += "document_change" in told or "document_delete" in told
