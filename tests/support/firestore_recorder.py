"""A gRPC proxy in front of the Firestore emulator that counts what Firestore bills, so that costs are measured, not assumed."""

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

from tests.support.proxies import Context, GrpcProxy


class Recorder(GrpcProxy):
    """Records the calls of a client.

    Attributes:
        operations: what Firestore bills: document reads (a missing document costs one too), documents written, aggregations.
        calls: number of calls by name.
        queries: the structured queries, those of aggregations included.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.operations: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.queries: list[StructuredQuery] = []

    def forget(self) -> None:
        """Reset all counts."""
        self.operations.clear()
        self.calls.clear()
        self.queries.clear()

    async def forward(self, method: str, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Pass a call on, and count it."""
        name = method.rpartition("/")[2]
        self.calls[name] += 1

        async def recorded() -> AsyncIterator[bytes]:
            async for request in requests:
                self._record_request(name, request)
                yield request

        try:
            async for answer in super().forward(method, recorded(), context):
                self._record_answer(name, answer)
                yield answer
        finally:
            if name == "GetDocument" and context.code() is grpc.StatusCode.NOT_FOUND:
                self.operations["read"] += 1

    def _record_request(self, name: str, request: bytes) -> None:
        if name == "RunQuery":
            self.queries.append(RunQueryRequest.deserialize(request).structured_query)
        elif name == "RunAggregationQuery":
            parsed = RunAggregationQueryRequest.deserialize(request)
            self.queries.append(parsed.structured_aggregation_query.structured_query)
            self.operations["aggregation"] += 1
        elif name == "GetDocument":
            assert GetDocumentRequest.deserialize(request).name

    def _record_answer(self, name: str, answer: bytes) -> None:
        if name == "GetDocument":
            self.operations["read"] += 1
        elif name == "Commit":  # a refused commit writes nothing, and is repeated
            self.operations["write"] += len(CommitResponse.deserialize(answer).write_results)
        elif name == "RunQuery":
            self.operations["read"] += "document" in RunQueryResponse.deserialize(answer)
        elif name == "Listen":
            parsed = ListenResponse.deserialize(answer)
            self.operations["read"] += "document_change" in parsed or "document_delete" in parsed
