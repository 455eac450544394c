"""Public keys are fetched once, kept, and refetched only as often as is fair."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.key_set import key_set
from local.serving import serving
from shared.auth.keys import (
    FAILURE_INTERVAL,
    FRESH_SECONDS,
    MAX_DOCUMENT_BYTES,
    MISS_INTERVAL,
    USABLE_SECONDS,
    PublicKey,
    PublicKeys,
)
from shared.errors import SettingsInvalid, Unavailable

ONE, TWO = (ec.generate_private_key(ec.SECP256R1()).public_key() for _ in range(2))


@dataclass
class Provider:
    """A key server that counts, and can be away."""

    keys: dict[str, PublicKey] = field(default_factory=lambda: {"one": ONE})
    body: bytes | None = None
    status: int = 200
    asked: int = 0
    url: str = ""

    async def answer(self, _: Request) -> Response:
        self.asked += 1
        body = json.dumps(key_set(self.keys)).encode() if self.body is None else self.body
        return Response(body, self.status, media_type="application/json")


@dataclass
class Stopwatch:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    async with serving(Starlette(routes=[Route("/keys", provider.answer)])) as url:
        provider.url = f"{url}/keys"
        yield provider


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


async def test_a_key_is_found_and_asked_for_only_once(provider: Provider, watch: Stopwatch) -> None:
    keys = PublicKeys(provider.url, clock=watch)
    assert [await keys.find("one") for _ in range(5)] == [ONE] * 5
    assert provider.asked == 1


async def test_twenty_callers_at_once_share_one_fetch(provider: Provider, watch: Stopwatch) -> None:
    keys = PublicKeys(provider.url, clock=watch)
    assert await asyncio.gather(*(keys.find("one") for _ in range(20))) == [ONE] * 20
    assert provider.asked == 1


async def test_a_rotated_key_is_fetched_at_its_first_use(provider: Provider, watch: Stopwatch) -> None:
    keys = PublicKeys(provider.url, clock=watch)
    await keys.find("one")
    provider.keys["two"] = TWO
    assert await keys.find("two") == TWO
    assert provider.asked == 2


async def test_forged_key_ids_cause_one_refetch_in_thirty_seconds(provider: Provider, watch: Stopwatch) -> None:
    keys = PublicKeys(provider.url, clock=watch)
    await keys.find("one")
    assert await asyncio.gather(*(keys.find(f"forged {number}") for number in range(20))) == [None] * 20
    assert provider.asked == 2
    watch.now += MISS_INTERVAL - 1
    assert await keys.find("forged again") is None
    assert provider.asked == 2
    watch.now += 1
    assert await keys.find("forged again") is None
    assert provider.asked == 3
    assert await keys.find("one") == ONE


async def test_an_unknown_key_right_after_the_first_fetch_is_not_asked_for_twice(
    provider: Provider, watch: Stopwatch
) -> None:
    assert await PublicKeys(provider.url, clock=watch).find("forged") is None
    assert provider.asked == 1


async def test_keys_are_fetched_again_when_they_are_old_and_withdrawn_ones_are_forgotten(
    provider: Provider, watch: Stopwatch
) -> None:
    keys = PublicKeys(provider.url, clock=watch)
    await keys.find("one")
    provider.keys = {"two": TWO}
    watch.now += FRESH_SECONDS - 1
    assert await keys.find("one") == ONE
    watch.now += 1
    assert await keys.find("one") is None
    assert provider.asked == 2


async def test_old_keys_serve_while_the_server_is_away_but_not_for_ever(provider: Provider, watch: Stopwatch) -> None:
    keys = PublicKeys(provider.url, clock=watch)
    await keys.find("one")
    provider.status = 500
    watch.now += USABLE_SECONDS - 1
    assert [await keys.find("one") for _ in range(5)] == [ONE] * 5
    assert await keys.find("unknown") is None
    assert provider.asked == 2
    watch.now += 1
    with pytest.raises(Unavailable):
        await keys.find("one")


async def test_a_server_that_is_away_is_not_hammered_and_is_found_when_it_is_back(
    provider: Provider, watch: Stopwatch
) -> None:
    provider.status = 503
    keys = PublicKeys(provider.url, clock=watch)
    outcomes = await asyncio.gather(*(keys.find("one") for _ in range(20)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert provider.asked == 1
    provider.status = 200
    watch.now += FAILURE_INTERVAL
    assert await keys.find("one") == ONE


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>", b"[]", b"{}", b'"one"', b"\xff", b"[" * 100_000, b" " * (MAX_DOCUMENT_BYTES + 1)),
        *(b'{"keys": 1}', b'{"keys": []}', b'{"keys": [1, "one", null]}', b'{"keys": [{"kid": "one"}]}'),
        b'{"one": "-----BEGIN PUBLIC KEY-----"}',
    ],
    ids=[
        *("empty", "html", "list", "no key", "string", "no utf-8", "deep", "huge"),
        *("number", "no keys", "no objects", "no key in it", "PEM"),
    ],
)
async def test_a_document_that_is_no_set_of_keys_is_as_good_as_none(
    provider: Provider, watch: Stopwatch, body: bytes
) -> None:
    provider.body = body
    with pytest.raises(Unavailable):
        await PublicKeys(provider.url, clock=watch).find("one")


async def test_a_port_where_nobody_listens_is_unavailable(watch: Stopwatch) -> None:
    async with serving(Starlette()) as url:
        pass
    with pytest.raises(Unavailable):
        await PublicKeys(url, clock=watch).find("one")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com/keys", "keys.json", ""])
def test_only_http_addresses_are_taken(url: str) -> None:
    with pytest.raises(SettingsInvalid):
        PublicKeys(url)


async def test_keys_are_taken_from_their_own_address_and_from_nowhere_that_it_points_to(provider: Provider) -> None:
    async def elsewhere(_: Request) -> Response:
        return Response(status_code=302, headers={"Location": provider.url})

    async with serving(Starlette(routes=[Route("/keys", elsewhere)])) as url:
        with pytest.raises(Unavailable):
            await PublicKeys(f"{url}/keys").find("one")
    assert provider.asked == 0


async def test_what_else_stands_in_a_set_does_not_matter(provider: Provider, watch: Stopwatch) -> None:
    strange = [
        1,
        {"kty": "OKP", "crv": "Ed25519", "kid": "new"},
        {"kty": "EC", "crv": "P-256", "kid": "half"},
        {"kid": 7},
    ]
    provider.body = json.dumps({"keys": [*strange, *key_set({"one": ONE})["keys"]], "version": 2}).encode()
    keys = PublicKeys(provider.url, clock=watch)
    assert [await keys.find(key_id) for key_id in ("one", "new", "half")] == [ONE, None, None]
