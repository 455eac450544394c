"""Tokens: where they are sent, when they are renewed, and that they are never printed."""

import asyncio
import base64
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haystack_client import Client, RequestRefused
from haystack_client.identity import Bearer, ServiceAccount, expiry, from_environment
from tests.haystack_client.conftest import Script
from tests.haystack_client.test_transport import EMPTY, STRANGER

TOKEN = "header.payload.signature"


async def test_a_token_from_the_environment_is_sent_and_never_printed() -> None:
    script = Script(STRANGER)
    async with script.served() as haystack:
        done = await haystack("list", HAYSTACK_TOKEN=TOKEN)
    assert done.code == 4
    assert [request.headers["authorization"] for request in script.requests] == [f"Bearer {TOKEN}"]
    assert TOKEN not in done.out + done.err


async def test_an_invalid_token_is_refused_without_being_printed() -> None:
    script = Script(EMPTY)
    async with script.served() as haystack:
        done = await haystack("list", HAYSTACK_TOKEN="Bearer my secret")
    assert (done.code, len(script.requests)) == (4, 0)
    assert "secret" not in done.out + done.err


async def test_a_refused_token_is_renewed_once() -> None:
    tokens = iter(["old", "new"])
    script = Script(EMPTY, STRANGER, EMPTY)
    async with script.served() as haystack:

        def ask_twice() -> None:
            with Client(haystack.url, identity=Bearer(lambda: next(tokens))) as client:
                client.list_runs(limit=1)
                client.list_runs(limit=1)

        await asyncio.to_thread(ask_twice)
    assert [request.headers["authorization"] for request in script.requests] == [
        "Bearer old",
        "Bearer old",
        "Bearer new",
    ]


def test_a_token_is_not_sent_unencrypted() -> None:
    with pytest.raises(RequestRefused, match="unencrypted"):
        Client("http://haystack.example.com", identity=Bearer(lambda: TOKEN))


async def test_a_token_is_renewed_before_it_expires() -> None:
    now = 1_000_000.0
    tokens = iter([unsigned(exp=now + 3600), unsigned(exp=now + 7000)])
    sent = []
    script = Script(EMPTY)

    def ask(url: str) -> None:
        nonlocal now
        with Client(url, identity=Bearer(lambda: next(tokens), clock=lambda: now)) as client:
            for elapsed in (0, 3290, 3310, 3320):
                now = 1_000_000.0 + elapsed
                client.list_runs(limit=1)
                sent.append(script.requests[-1].headers["authorization"])

    async with script.served() as haystack:
        await asyncio.to_thread(ask, haystack.url)
    first, second, third, fourth = sent
    assert first == second != third == fourth


@given(st.text(max_size=60) | st.binary(max_size=40).map(lambda raw: f"a.{base64.urlsafe_b64encode(raw).decode()}.c"))
def test_a_token_that_says_nothing_of_its_expiry_is_used_until_it_is_refused(token: str) -> None:
    assert expiry(token) == math.inf


@given(st.floats(min_value=0, max_value=1e12), st.dictionaries(st.text(max_size=5), st.integers(), max_size=3))
def test_the_expiry_of_any_token_is_read(seconds: float, others: dict[str, int]) -> None:
    assert expiry(unsigned(**{**others, "exp": seconds})) == seconds


@pytest.mark.parametrize(
    "email", ["ada@example.com", "asker", "a/b@p.iam.gserviceaccount.com", "a@p.iam.gserviceaccount.com:signJwt"]
)
def test_an_account_that_is_none_is_refused(email: str) -> None:
    with pytest.raises(RequestRefused, match="HAYSTACK_SERVICE_ACCOUNT"):
        ServiceAccount(email)


def test_the_environment_names_a_token_or_a_service_account_or_nothing() -> None:
    assert from_environment({}) is None
    account = {"HAYSTACK_SERVICE_ACCOUNT": "123-compute@developer.gserviceaccount.com"}
    assert isinstance(from_environment(account), ServiceAccount)
    assert isinstance(from_environment({**account, "HAYSTACK_TOKEN": TOKEN}), Bearer)


def unsigned(**claims: float) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"header.{payload}.signature"
