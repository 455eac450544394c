"""Requests to a service: the token goes to the service alone, and every refusal is explained."""

import json
import time
from collections.abc import Iterator, Sequence
from email.message import Message
from pathlib import Path

import pytest

from deploy.caller import Caller, NoToken, Response, Unreachable, explain, token_source
from deploy.gcloud import Answer
from tests.deploy.service import NOT_A_MEMBER, REDIRECT, TOKEN, Reply, Service, serving

ACCOUNT = "asker@some-project.iam.gserviceaccount.com"


@pytest.fixture
def service() -> Iterator[Service]:
    """Return a service that needs a token."""
    with serving() as running:
        running.replies = {"GET /api/v1/health": Reply(body={"status": "healthy"}), "GET /file": Reply(body=b"content")}
        yield running


def test_a_request_carries_the_token_unless_it_is_anonymous(service: Service) -> None:
    caller = Caller(f"{service.url}/", lambda: TOKEN)
    assert caller.request("GET", "/api/v1/health", query={"wait": 0}).json == {"status": "healthy"}
    refused = caller.request("GET", "/api/v1/health", anonymous=True)
    assert (refused.status, refused.json) == (302, None)  # the redirect is not followed


def test_a_file_is_downloaded_without_the_token(service: Service) -> None:
    assert Caller(service.url, lambda: TOKEN).download(f"{service.url}/file").content == b"content"
    ((_, headers),) = service.requests
    assert "Authorization" not in headers


def test_a_file_url_of_another_scheme_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    with pytest.raises(Unreachable, match="is not the URL of a file"):
        Caller("http://127.0.0.1:9").download(secret.as_uri())


def test_a_name_that_does_not_resolve_is_told() -> None:
    with pytest.raises(Unreachable, match=r"https://nowhere\.invalid gives no response"):
        Caller("https://nowhere.invalid").request("GET", "/")


def response(reply: Reply) -> Response:
    headers = Message()
    for name, value in reply.headers.items():
        headers[name] = value
    return Response(reply.status, headers, reply.body if isinstance(reply.body, bytes) else b"")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (REDIRECT, "Identity-Aware Proxy answers 302: the request carries no valid token."),
        (Reply(401, b"Invalid IAP credentials: empty token"), "Identity-Aware Proxy answers 401"),
        (NOT_A_MEMBER, "this account is not a member. Run ./deploy.sh with --member for it."),
        (Reply(403, b"Your client does not have permission"), "Cloud Run answers 403"),
        (Reply(404, b"<html>404"), "The load balancer answers 404"),
        (Reply(418, b"tea"), "The answer 418 does not come from the service: tea"),
    ],
)
def test_a_refusal_is_explained_by_who_gives_it(reply: Reply, said: str) -> None:
    assert said in explain(response(reply))


def test_a_problem_of_the_service_is_quoted_with_its_request(service: Service) -> None:
    service.guarded = False
    found = Caller(service.url).request("GET", "/nowhere")
    assert explain(found) == "The service answers 404 not_found: There is no such path. (request id abc)"


def test_a_token_comes_from_the_environment_or_nowhere() -> None:
    source = token_source({"HAYSTACK_TOKEN": f" {TOKEN}\n"}, "", "https://d/*")
    assert source is not None
    assert source() == TOKEN
    assert token_source({}, "", "https://d/*") is None
    broken = token_source({"HAYSTACK_TOKEN": "a b"}, "", "https://d/*")
    assert broken is not None
    with pytest.raises(NoToken) as refused:
        broken()
    assert "a b" not in str(refused.value)


def test_an_account_signs_a_token_for_the_service_without_a_key() -> None:
    claims: list[str] = []

    def sign(command: Sequence[str], _: str) -> Answer:
        assert command[:4] == ["gcloud", "iam", "service-accounts", "sign-jwt"]
        assert f"--iam-account={ACCOUNT}" in command
        claims.append(Path(command[4]).read_text())
        Path(command[5]).write_text(f"{TOKEN}\n")
        return Answer(0, "", "signed")

    source = token_source({"HAYSTACK_TOKEN": "other"}, ACCOUNT, "https://d/*", run=sign)
    assert source is not None
    assert source() == TOKEN
    assert f'"sub": "{ACCOUNT}", "aud": "https://d/*"' in claims[0]
    # Regression: with a clock ahead of Google's, IAP refused the token as one of the future.
    signed = json.loads(claims[0])
    assert signed["iat"] < time.time() - 10
    assert signed["exp"] - signed["iat"] == 3600


def test_an_account_that_one_may_not_use_is_told_with_the_command_that_grants_it() -> None:
    source = token_source({}, ACCOUNT, "https://d/*", run=lambda *_: Answer(1, "", "ERROR: PERMISSION_DENIED"))
    assert source is not None
    with pytest.raises(NoToken) as refused:
        source()
    assert "could not sign a token: ERROR: PERMISSION_DENIED" in str(refused.value)
    assert f"add-iam-policy-binding {ACCOUNT} --role=roles/iam.serviceAccountTokenCreator" in str(refused.value)
