"""A generated Google client on a gRPC channel that is replaced when its connection is dead.

A connection that dies without FIN or RST (a NAT or a load balancer forgets it) stays silent, and gRPC keeps sending into it for minutes;
keepalive options alone did not help. Therefore a channel is replaced when an attempt reaches its deadline and the channel has answered
nothing since that attempt began.
"""

# google-auth carries no types.
# mypy: allow-untyped-calls

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import google.auth
import grpc.aio
from google.api_core.exceptions import DeadlineExceeded, GoogleAPICallError, GoogleAPIError
from google.api_core.retry_async import AsyncRetry, if_exception_type
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError

from shared import logs
from shared.errors import Unavailable
from shared.logs import Severity

CHANNEL_OPTIONS: Final = (
    # A page of a hundred runs may exceed gRPC's own limit of 4 MiB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # After an outage of a minute, gRPC would wait a quarter of a minute before it connects again, and later up to two minutes.
    ("grpc.max_reconnect_backoff_ms", 2000),
    # Without it, a new channel to the same address shares the dead connection of the old one.
    ("grpc.use_local_subchannel_pool", 1),
)
# A shorter attempt, such as the last one before the deadline, proves nothing about its channel.
_MEANINGFUL_SHARE: Final = 0.25

Errors = tuple[type[GoogleAPICallError], ...]
Client = TypeVar("Client")
T = TypeVar("T")


@dataclass(eq=False)
class _Channel(Generic[Client]):
    channel: grpc.aio.Channel
    client: Client
    loop: asyncio.AbstractEventLoop
    answered_at: float


