"""Google's services over gRPC without their client libraries: the messages alone, a channel, and patience.

Importing a client library, or only its messages, which lie inside it, takes as long as the rest of a function's first answer. What a
library does beyond the call itself (paging, several transports, options of its own) nobody here needs.
"""

# google-auth carries no types.
# mypy: allow-untyped-calls

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from random import SystemRandom
from types import ModuleType
from typing import Final, NamedTuple, TypeVar

import grpc.aio
from grpc import StatusCode

from shared.errors import Unavailable

T = TypeVar("T")
_DICE: Final = SystemRandom()
"""Spreads those who wait. It is not Python's one generator for all, which others may have seeded, and fork with us."""
_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
_OPTIONS: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_reconnect_backoff_ms", 2000),
)
"""A page of a hundred runs may be longer than gRPC's own limit of 4 MiB. And after an outage of a minute gRPC would not even try to
connect for another quarter of one, up to two minutes after a longer one, while every request is told that nobody answers."""


@contextmanager
def library_left_out(name: str) -> Iterator[None]:
    """Let the modules of a library be imported without the library itself, unless that is there already.

    An empty package stands in the library's place meanwhile. Then it is taken away, and whoever imports the library later gets all of
    it, with these same modules.
    """
    if name in sys.modules:
        yield
        return
    spec = find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"{name} is not installed", name=name)
    package = ModuleType(name)
    package.__path__ = spec.submodule_search_locations
    sys.modules[name] = package
    try:
        yield
    finally:
        del sys.modules[name]


def open_channel(service: str, host: str, emulator_host: str = "") -> grpc.aio.Channel:
    """A channel that belongs to the running loop: encrypted and with the process's own credentials, or plain to an emulator.

    Args:
        service: what people call it.
        host: the real service.
        emulator_host: `host:port` of the emulator; empty: the real service.

    Raises:
        Unavailable: no credentials for the real service can be had, as when the metadata server does not answer.
    """
    if emulator_host:
        return grpc.aio.insecure_channel(emulator_host, options=_OPTIONS)
    # Imported here because an emulator needs none of it, and neither does a process on SQLite.
    import google.auth  # noqa: PLC0415
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415
    from google.auth.transport.grpc import AuthMetadataPlugin  # noqa: PLC0415
    from google.auth.transport.requests import Request  # noqa: PLC0415

    try:
        credentials, _ = google.auth.default(scopes=_SCOPES)
    except GoogleAuthError as error:
        raise Unavailable(service) from error
    caller = grpc.metadata_call_credentials(AuthMetadataPlugin(credentials, Request(), default_host=host))
    secure = grpc.composite_channel_credentials(grpc.ssl_channel_credentials(), caller)
    return grpc.aio.secure_channel(host, secure, options=_OPTIONS)


class Patience(NamedTuple):
    """How long a call is tried, and how often.

    Attributes:
        total: seconds for all attempts together.
        attempt: the most seconds for one of them.
        passing: the statuses after which it is worth trying again.
        first_pause: seconds until the second attempt, at most; each further pause is twice as long.
        longest_pause: the longest of them.
    """

    total: float
    attempt: float
    passing: frozenset[StatusCode]
    first_pause: float
    longest_pause: float

    async def give(self, attempt: Callable[[float], Awaitable[T]]) -> T:
        """What an attempt gives, tried again while there is time; the attempt is told how many seconds it may take.

        Raises:
            grpc.aio.AioRpcError: the last attempt's.
        """
        ends, pause = time.monotonic() + self.total, self.first_pause
        while True:
            try:
                return await attempt(min(self.attempt, ends - time.monotonic()))
            except grpc.aio.AioRpcError as error:
                if error.code() not in self.passing or time.monotonic() + pause >= ends:
                    raise
            await asyncio.sleep(_DICE.uniform(pause / 2, pause))
            pause = min(2 * pause, self.longest_pause)
