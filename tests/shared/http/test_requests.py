"""Bodies and headers that a handler never sees."""

import pytest
from starlette.requests import Request
from starlette.types import Message

from shared.errors import InvalidRequest
from shared.http import requests
from shared.http.problems import MalformedJson


def request(*headers: tuple[str, str], messages: tuple[Message, ...] = ()) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    remaining = iter(messages)

    async def receive() -> Message:
        return next(remaining)

    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


async def test_a_client_that_disconnects_within_the_body_is_no_unexpected_error() -> None:
    begun: Message = {"type": "http.request", "body": b"{", "more_body": True}
    with pytest.raises(MalformedJson):
        await requests.read(request(messages=(begun, {"type": "http.disconnect"})))


def test_a_key_is_taken_as_it_is() -> None:
    assert requests.idempotency_key(request(("idempotency-key", "k-1"))) == "k-1"
    assert requests.idempotency_key(request()) is None


@pytest.mark.parametrize("values", [("",), ("a b",), ("k-1", "k-2"), ("k-1", "k-1"), ("x" * 256,)])
def test_a_key_that_is_not_one_word_is_refused(values: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest, match="Idempotency-Key"):
        requests.idempotency_key(request(*(("idempotency-key", value) for value in values)))