class Connection(Generic[Client]):
    """Calls to one Google service. Each has a deadline and retries, and all of a service's failures end as `Unavailable`.

    The channel is made at the first call, because it belongs to the running event loop; another loop gets another channel.

    Args:
        service: name of the service in error texts.
        emulator_host: `host:port` of an emulator; empty: the real service, with the default credentials of the process.
        endpoint: host of the real service; empty: the one that the client knows.
        retried: the errors after which another attempt can succeed.
        permanent: the errors that are raised as they are, because they are bugs or faults of the deployment.
        attempt_seconds: deadline of one attempt.
        total_seconds: deadline of a call with all its attempts.
        pauses: longest pause before the second attempt, and before any later one; they double in between.
    """

    def __init__(
        self,
        service: str,
        client: Callable[..., Client],
        transport: Any,  # noqa: ANN401  # the transports have no common base
        *,
        emulator_host: str,
        endpoint: str = "",
        metadata: Sequence[tuple[str, str]] = (),
        retried: Errors,
        permanent: Errors = (),
        attempt_seconds: float,
        total_seconds: float,
        pauses: tuple[float, float],
    ) -> None:
        self._service, self._client, self._transport = service, client, transport
        self._emulator_host, self._endpoint = emulator_host, endpoint or transport.DEFAULT_HOST
        self._metadata, self._permanent = metadata, permanent
        self._attempt_seconds, self._total_seconds = attempt_seconds, total_seconds
        self._retry = AsyncRetry(if_exception_type(*retried), initial=pauses[0], maximum=pauses[1])
        self._credentials: Credentials | None = None
        self._current: _Channel[Client] | None = None
        self._closing: dict[asyncio.Task[None], grpc.aio.Channel] = {}

    async def call(
        self,
        attempt: Callable[[Client, dict[str, Any]], Awaitable[T]],
        *,
        raises: Errors = (),
        seconds: float | None = None,
    ) -> T:
        """Return the result of the first attempt that succeeds.

        Args:
            attempt: makes one call with this client and these options.
            raises: the errors that the caller handles.
            seconds: deadline of all attempts together, if not that of the connection.

        Raises:
            GoogleAPICallError: one of `raises`, or of the connection's permanent errors.
            Unavailable: any other error, also if there are no credentials because the metadata server does not answer.
        """
        total = seconds or self._total_seconds
        ends = time.monotonic() + total

        async def once() -> T:
            current = self._channel()
            began = time.monotonic()
            timeout = min(self._attempt_seconds, ends - began)
            try:
                result = await attempt(current.client, {"retry": None, "timeout": timeout, "metadata": self._metadata})
            except DeadlineExceeded:
                waited = time.monotonic() - began
                if waited >= total * _MEANINGFUL_SHARE and current.answered_at <= began:
                    self._replace(current)
                raise
            except GoogleAPICallError:
                current.answered_at = time.monotonic()
                raise
            current.answered_at = time.monotonic()
            return result

        with self._domain_errors(raises):
            return await self._retry.with_timeout(total)(once)()

    async def listen(
        self, start: Callable[[Client], AsyncGenerator[T]], probe: Callable[[Client, dict[str, Any]], Awaitable[object]]
    ) -> AsyncGenerator[T]:
        """Yield the messages of a stream that has no deadline, until the stream ends or its connection is dead.

        A quiet stream looks the same on a dead connection, so a probe follows when the connection has answered nothing, neither the stream
        nor another call, for the length of an attempt.

        Args:
            start: opens the stream.
            probe: a cheap call; any answer to it, even a refusal, proves the connection.

        Raises:
            Unavailable: the stream broke.
        """
        with self._domain_errors():
            current = self._channel()
        messages = start(current.client)
        following: asyncio.Future[T | None] = asyncio.ensure_future(anext(messages, None))
        try:
            while True:
                while not (await asyncio.wait([following], timeout=self._until_probe(current)))[0]:
                    if time.monotonic() - current.answered_at >= self._attempt_seconds:
                        with suppress(GoogleAPICallError, Unavailable):
                            await self.call(probe, seconds=self._attempt_seconds)
                    if current is not self._current:
                        return
                # The closing of a replaced channel cancels its streams. None is the end, or a message that gRPC cannot decode.
                with self._domain_errors():
                    if following.cancelled() or (message := following.result()) is None:
                        return
                current.answered_at = time.monotonic()
                yield message
                following = asyncio.ensure_future(anext(messages, None))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await messages.aclose()

    async def close(self) -> None:
        """Close all channels; a later call opens another."""
        channels = list(self._closing.values())
        if self._current is not None:
            channels.append(self._current.channel)
            self._current = None
        for task in self._closing:
            task.cancel()
        for channel in channels:
            await channel.close()

    @contextmanager
    def _domain_errors(self, raises: Errors = ()) -> Iterator[None]:
        try:
            yield
        except (*self._permanent, *raises):
            raise
        except (GoogleAPIError, GoogleAuthError) as error:
            raise Unavailable(self._service) from error

    def _channel(self) -> _Channel[Client]:
        loop = asyncio.get_running_loop()
        if self._current is None or self._current.loop is not loop:
            if self._emulator_host:
                channel = grpc.aio.insecure_channel(self._emulator_host, options=CHANNEL_OPTIONS)
            else:
                if self._credentials is None:
                    self._credentials, _ = google.auth.default(scopes=self._transport.AUTH_SCOPES)
                channel = self._transport.create_channel(
                    self._endpoint, credentials=self._credentials, options=CHANNEL_OPTIONS
                )
            client = self._client(transport=self._transport(channel=channel))
            self._current = _Channel(channel, client, loop, time.monotonic())
        return self._current

    def _until_probe(self, current: _Channel[Client]) -> float:
        quiet = time.monotonic() - current.answered_at
        # The shortest wait lets a new stream on an idle connection answer, and spaces probes that could not be sent.
        return max(self._attempt_seconds - quiet, self._attempt_seconds * _MEANINGFUL_SHARE)

    def _replace(self, dead: _Channel[Client]) -> None:
        if self._current is not dead:
            return
        self._current = None
        logs.log(Severity.WARNING, "a connection stopped answering and is replaced", service=self._service)
        task = asyncio.create_task(self._close_later(dead.channel))
        self._closing[task] = dead.channel
        task.add_done_callback(self._closing.pop)

    async def _close_later(self, channel: grpc.aio.Channel) -> None:
        """Close a channel when all attempts on it have reached their deadlines, because closing cancels what is under way."""
        await asyncio.sleep(self._attempt_seconds)
        await channel.close()
