"""Notifications as users and operators meet them: refused unless set up, shown in the status, sent by reconcile."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from shared import wiring
from shared.runs.states import job_id
from tests.functions.conftest import AUDIENCE, Cloud
from tests.functions.test_runs import QUESTION, RUNS, create, finish
from tests.support.receivers import SECRET, Mailbox, Receiver, mail_server, receiving

USER = "dev@example.com"


class Receivers:
    """What the operator has set up."""

    def __init__(self, webhooks: Receiver, mailbox: Mailbox) -> None:
        self.webhooks, self.mailbox = webhooks, mailbox


@pytest.fixture
async def receivers(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receivers]:
    """Allow a receiver of webhooks and a mail server."""
    assert environment
    async with receiving() as webhooks, mail_server() as (mailbox, port):
        for name, value in {
            "SERVICE_URL": "https://haystack.example.org",
            "WEBHOOK_HOSTS": f"hooks.example.org, {webhooks.origin}",
            "WEBHOOK_SECRET": SECRET,
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(port),
            "SMTP_STARTTLS": "0",
            "SMTP_FROM": "haystack@example.org",
        }.items():
            monkeypatch.setenv(name, value)
        wiring.replace(None)
        yield Receivers(webhooks, mailbox)


@pytest.mark.parametrize("wanted", [{"webhook": "https://hooks.example.org/x"}, {"email": True}])
async def test_what_is_not_set_up_is_refused_and_nothing_is_stored(
    api: httpx.AsyncClient, wanted: dict[str, object]
) -> None:
    (channel,) = wanted
    for more in ({}, {"validate_only": True}):
        refused = await api.post(RUNS, json={"query": QUESTION, "notify": wanted, **more})
        content = refused.json()
        assert (refused.status_code, content["code"]) == (422, "notification_refused")
        assert f"Leave notify.{channel} out" in content["detail"]
        assert content["errors"][0]["loc"] == ["body", "notify", channel]
    assert (await api.get(RUNS)).json()["total"] == 0
    assert (await create(api, notify={"email": False}))["notifications"] == []


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org@evil.org/",
        "https://hooks.example.org\\@evil.org/",
        "https://hooks.example.org/\r\nHost: evil.org",
        "https://hooks.example.org/#fragment",
        "https://hööks.example.org/",
        "https://[::1]/",
        "ftp://hooks.example.org/",
        "HTTPS://hooks.example.org/",
        "//hooks.example.org/",
        " https://hooks.example.org/",
        "https://hooks.example.org/ x",
        "https://hooks.example.org:443:443/",
        f"https://hooks.example.org/{'x' * 2000}",
        "",
        5,
    ],
)
@pytest.mark.usefixtures("receivers")
async def test_an_address_with_two_readings_is_not_valid(api: httpx.AsyncClient, url: object) -> None:
    refused = await api.post(RUNS, json={"query": QUESTION, "notify": {"webhook": url}})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert refused.json()["errors"][0]["loc"] == ["body", "notify", "webhook"]


@pytest.mark.parametrize(
    "url", ["https://evil.org/", "http://hooks.example.org/", "https://hooks.example.org:444/", "http://127.0.0.1:1/"]
)
@pytest.mark.usefixtures("receivers")
async def test_another_host_scheme_or_port_is_refused(api: httpx.AsyncClient, url: str) -> None:
    refused = await api.post(RUNS, json={"query": QUESTION, "notify": {"webhook": url}})
    assert (refused.status_code, refused.json()["code"]) == (422, "notification_refused")


async def test_the_end_of_a_run_is_told_by_webhook_and_e_mail(
    api: httpx.AsyncClient, receivers: Receivers, cloud: Cloud, tmp_path: Path
) -> None:
    wanted = {"webhook": receivers.webhooks.url, "email": True}
    run_id = (await create(api, notify=wanted, label="screen 1"))["run_id"]
    asked = (await api.get(f"{RUNS}/{run_id}")).json()["notifications"]
    waiting = {"state": "waiting", "attempts": 0, "error": None}
    assert asked == [
        {"channel": "webhook", "webhook": receivers.webhooks.url, **waiting},
        {"channel": "email", "webhook": None, **waiting},
    ]
    await finish(run_id, wiring.container().run_store, tmp_path)
    token = {"Authorization": f"Bearer {cloud.issuer.token(AUDIENCE)}"}
    push = {"message": {"attributes": {"JobName": f"projects/p/locations/r/jobs/{job_id(run_id, 1)}"}}}
    assert (await api.post("/api/v1/reconcile", json=push, headers=token)).status_code == 200
    (request,) = receivers.webhooks.received
    assert request.is_signed()
    assert (request.json["type"], request.json["data"]["label"]) == ("run.completed", "screen 1")
    assert receivers.mailbox.recipients == [[USER]]
    assert f"https://haystack.example.org/runs/{run_id}" in receivers.mailbox.messages[0].get_content()
    for text in (request.body.decode(), receivers.mailbox.messages[0].as_string()):
        assert "monocytes" not in text
    told = (await api.get(f"{RUNS}/{run_id}")).json()["notifications"]
    assert [(each["state"], each["attempts"]) for each in told] == [("delivered", 1)] * 2


async def test_a_repeated_create_with_another_notification_is_another_request(
    api: httpx.AsyncClient, receivers: Receivers
) -> None:
    wanted = {"query": QUESTION, "notify": {"webhook": receivers.webhooks.url}}
    key = {"Idempotency-Key": "k1"}
    first, again = [(await api.post(RUNS, json=wanted, headers=key)).json() for _ in range(2)]
    assert first["run_id"] == again["run_id"]
    other = await api.post(RUNS, json={"query": QUESTION}, headers=key)
    assert other.json()["code"] == "idempotency_mismatch"
