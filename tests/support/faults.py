"""Ports with an injected fault: one call of a sequence fails, before it or after it with the response lost, by an error or by death."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar, cast

from shared.errors import Unavailable

P = TypeVar("P")


class Died(BaseException):
    """The process died: none of its code runs any more, not even an `except Exception`."""


class When(StrEnum):
    """Side of the call on which the fault strikes."""

    BEFORE = "before"
    AFTER = "after, the answer lost"


class How(StrEnum):
    """What the caller sees. Behind a port, every transient gRPC status is `Unavailable`; the tests of the adapters check that."""

    UNAVAILABLE = "unavailable"
    DEATH = "death"


@dataclass
class Fault:
    """One fault at the call number `at`, starting at 0, of all wrapped ports together; None only counts calls."""

    at: int | None = None
    when: When = When.BEFORE
    how: How = How.UNAVAILABLE
    calls: list[str] = field(default_factory=list)

    def wrap(self, port: P, service: str) -> P:
        """Return the port, with the fault injected."""
        return cast("P", _Wrapped(self, port, service))

    async def around(self, name: str, service: str, call: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401  # whatever the port gives
        """Make one call, with the fault if it is due."""
        due = len(self.calls) == self.at
        self.calls.append(name)
        if due and self.when is When.BEFORE:
            raise self._error(service)
        answer = await call()
        if due:
            raise self._error(service)
        return answer

    def _error(self, service: str) -> BaseException:
        return Died() if self.how is How.DEATH else Unavailable(service)


class _Wrapped:
    def __init__(self, fault: Fault, port: object, service: str) -> None:
        self._fault, self._port, self._service = fault, port, service

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._port, name)

        async def call(*positional: object, **named: object) -> Any:  # noqa: ANN401  # whatever the port gives
            return await self._fault.around(name, self._service, lambda: method(*positional, **named))

        return call
