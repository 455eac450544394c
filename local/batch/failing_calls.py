"""Answers calls with errors, as a rehearsal says: before the call has its effect, or after it, so that only the answer is lost."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
import grpc.aio

from local.batch.rehearsal import Moment, Rehearsal

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class FailingCalls(grpc.aio.ServerInterceptor):
    """Stands before the service.

    Args:
        rehearsal: says which calls fail, and how.
    """

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._rehearsal = rehearsal

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Asked, Answer] | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Asked, Answer] | None":
        """The method that answers a call, or one that fails in its place."""
        method = await continuation(handler_call_details)
        if method is None:
            return None
        order = self._rehearsal.for_call(handler_call_details.method.rpartition("/")[2])
        if order is None:
            return method
        do: Any = method.unary_unary  # typed as a method of a synchronous server

        async def fail(request: Asked, context: "grpc.aio.ServicerContext[Asked, Answer]") -> Answer:
            if order.moment is Moment.AFTER:
                await do(request, context)
            await context.abort(grpc.StatusCode[order.code], "rehearsed: this call was made to fail")

        return grpc.unary_unary_rpc_method_handler(
            fail, request_deserializer=method.request_deserializer, response_serializer=method.response_serializer
        )
