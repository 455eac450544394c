"""Only the service account may reconcile, with a sweep or a notification."""

import asyncio

import httpx
import pytest

from local.batch.faults import StayQueued
from local.batch.service import BatchEmulator
from shared import wiring
from shared.runs.ports import RunDatabase
from shared.runs.states import WaitingReason, job_id
from shared.runs.waiting import sentence
from tests.functions.conftest import AUDIENCE, Cloud

RECONCILE = "/api/v1/reconcile"
QUESTION = {"query": "How would CD14 monocytes respond to IFN-gamma?"}


@pytest.fixture
def token(cloud: Cloud) -> dict[str, str]:
    """Return the header that the scheduler and Pub/Sub send."""
    return {"Authorization": f"Bearer {cloud.issuer.token(AUDIENCE)}"}


async def test_without_the_token_everyone_is_refused_even_a_signed_in_user(api: httpx.AsyncClient) -> None:
    user = {"X-Goog-Authenticated-User-Email": "accounts.google.com:ada@example.com"}
    for headers in ({}, user, {"Authorization": "Bearer made.up.token"}):
        answer = await api.post(RECONCILE, json={}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_token_for_another_audience_is_refused(api: httpx.AsyncClient, cloud: Cloud) -> None:
    other = {"Authorization": f"Bearer {cloud.issuer.token('https://elsewhere.example.com')}"}
    assert (await api.post(RECONCILE, json={}, headers=other)).status_code == 401


async def test_a_sweep_checks_due_runs(api: httpx.AsyncClient, token: dict[str, str]) -> None:
    await api.post("/api/v1/runs", json=QUESTION)
    answer = await api.post(RECONCILE, json={}, headers=token)
    assert answer.json() == {"looked_at": 0, "failed": [], "unanswered": 0}


async def test_a_notification_checks_its_run(api: httpx.AsyncClient, token: dict[str, str], store: RunDatabase) -> None:
    run_id = (await api.post("/api/v1/runs", json=QUESTION)).json()["run_id"]
    run = await store.get(run_id)
    assert run is not None
    await wiring.container().batch_jobs.cancel(run.compute.job_id)  # without the service's knowledge
    name = f"projects/test-project/locations/europe-west4/jobs/{run.compute.job_id}"
    attributes = {"Type": "JOB_STATE_CHANGED", "JobName": name, "NewJobState": "SUCCEEDED", "Region": "europe-west4"}
    push = {"message": {"attributes": attributes, "data": "", "messageId": "1"}, "subscription": "s"}
    assert (await api.post(RECONCILE, json=push, headers=token)).json() == {"looked_at": 1}
    status = (await api.get(f"/api/v1/runs/{run_id}")).json()
    assert (status["status"], status["failure"]["reason"]) == ("failed", "JOB_VANISHED")


async def test_a_held_request_answers_once_the_reason_for_the_wait_changes(
    api: httpx.AsyncClient, token: dict[str, str], batch: BatchEmulator
) -> None:
    batch.faults.begin(StayQueued(because="machines"))
    created = await api.post("/api/v1/runs", json=QUESTION)
    run_id = created.json()["run_id"]
    assert created.json()["waiting_for"]["reason"] == "queue"
    tag = {"If-None-Match": created.headers["etag"]}
    held = asyncio.create_task(api.get(f"/api/v1/runs/{run_id}?wait=20", headers=tag))
    job = job_id(run_id, 1)
    push = {"message": {"attributes": {"JobName": f"projects/test-project/locations/europe-west4/jobs/{job}"}}}
    assert (await api.post(RECONCILE, json=push, headers=token)).status_code == 200
    answer = await held
    assert answer.status_code == 200
    assert answer.json()["waiting_for"] == {"reason": "machines", "text": sentence(WaitingReason.MACHINES)}
    assert answer.json()["updated_at"] > created.json()["updated_at"]
    assert answer.headers["etag"] != created.headers["etag"]
    listed = (await api.get("/api/v1/runs")).json()["runs"][0]
    assert listed["waiting_for"] == answer.json()["waiting_for"]
    cancelled = await api.post(f"/api/v1/runs/{run_id}/cancel")
    assert cancelled.status_code == 200
    assert (await api.get(f"/api/v1/runs/{run_id}")).json()["waiting_for"] is None


async def test_a_notification_of_an_unknown_job_is_accepted_and_ignored(
    api: httpx.AsyncClient, token: dict[str, str]
) -> None:
    push = {"message": {"attributes": {"JobName": "projects/p/locations/r/jobs/other"}}}
    assert (await api.post(RECONCILE, json=push, headers=token)).json() == {"looked_at": 0}
