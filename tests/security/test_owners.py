"""Another user's run cannot be told from an unknown one, by any endpoint, header or page token."""

from typing import Any

import httpx
import pytest

from tests.security.conftest import ADA, EVE, QUESTION, RUNS

UNKNOWN_RUN = "run_0123456789ab"
WAYS: list[tuple[str, str, dict[str, str]]] = [
    ("GET", "", {}),
    ("HEAD", "", {}),
    ("GET", "/", {}),
    ("GET", "?wait=1", {}),
    ("GET", "?wait=1", {"If-None-Match": "*"}),
    ("GET", "", {"If-None-Match": "*"}),
    ("GET", "/result", {}),
    ("POST", "/cancel", {}),
]


async def submit(api: httpx.AsyncClient, user: dict[str, str], **headers: str) -> dict[str, Any]:
    """Create a run of this user."""
    answer = await api.post(RUNS, json={"query": QUESTION}, headers=user | headers)
    assert answer.status_code == 200
    run: dict[str, Any] = answer.json()
    return run


def revealed(answer: httpx.Response, run_id: str) -> tuple[int, str, set[str]]:
    """Return all that a response reveals: its status, its text without the id, and the names of its headers."""
    return answer.status_code, answer.text.replace(run_id, "ID"), set(answer.headers)


@pytest.mark.parametrize(("method", "tail", "headers"), WAYS)
async def test_another_users_run_looks_like_an_unknown_one(
    api: httpx.AsyncClient, method: str, tail: str, headers: dict[str, str]
) -> None:
    run_id = (await submit(api, ADA))["run_id"]
    anothers = await api.request(method, f"{RUNS}/{run_id}{tail}", headers=EVE | headers)
    unknown = await api.request(method, f"{RUNS}/{UNKNOWN_RUN}{tail}", headers=EVE | headers)
    assert anothers.status_code == 404
    assert revealed(anothers, run_id) == revealed(unknown, UNKNOWN_RUN)
    assert (await api.get(f"{RUNS}/{run_id}", headers=ADA)).json()["status"] == "pending"


async def test_the_owners_etag_reveals_nothing_to_another_user(api: httpx.AsyncClient) -> None:
    run_id = (await submit(api, ADA))["run_id"]
    tag = (await api.get(f"{RUNS}/{run_id}", headers=ADA)).headers["etag"]
    for tail in ("", "?wait=1"):
        answer = await api.get(f"{RUNS}/{run_id}{tail}", headers=EVE | {"If-None-Match": tag})
        assert answer.status_code == 404


async def test_a_list_and_its_total_have_only_the_callers_runs(api: httpx.AsyncClient) -> None:
    await submit(api, ADA)
    own = (await submit(api, EVE))["run_id"]
    for query in (
        "",
        "?status=pending&status=running",
        "?created_after=2020-01-01T00:00:00Z",
    ):
        listed = (await api.get(RUNS + query, headers=EVE)).json()
        assert ([run["run_id"] for run in listed["runs"]], listed["total"]) == ([own], 1)
    assert (await api.get(f"{RUNS}?user_email=ada@example.com", headers=EVE)).status_code == 422


async def test_another_users_page_token_is_refused(api: httpx.AsyncClient) -> None:
    for user in (ADA, ADA, EVE, EVE):
        await submit(api, user)
    token = (await api.get(RUNS, params={"page_size": 1}, headers=ADA)).json()["next_page_token"]
    assert (await api.get(RUNS, params={"page_token": token}, headers=ADA)).status_code == 200
    stolen = await api.get(RUNS, params={"page_token": token}, headers=EVE)
    made_up = await api.get(RUNS, params={"page_token": "A" * len(token)}, headers=EVE)
    assert (stolen.status_code, stolen.json()["code"]) == (422, "invalid_page_token")
    assert stolen.text == made_up.text


async def test_a_changed_page_token_is_refused(api: httpx.AsyncClient) -> None:
    for _ in range(2):
        await submit(api, ADA)
    token = (await api.get(RUNS, params={"page_size": 1}, headers=ADA)).json()["next_page_token"]
    for place in range(len(token) - 1):  # some bits of the last one are unused
        changed = token[:place] + ("B" if token[place] == "A" else "A") + token[place + 1 :]
        assert (await api.get(RUNS, params={"page_token": changed}, headers=ADA)).status_code == 422


async def test_an_idempotency_key_belongs_to_its_user(api: httpx.AsyncClient) -> None:
    runs = [await submit(api, user, **{"Idempotency-Key": "same"}) for user in (ADA, EVE, ADA)]
    assert runs[0]["run_id"] == runs[2]["run_id"] != runs[1]["run_id"]
    assert runs[1]["user_email"] == "eve@example.com"


async def test_a_page_of_another_origin_cannot_submit_a_question(api: httpx.AsyncClient) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"):
        page = {"Origin": "https://evil.example.com", "Content-Type": media_type}
        answer = await api.post(RUNS, content=f'{{"query": "{QUESTION}"}}', headers=ADA | page)
        assert answer.status_code == 415
        assert "access-control-allow-origin" not in answer.headers
    asked = await api.options(RUNS, headers={"Origin": page["Origin"], "Access-Control-Request-Method": "POST"})
    assert not [name for name in asked.headers if name.startswith("access-control")]


FOREIGN = {"Origin": "https://evil.example.com", "Sec-Fetch-Site": "cross-site"}
"""What a browser sends along with a form on somebody's page; the page cannot change it."""


async def test_a_form_of_another_site_cannot_cancel_or_create_a_run(api: httpx.AsyncClient) -> None:
    run_id = (await submit(api, ADA))["run_id"]
    for path in (f"{RUNS}/{run_id}/cancel", RUNS, f"{RUNS}/validate-control-strategy"):
        for page in (FOREIGN, FOREIGN | {"Origin": "null"}):
            answer = await api.post(path, headers=ADA | page)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await api.get(f"{RUNS}/{run_id}", headers=ADA | FOREIGN)).json()["status"] == "pending"


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none"])
async def test_the_services_own_page_and_its_site_can_cancel(api: httpx.AsyncClient, site: str) -> None:
    run_id = (await submit(api, ADA))["run_id"]
    answer = await api.post(f"{RUNS}/{run_id}/cancel", headers=ADA | {"Sec-Fetch-Site": site})
    assert answer.status_code == 200
