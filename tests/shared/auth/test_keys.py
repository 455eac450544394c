"""Public keys are fetched once, cached, and refetched at a limited rate."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.types import Options
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.serving import serving
from local.tokens import key_set
from shared.auth.keys import (
    FAILURE_INTERVAL,
    FRESH_SECONDS,
    MAX_DOCUMENT_BYTES,
    MISS_INTERVAL,
    USABLE_SECONDS,
    PublicKey,
    PublicKeys,
    public_key,
)
from shared.errors import SettingsInvalid, Unavailable

# Examples of RFC 7515, A.2 and A.3: a token, and the public key of its signer.
RFC_CLAIMS = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
RFC_RSA = {
    "kty": "RSA",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs"
    "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uD"
    "Zlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "e": "AQAB",
}
RFC_CURVE = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
RFC_RS256 = (
    f"eyJhbGciOiJSUzI1NiJ9.{RFC_CLAIMS}."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4"
    "BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv"
    "hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)
RFC_ES256 = (
    f"eyJhbGciOiJFUzI1NiJ9.{RFC_CLAIMS}."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)

ONE, TWO = (ec.generate_private_key(ec.SECP256R1()).public_key() for _ in range(2))


@dataclass
class Provider:
    """A key server that counts its requests, and can fail."""

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


async def test_a_key_is_fetched_only_once(provider: Provider, watch: Stopwatch) -> None:
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


async def test_an_unknown_key_right_after_the_first_fetch_causes_no_second_one(
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


async def test_old_keys_are_used_while_the_server_is_down_but_not_forever(provider: Provider, watch: Stopwatch) -> None:
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


async def test_a_server_that_is_down_is_not_flooded_and_is_used_again_when_it_is_up(
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


async def test_a_failed_fetch_is_repeated_after_a_pause_and_not_before(provider: Provider, watch: Stopwatch) -> None:
    """Regression: no test noticed requests that each ask a key server that is down, and wait for it."""
    provider.status = 503
    keys = PublicKeys(provider.url, clock=watch)
    for passed, asked in ((0.0, 1), (FAILURE_INTERVAL - 0.5, 1), (0.5, 2), (0.5, 2), (FAILURE_INTERVAL, 3)):
        watch.now += passed
        with pytest.raises(Unavailable):
            await keys.find("one")
        assert provider.asked == asked


async def test_a_failed_fetch_is_repeated_seldom_while_old_keys_are_usable(
    provider: Provider, watch: Stopwatch
) -> None:
    """Regression: no test noticed requests that wait every two seconds for a key server that is down, with their key cached."""
    keys = PublicKeys(provider.url, clock=watch)
    await keys.find("one")
    provider.status = 503
    for passed, asked in ((FRESH_SECONDS, 2), (MISS_INTERVAL - 1, 2), (1.0, 3), (FAILURE_INTERVAL, 3)):
        watch.now += passed
        assert await keys.find("one") == ONE
        assert provider.asked == asked


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
async def test_a_document_that_is_not_a_set_of_keys_gives_no_keys(
    provider: Provider, watch: Stopwatch, body: bytes
) -> None:
    provider.body = body
    with pytest.raises(Unavailable):
        await PublicKeys(provider.url, clock=watch).find("one")


@pytest.mark.parametrize("more", [0, 1])
async def test_a_document_of_just_the_largest_size_is_read(provider: Provider, watch: Stopwatch, more: int) -> None:
    provider.body = json.dumps(key_set(provider.keys)).encode().rjust(MAX_DOCUMENT_BYTES + more)
    keys = PublicKeys(provider.url, clock=watch)
    if more:
        with pytest.raises(Unavailable):
            await keys.find("one")
    else:
        assert await keys.find("one") == ONE


async def test_a_closed_port_is_unavailable(watch: Stopwatch) -> None:
    async with serving(Starlette()) as url:
        pass
    with pytest.raises(Unavailable):
        await PublicKeys(url, clock=watch).find("one")


async def test_regression_a_server_that_answers_byte_by_byte_keeps_nobody_waiting(watch: Stopwatch) -> None:
    """Regression: each byte had five seconds, and each address of the server, while all callers waited."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nx: ")
        while not over.is_set():
            writer.write(b"x")
            await asyncio.sleep(0.02)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(Unavailable):
            await PublicKeys(url, clock=watch, deadline=0.2).find("one")
        over.set()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com/keys", "keys.json", ""])
def test_only_http_urls_are_accepted(url: str) -> None:
    with pytest.raises(SettingsInvalid):
        PublicKeys(url)


async def test_an_https_url_is_never_asked_without_tls(provider: Provider) -> None:
    """Regression: no test noticed keys that are fetched in the clear, where anyone on the way can put in a key."""
    with pytest.raises(Unavailable):
        await PublicKeys(provider.url.replace("http://", "https://")).find("one")
    assert provider.asked == 0


