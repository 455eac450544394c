"""Tokens that a service account signs through IAM Credentials, from the command to the functions behind an emulator of IAP."""

import asyncio
import stat
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import jwt
import pytest
from starlette.responses import PlainTextResponse

from haystack_client import Client, NotSignedIn, RetryPolicy, ServiceAccount, Unavailable
from haystack_client.signing import ENDPOINT_VARIABLE, METADATA_VARIABLE, sign
from local.gateway import Gateway
from local.processes import free_port
from local.serving import serving
from local.tokens import key_server
from shared import wiring
from tests.functions.conftest import small_dataset
from tests.haystack_client.conftest import QUESTION, Haystack, Script
from tests.haystack_client.test_transport import EMPTY
from tests.support.iam_credentials import ACCESS_TOKEN, IamCredentials
from tests.support.iap import AUDIENCE, IapGate

ACCOUNT = "asker@my-project.iam.gserviceaccount.com"
STRANGER = "stranger@my-project.iam.gserviceaccount.com"
UNKNOWN = "unknown@my-project.iam.gserviceaccount.com"
ONCE = RetryPolicy(pauses=())


@dataclass(frozen=True)
class Google:
    """The emulator of IAM, and the environment of a person who is signed in to gcloud."""

    iam: IamCredentials
    url: str
    env: dict[str, str]

    def key(self, account: str = ACCOUNT) -> jwt.PyJWK:
        """Return the public key of an account."""
        return jwt.PyJWKSet.from_dict(dict(self.iam.key_set(account))).keys[0]


@pytest.fixture
async def google(tmp_path: Path) -> AsyncIterator[Google]:
    """Serve IAM Credentials, and put a gcloud that prints an access token on the path."""
    program = tmp_path / "bin" / "gcloud"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$*" = "auth print-access-token" ] && echo {ACCESS_TOKEN}\n')
    program.chmod(stat.S_IRWXU)
    iam = IamCredentials([ACCOUNT, STRANGER])
    async with serving(iam) as url:
        yield Google(iam, url, {"PATH": str(program.parent), ENDPOINT_VARIABLE: f"{url}/"})


@pytest.fixture
async def gate(
    google: Google, settings: dict[str, str], request: pytest.FixtureRequest
) -> AsyncIterator[tuple[IapGate, Haystack]]:
    """Serve the functions as in production, behind IAP, for one member."""
    gate = IapGate(Gateway({}), {ACCOUNT}, google.iam.key_set)
    async with serving(key_server(gate.key_set)) as keys:
        settings |= {"ENVIRONMENT": "production", "IAP_AUDIENCE": AUDIENCE, "IAP_KEYS_URL": keys}
        request.getfixturevalue("environment")
        await wiring.container().catalog.put(small_dataset())
        async with serving(gate) as url:
            yield gate, Haystack(url)


async def test_a_command_signs_as_the_service_account_and_its_runs_belong_to_it(
    google: Google, gate: tuple[IapGate, Haystack]
) -> None:
    _, haystack = gate
    done = await haystack("submit", QUESTION, "--json", HAYSTACK_SERVICE_ACCOUNT=ACCOUNT, **google.env)
    assert done.code == 0, done.err
    assert done.json["user_email"] == ACCOUNT
    (claims,) = google.iam.signed
    assert (claims["iss"], claims["sub"]) == (ACCOUNT, ACCOUNT)
    assert claims["aud"] == f"https://{urlsplit(haystack.url).netloc}/*"
    assert not {ACCESS_TOKEN, "eyJ"} & set((done.out + done.err).split())


async def test_the_printed_token_is_valid_for_the_host_for_an_hour(
    google: Google, gate: tuple[IapGate, Haystack]
) -> None:
    _, haystack = gate
    done = await haystack("token", "--service-account", ACCOUNT, **google.env)
    assert done.code == 0, done.err
    token = done.out.strip()
    host = urlsplit(haystack.url).netloc
    claims = jwt.decode(token, google.key(), algorithms=["RS256"], audience=f"https://{host}/*", issuer=ACCOUNT)
    assert claims["sub"] == ACCOUNT
    assert claims["exp"] - claims["iat"] == 3600
    assert 0 < time.time() - claims["iat"] < 60
    async with httpx.AsyncClient(base_url=haystack.url, trust_env=False) as curl:
        answer = await curl.get("/api/v1/runs", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["total"]) == (200, 0)
    assert (await haystack("list", HAYSTACK_TOKEN=token)).code == 0
    document = (await haystack("token", "--json", HAYSTACK_SERVICE_ACCOUNT=ACCOUNT, **google.env)).json
    assert jwt.decode(document["token"], options={"verify_signature": False})["aud"] == claims["aud"]
    assert document["expires_at"].endswith("Z")


