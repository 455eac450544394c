"""A gRPC proxy before the Firestore emulator that notes what a client asks and is answered, so that costs are counted, not assumed."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import grpc.aio
from google.cloud.firestore_v1.types.firestore import (
    CommitRequest,
    GetDocumentRequest,
    ListenResponse,
    RunAggregationQueryRequest,
    RunQueryRequest,
    RunQueryResponse,
)
from google.cloud.firestore_v1.types.query import StructuredQuery

_SERVICE = "/google.firestore.v1.Firestore/"


@dataclass
class Recorder:
    """Stands between a client and the emulator.

    `operations` counts what Firestore bills: document reads (a document that is not there costs one too), documents written, aggregations;
    and the calls by name. `queries` are the structured queries that came by, aggregated ones among them.
    """

    upstream: str
    operations: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    queries: list[StructuredQuery] = field(default_factory=list)
    host: str = ""

    async def start(self) -> None:
        """Serve on a free port; `host` then is `host:port`."""
        self._channel = grpc.aio.insecure_channel(self.upstream)
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((_Everything(self),))
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self.host = f"127.0.0.1:{port}"

    async def stop(self) -> None:
        """End it."""
        await self._server.stop(grace=None)
        await self._channel.close()

    def forget(self) -> None:
        """Begin to count anew."""
        self.operations.clear()
        self.calls.clear()
        self.queries.clear()

    async def forward(
        self, method: str, requests: AsyncIterator[bytes], context: "grpc.aio.ServicerContext[bytes, bytes]"
    ) -> AsyncIterator[bytes]:
        """Pass a call on, whatever its kind, and note what it is."""
        name = method.removeprefix(_SERVICE)
        self.calls[name] += 1

        async def noted() -> AsyncIterator[bytes]:
            async for request in requests:
                self._note_request(name, request)
                yield request

        metadata = [(key, value) for key, value in context.invocation_metadata() or () if key != "user-agent"]
        pass_on: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(method)
        call = pass_on(noted(), metadata=metadata)
        try:
            async for answer in call:
                self._note_answer(name, answer)
                yield answer
        except grpc.aio.AioRpcError as error:
            if name == "GetDocument" and error.code() is grpc.StatusCode.NOT_FOUND:
                self.operations["read"] += 1
            await context.abort(error.code(), error.details() or "", tuple(error.trailing_metadata() or ()))
        finally:
            call.cancel()

    def _note_request(self, name: str, request: bytes) -> None:
        if name == "Commit":
            self.operations["write"] += len(CommitRequest.deserialize(request).writes)
        elif name == "RunQuery":
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
        elif name == "RunQuery":
            self.operations["read"] += "document" in RunQueryResponse.deserialize(answer)
        elif name == "Listen":
            told = ListenResponse.deserialize(answer)
            self.operations["read"] += "document_change" in told or "document_delete" in told


class _Everything(grpc.GenericRpcHandler):
    """Takes every method as a stream of bytes each way, which every kind of call is on the wire."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Handle any call."""
        method = handler_call_details.method

        async def answer(
            requests: AsyncIterator[bytes], context: "grpc.aio.ServicerContext[bytes, bytes]"
        ) -> AsyncIterator[bytes]:
            async for message in self._recorder.forward(method, requests, context):
                yield message

        return grpc.stream_stream_rpc_method_handler(answer)
