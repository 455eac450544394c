"""Proxies between a client and a server: one passes gRPC calls on and lets subclasses observe or spoil them, one loses connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc.aio

Context = grpc.aio.ServicerContext[bytes, bytes]


class GrpcProxy:
    """Passes each gRPC call on, as bytes.

    Args:
        upstream: `host:port` of the server.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.host = ""

    async def start(self) -> None:
        """Serve on a free port, at `host`."""
        self._channel = grpc.aio.insecure_channel(self._upstream)
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((_EveryMethod(self),))
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self.host = f"127.0.0.1:{port}"

    async def stop(self) -> None:
        """Stop serving."""
        await self._server.stop(grace=None)
        await self._channel.close()

    async def forward(self, method: str, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Pass one call on, whatever its kind.

        Args:
            method: `/package.Service/Method`.
            requests: what the client sends.
            context: of the client's call.
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


class _EveryMethod(grpc.GenericRpcHandler):
    """Handles every method as a stream of bytes in both directions, which every kind of call is on the wire."""

    def __init__(self, proxy: GrpcProxy) -> None:
        self._proxy = proxy

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Return the handler of any call."""
        method = handler_call_details.method

        async def answer(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
            async for message in self._proxy.forward(method, requests, context):
                yield message

        return grpc.stream_stream_rpc_method_handler(answer)


class BlackHoleProxy:
    """A TCP proxy whose open connections can die without FIN or RST, as when a NAT forgets them; later connections work.

    Attributes:
        opened: number of connections so far.
        closed: number of connections that the client has closed.

    Args:
        upstream: `host:port` of the server.
        port: where to serve; 0: a free port.
    """

    def __init__(self, upstream: str, port: int = 0) -> None:
        self._upstream, self._port = upstream, port
        self._dead_up_to = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.opened = self.closed = 0
        self.host = ""

    async def start(self) -> None:
        """Serve at `host`."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self.host = "127.0.0.1:{1}".format(*self._server.sockets[0].getsockname())

    async def stop(self) -> None:
        """Stop serving, and close all connections."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def swallow(self) -> None:
        """From now on, lose every byte of the connections that are open."""
        self._dead_up_to = self.opened

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.opened += 1
        try:
            await self._connect(self.opened, reader, writer)
        except asyncio.CancelledError:
            pass  # the proxy stops
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _connect(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._upstream.rpartition(":")
        back, there = await asyncio.open_connection(host, int(port))
        answers = asyncio.create_task(self._pump(number, back, writer))
        try:
            await self._pump(number, reader, there)  # until the client closes
            self.closed += 1
        finally:
            answers.cancel()
            there.close()

    async def _pump(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if number > self._dead_up_to:
                    writer.write(data)
                    await writer.drain()
        if number > self._dead_up_to:
            writer.close()