async def test_redirects_are_not_followed(provider: Provider) -> None:
    async def elsewhere(_: Request) -> Response:
        return Response(status_code=302, headers={"Location": provider.url})

    async with serving(Starlette(routes=[Route("/keys", elsewhere)])) as url:
        with pytest.raises(Unavailable):
            await PublicKeys(f"{url}/keys").find("one")
    assert provider.asked == 0


async def test_unsupported_entries_of_a_set_are_ignored(provider: Provider, watch: Stopwatch) -> None:
    strange = [
        1,
        {"kty": "OKP", "crv": "Ed25519", "kid": "new"},
        {"kty": "EC", "crv": "P-256", "kid": "half"},
        {"kid": 7},
    ]
    provider.body = json.dumps({"keys": [*strange, *key_set({"one": ONE})["keys"]], "version": 2}).encode()
    keys = PublicKeys(provider.url, clock=watch)
    assert [await keys.find(key_id) for key_id in ("one", "new", "half")] == [ONE, None, None]


async def test_a_set_with_two_keys_of_one_id_is_refused_and_the_cached_keys_stay(
    provider: Provider, watch: Stopwatch
) -> None:
    """Regression: the later of two keys with the same id silently replaced the earlier one."""
    twice = [*key_set({"one": ONE})["keys"], *key_set({"one": TWO})["keys"]]
    keys = PublicKeys(provider.url, clock=watch)
    assert await keys.find("one") == ONE
    provider.body = json.dumps({"keys": twice}).encode()
    with pytest.raises(Unavailable):
        await PublicKeys(provider.url, clock=watch).find("one")
    watch.now += FRESH_SECONDS
    assert await keys.find("one") == ONE


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((500, b"{}"), "status 500"),
        ((200, b"{}"), "not a set of JSON web keys"),
        ((200, b" " * (MAX_DOCUMENT_BYTES + 1)), f"more than {MAX_DOCUMENT_BYTES} bytes of keys"),
        ((200, json.dumps({"keys": key_set({"one": ONE})["keys"] * 2}).encode()), "two keys with the same id"),
    ],
)
async def test_the_log_says_why_there_are_no_keys(
    provider: Provider, watch: Stopwatch, capsys: pytest.CaptureFixture[str], answer: tuple[int, bytes], reason: str
) -> None:
    provider.status, provider.body = answer
    with pytest.raises(Unavailable):
        await PublicKeys(provider.url, clock=watch).find("one")
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["message"], line["url"], line["reason"]) == ("public keys not fetched", provider.url, reason)


@pytest.mark.parametrize(
    ("token", "algorithm", "jwk"),
    [(RFC_RS256, "RS256", RFC_RSA), (RFC_ES256, "ES256", RFC_CURVE)],
    ids=["RSA", "curve"],
)
def test_the_keys_of_the_standard_verify_its_example_tokens(token: str, algorithm: str, jwk: dict[str, str]) -> None:
    options: Options = {"verify_exp": False}
    key = public_key(jwk)
    assert key is not None
    assert pyjwt.decode(token, key, algorithms=[algorithm], options=options)["iss"] == "joe"


@pytest.mark.parametrize("exponent", ["Aw", "AQE", "AQAB", "AQAX", "AQAAAAE"])
def test_a_number_of_any_length_and_last_letter_is_read(exponent: str) -> None:
    """Regression: no test noticed numbers without their last letters, if these are X, which refuses the key."""
    key = public_key({**RFC_RSA, "e": exponent})
    assert isinstance(key, rsa.RSAPublicKey)
    padded = exponent + "=" * (-len(exponent) % 4)
    assert key.public_numbers().e == int.from_bytes(base64.urlsafe_b64decode(padded))


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {**RFC_CURVE, "crv": "P-384"},
        {**RFC_CURVE, "kty": "RSA"},
        {**RFC_CURVE, "y": RFC_CURVE["x"]},
        {**RFC_CURVE, "x": RFC_CURVE["x"] + "="},
        {**RFC_CURVE, "x": "é"},
        {**RFC_CURVE, "x": "\ud800"},
        {**RFC_CURVE, "x": 7},
        {**RFC_CURVE, "x": ""},
        {"kty": "EC", "crv": "P-256"},
        {**RFC_RSA, "kty": ["RSA"]},
        {**RFC_RSA, "e": ""},
        {**RFC_RSA, "e": "AAAA"},
        {"kty": "RSA", "e": "AQAB"},
    ],
)
def test_an_invalid_key_or_one_of_another_kind_is_refused(jwk: dict[str, object]) -> None:
    assert public_key(jwk) is None
