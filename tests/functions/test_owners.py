"""A user is IAP's subject: runs follow the account when its e-mail address changes, and stay when the address goes to another one."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.gateway import Gateway
from local.serving import serving
from local.tokens import key_server
from shared import logs, wiring
from shared.runs.ports import RunDatabase
from tests.functions.conftest import small_dataset
from tests.functions.test_runs import finish
from tests.support.builders import ADA, by_email, make_run
from tests.support.iap import AUDIENCE, IapEmulator

RUNS = "/api/v1/runs"
QUESTION = {"query": "How would CD14 monocytes respond to IFN-gamma?"}
NEW_ADDRESS = "ada.lovelace@example.com"
SUCCESSOR = "accounts.google.com:1003"


class Members:
    """Clients of the functions behind IAP, in production mode."""

    def __init__(self, iap: IapEmulator) -> None:
        self._iap = iap

    async def request(self, method: str, path: str, email: str, subject: str, **options: Any) -> httpx.Response:  # noqa: ANN401  # what httpx takes
        """Send one request of the account with this subject and, at present, this e-mail address."""
        headers = {"Authorization": f"Bearer {self._iap.token_for(email, subject)}", **options.pop("headers", {})}
        transport = httpx.ASGITransport(self._iap)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            return await client.request(method, path, **options)

    async def create(self, email: str, subject: str, **headers: str) -> dict[str, Any]:
        """Create a run."""
        answer = await self.request("POST", RUNS, email, subject, json=QUESTION, headers=headers)
        assert answer.status_code == 200, answer.text
        run: dict[str, Any] = answer.json()
        return run

    async def listed(self, email: str, subject: str, **query: Any) -> list[str]:  # noqa: ANN401  # what httpx takes
        """Return the ids of the listed runs, whose number must be the total."""
        answer = await self.request("GET", RUNS, email, subject, params=query)
        listed = answer.json()
        assert listed["total"] == len(listed["runs"])
        return [run["run_id"] for run in listed["runs"]]


@pytest.fixture
async def members(environment: dict[str, str]) -> AsyncIterator[Members]:
    assert environment
    await wiring.container().catalog.put(small_dataset())
    iap = IapEmulator(Gateway({}))
    async with serving(key_server(iap.key_set)) as keys:
        os.environ |= {"ENVIRONMENT": "production", "IAP_AUDIENCE": AUDIENCE, "IAP_KEYS_URL": keys}
        wiring.replace(None)
        yield Members(iap)


@pytest.fixture
def store(members: Members) -> RunDatabase:
    """Return the run store of the functions in production mode."""
    return wiring.container().run_store


async def test_who_changes_the_e_mail_address_keeps_all_runs(
    members: Members, store: RunDatabase, tmp_path: Path
) -> None:
    run = await members.create(ADA.email, ADA.subject)
    assert run["user_email"] == ADA.email
    now = (NEW_ADDRESS, ADA.subject)
    path = f"{RUNS}/{run['run_id']}"
    assert await members.listed(*now) == await members.listed(*now, status=["pending", "failed"]) == [run["run_id"]]
    for query in ("", "?wait=1"):
        answer = await members.request("GET", path + query, *now)
        assert (answer.status_code, answer.json()) == (200, run)
    await finish(run["run_id"], store, tmp_path)
    assert (await members.request("GET", f"{path}/result", *now)).status_code == 200
    assert (await members.request("DELETE", path, *now)).status_code == 200
    other = await members.create(*now)
    assert (await members.request("POST", f"{RUNS}/{other['run_id']}/cancel", *now)).status_code == 200
    assert other["user_email"] == NEW_ADDRESS


async def test_who_is_given_an_address_gets_no_runs_of_the_account_that_had_it(
    members: Members, store: RunDatabase, tmp_path: Path
) -> None:
    run_id = (await members.create(ADA.email, ADA.subject, **{"Idempotency-Key": "nightly"}))["run_id"]
    new = (ADA.email, SUCCESSOR)
    assert await members.listed(*new) == []
    tries = [("GET", ""), ("GET", "?wait=1"), ("GET", "/result"), ("POST", "/cancel"), ("DELETE", "")]
    for method, tail in tries:
        assert (await members.request(method, f"{RUNS}/{run_id}{tail}", *new)).status_code == 404
    await finish(run_id, store, tmp_path)
    for method, tail in tries:
        assert (await members.request(method, f"{RUNS}/{run_id}{tail}", *new)).status_code == 404
    own = await members.create(*new, **{"Idempotency-Key": "nightly"})
    assert own["run_id"] != run_id
    assert await members.listed(*new) == [own["run_id"]]
    assert await members.listed(ADA.email, ADA.subject) == [run_id]


async def test_runs_of_before_subjects_stay_with_their_e_mail_address_until_the_operator_ends_that(
    members: Members, store: RunDatabase
) -> None:
    old = by_email(make_run())
    await store.create(old)
    new = (await members.create(ADA.email, ADA.subject))["run_id"]
    path = f"{RUNS}/{old.run_id}"
    assert await members.listed(ADA.email, ADA.subject) == [new, old.run_id]
    shown = (await members.request("GET", path, ADA.email, ADA.subject)).json()
    assert shown["user_email"] == ADA.email
    assert (await members.request("GET", path, NEW_ADDRESS, ADA.subject)).status_code == 404
    os.environ["EMAIL_OWNERS"] = "0"
    wiring.replace(None)
    assert await members.listed(ADA.email, ADA.subject) == [new]
    assert (await members.request("GET", path, ADA.email, ADA.subject)).status_code == 404


async def test_a_page_token_and_a_key_stay_valid_when_the_e_mail_address_changes(members: Members) -> None:
    runs = [await members.create(ADA.email, ADA.subject, **{"Idempotency-Key": key}) for key in ("a", "b")]
    first = await members.request("GET", RUNS, ADA.email, ADA.subject, params={"page_size": 1})
    token = first.json()["next_page_token"]
    second = await members.request("GET", RUNS, NEW_ADDRESS, ADA.subject, params={"page_size": 1, "page_token": token})
    listed = [run for page in (first, second) for run in page.json()["runs"]]
    assert listed == runs[::-1]
    assert await members.create(NEW_ADDRESS, ADA.subject, **{"Idempotency-Key": "a"}) == runs[0]
    stolen = await members.request("GET", RUNS, ADA.email, SUCCESSOR, params={"page_size": 1, "page_token": token})
    assert (stolen.status_code, stolen.json()["code"]) == (422, "invalid_page_token")


async def test_the_log_has_the_hash_of_the_subject_and_neither_it_nor_the_e_mail_address(
    members: Members, capsys: pytest.CaptureFixture[str]
) -> None:
    for email in (ADA.email, NEW_ADDRESS):
        await members.listed(email, ADA.subject)
    written = capsys.readouterr().err
    assert written.count(f'"user": "{logs.user_hash(ADA.subject)}"') == 2
    assert not [each for each in (ADA.email, NEW_ADDRESS, ADA.subject) if each in written]
