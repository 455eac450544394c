"""A transparent gRPC proxy: whatever a client asks passes through, as bytes, and what stands on the proxy sees it or spoils it."""

from collections.abc import AsyncIterator

import grpc.aio

Context = grpc.aio.ServicerContext[bytes, bytes]


class GrpcProxy:
    """Stands between a client and a gRPC server; on its own it only passes on.

    Args:
        upstream: `host:port` of the server.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.host = ""

    async def start(self) -> None:
        """Serve on a free port; `host` then is `host:port`."""
        self._channel = grpc.aio.insecure_channel(self._upstream)
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((_Everything(self),))
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self.host = f"127.0.0.1:{port}"

    async def stop(self) -> None:
        """End it."""
        await self._server.stop(grace=None)
        await self._channel.close()

    async def forward(self, method: str, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Pass a call on, whatever its kind.

        Args:
            method: `/package.Service/Method`.
            requests: what the client sends.
            context: what the answer goes to.
        """
        metadata = [(key, value) for key, value in context.invocation_metadata() or () if key != "user-agent"]
        pass_on: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(method)
        call = pass_on(requests, metadata=metadata)
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "", tuple(error.trailing_metadata() or ()))
        finally:
            call.cancel()


class _Everything(grpc.GenericRpcHandler):
    """Takes every method as a stream of bytes each way, which every kind of call is on the wire."""

    def __init__(self, proxy: GrpcProxy) -> None:
        self._proxy = proxy

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Handle any call."""
        method = handler_call_details.method

        async def answer(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
            async for message in self._proxy.forward(method, requests, context):
                yield message

        return grpc.stream_stream_rpc_method_handler(answer)