async def test_a_service_account_that_is_no_member_is_refused(google: Google, gate: tuple[IapGate, Haystack]) -> None:
    _, haystack = gate
    done = await haystack("list", HAYSTACK_SERVICE_ACCOUNT=STRANGER, **google.env)
    assert (done.code, len(google.iam.signed)) == (4, 1)
    assert "error 403" in done.err
    assert "that may use the service" in done.err


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "https://elsewhere.example.org/*"},
        {"aud": None},
        {"sub": STRANGER},
        {"iss": STRANGER},
        {"iat": 60, "exp": 600},
        {"exp": 3700},
    ],
    ids=",".join,
)
async def test_iap_refuses_other_tokens(
    google: Google, gate: tuple[IapGate, Haystack], monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str | int | None]
) -> None:
    """What the client signs is accepted because of its claims: any other value of one of them is refused."""
    _, haystack = gate
    for name, value in google.env.items():
        monkeypatch.setenv(name, value)
    now = int(time.time())
    audience = f"https://{urlsplit(haystack.url).netloc}/*"
    right: dict[str, str | int | None] = {"iss": ACCOUNT, "sub": ACCOUNT, "aud": audience, "iat": 0, "exp": 3600}

    async def status(claims: dict[str, str | int | None]) -> int:
        dated = {name: now + value if isinstance(value, int) else value for name, value in claims.items()}
        token = await asyncio.to_thread(sign, ACCOUNT, {name: value for name, value in dated.items() if value})
        async with httpx.AsyncClient(base_url=haystack.url, trust_env=False) as curl:
            answer = await curl.get("/api/v1/runs", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code

    assert await status(right) == 200
    assert await status({**right, **wrong}) == 401


async def test_a_machine_of_google_cloud_signs_with_its_own_account(google: Google, tmp_path: Path) -> None:
    env = {**google.env, "PATH": str(tmp_path), METADATA_VARIABLE: urlsplit(google.url).netloc}
    done = await Haystack("https://haystack.example.org")("token", HAYSTACK_SERVICE_ACCOUNT=ACCOUNT, **env)
    assert done.code == 0, done.err
    assert google.iam.signed[0]["aud"] == "https://haystack.example.org/*"


async def test_a_busy_iam_is_asked_again(google: Google) -> None:
    google.iam.failures.append(503)
    script = Script(EMPTY)
    async with script.served() as haystack:
        done = await haystack("list", HAYSTACK_SERVICE_ACCOUNT=ACCOUNT, **google.env)
    assert (done.code, len(script.requests)) == (0, 1)
    assert "IAM Credentials API is busy (error 503). Retrying" in done.err


@pytest.mark.parametrize(
    ("account", "failure", "words"),
    [
        (UNKNOWN, 0, f"add-iam-policy-binding {UNKNOWN} --role=roles/iam.serviceAccountTokenCreator"),
        (ACCOUNT, 401, "gcloud auth login"),
        (ACCOUNT, 400, "Google says: the answer that the test asks for"),
    ],
)
async def test_a_refusal_of_iam_says_what_to_do(google: Google, account: str, failure: int, words: str) -> None:
    if failure:
        google.iam.failures.append(failure)
    script = Script(EMPTY)
    async with script.served() as haystack:
        done = await haystack("list", HAYSTACK_SERVICE_ACCOUNT=account, **google.env)
    assert (done.code, len(script.requests)) == (4, 0)
    assert words in done.err.replace("\n", " ")
    assert ACCESS_TOKEN not in done.err


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'ERROR: no account' >&2; exit 1", "gcloud auth login"),
        ("echo 'not a token'", "The output of gcloud is not a token."),
        (None, "gcloud is not installed"),
    ],
)
async def test_a_caller_without_credentials_is_told(
    google: Google, tmp_path: Path, script: str | None, words: str
) -> None:
    (tmp_path / "bin" / "gcloud").unlink()
    if script is not None:
        (tmp_path / "bin" / "gcloud").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / "gcloud").chmod(stat.S_IRWXU)
    env = {**google.env, METADATA_VARIABLE: f"127.0.0.1:{free_port()}"}
    done = await Haystack("https://haystack.example.org")("token", HAYSTACK_SERVICE_ACCOUNT=ACCOUNT, **env)
    assert (done.code, done.out) == (4, "")
    assert words in done.err


async def test_answers_that_hold_no_token_are_refused(monkeypatch: pytest.MonkeyPatch, google: Google) -> None:
    for name, value in google.env.items():
        monkeypatch.setenv(name, value)
    async with serving(PlainTextResponse("<html>")) as url:
        monkeypatch.setenv(ENDPOINT_VARIABLE, url)
        with pytest.raises(NotSignedIn, match="IAM Credentials API is not a token"):
            await asyncio.to_thread(sign, ACCOUNT, {})
    monkeypatch.setenv(ENDPOINT_VARIABLE, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable, match="IAM Credentials API cannot be reached"):
        await asyncio.to_thread(sign, ACCOUNT, {})


async def test_the_python_client_renews_its_token_before_it_expires_and_uses_one_for_each_host(
    google: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in google.env.items():
        monkeypatch.setenv(name, value)
    started = time.time()
    elapsed = 0.0
    identity = ServiceAccount(ACCOUNT, clock=lambda: started + elapsed)
    first, second = Script(EMPTY), Script(EMPTY)

    def ask(*urls: str) -> None:
        nonlocal elapsed
        with ExitStack() as clients:
            one, other = [clients.enter_context(Client(url, identity=identity, retry_policy=ONCE)) for url in urls]
            for seconds in (0, 1800, 3300, 3400):
                elapsed = seconds
                one.list_runs(limit=1)
            other.list_runs(limit=1)

    async with first.served() as one, second.served() as other:
        await asyncio.to_thread(ask, one.url, other.url)
    sent = [request.headers["authorization"] for request in first.requests]
    assert sent[0] == sent[1] != sent[2] == sent[3]
    audiences = [f"https://{urlsplit(each.url).netloc}/*" for each in (one, one, other)]
    assert [claims["aud"] for claims in google.iam.signed] == audiences
    assert second.requests[0].headers["authorization"] not in sent


async def test_an_expired_session_of_a_browser_is_told_to_a_fetch(gate: tuple[IapGate, Haystack]) -> None:
    """A page of an allowed origin may send X-Requested-With, and then gets 401 in place of a redirect that it cannot follow."""
    _, haystack = gate
    async with httpx.AsyncClient(base_url=haystack.url, trust_env=False) as browser:
        assert (await browser.get("/api/v1/runs")).status_code == 302
        answer = await browser.get("/api/v1/runs", headers={"X-Requested-With": "XMLHttpRequest"})
        assert answer.status_code == 401
