"""The functions of a run, called as a user calls them: create, status, list, cancel and result."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import google_crc32c
import httpx
import pytest

from shared import wiring
from shared.fields import ControlStrategy, utc_now
from shared.runs.ports import RunDatabase
from shared.runs.records import Iteration, RunOutcome, ScorePart
from shared.runs.states import Phase
from tests.support.builders import lease

RUNS = "/api/v1/runs"
QUESTION = "How would CD14 monocytes respond to IFN-gamma?"
UNANSWERABLE = "Would zork do something to flurbs?"
STATUS_FIELDS = {
    "kind", "run_id", "status", "done", "query",
    "interpretation", "current_iteration", "max_iterations", "current_phase", "phase_progress", "grounding_scores",
    "score_threshold", "llm_provider", "llm_model", "random_seed", "label", "control_strategy", "control_strategy_effective",
    "error_message", "failure", "confidence", "waiting_for", "notifications", "attempt", "user_email", "created_at", "updated_at",
}  # fmt: skip


async def create(api: httpx.AsyncClient, **fields: object) -> dict[str, Any]:
    answer = await api.post(RUNS, json={"query": QUESTION, **fields})
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


async def finish(run_id: str, store: RunDatabase, folder: Path) -> None:
    """Complete a run as the job does, with three small files."""
    await lease(run_id, store=store, clock=utc_now).begin()
    part = ScorePart(name="pathway coherence", score=8, reason="the expected pathway comes first")
    summary = Iteration(number=1, strategy="direct", score=8, components=[part], duration_seconds=2.0)
    await lease(run_id, store=store, clock=utc_now).progress(
        phase=Phase.OUTPUT_GENERATION, iteration=1, finished=summary
    )
    files = []
    for end, kind in {
        "_predictions.h5ad": "application/x-hdf5",
        "_genes.csv": "text/csv",
        "_gene_sets.csv": "text/csv",
        "_ranked_genes.rnk": "text/tab-separated-values",
        "_report.html": "text/html",
        "_log.json": "application/json",
    }.items():
        path = folder / f"{run_id}{end}"
        path.write_bytes(f"content of {path.name}".encode())
        files.append(await wiring.container().result_files.upload(run_id, path, kind))
    outcome = RunOutcome(
        grounding_score=8,
        termination_reason="threshold reached",
        control_strategy_effective=ControlStrategy.SYNTHETIC_CONTROL,
        num_de_genes=12,
        top_upregulated=[],
        top_downregulated=[],
        enriched_pathways=[],
        notes=["semi-synthetic atlas"],
        files=files,
    )
    await lease(run_id, store=store, clock=utc_now).complete(outcome)


async def test_a_created_run_is_pending_and_has_its_location(api: httpx.AsyncClient) -> None:
    answer = await api.post(RUNS, json={"query": f"  {QUESTION}  "})
    run = answer.json()
    assert answer.status_code == 200
    assert set(run) == STATUS_FIELDS
    assert answer.headers["location"] == f"{RUNS}/{run['run_id']}"
    assert answer.headers["retry-after"].isdecimal()
    assert (run["status"], run["done"], run["query"]) == ("pending", False, QUESTION)
    assert (run["max_iterations"], run["control_strategy"]) == (5, "synthetic_control")
    assert (run["user_email"], run["created_at"][-1]) == ("dev@example.com", "Z")


async def test_twenty_simultaneous_creates_with_one_key_give_one_run_and_one_job(api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "once"}
    answers = await asyncio.gather(*(api.post(RUNS, json={"query": QUESTION}, headers=headers) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    (run_id,) = {answer.json()["run_id"] for answer in answers}
    assert (await api.get(RUNS)).json()["total"] == 1
    assert await wiring.container().batch_jobs.describe(f"haystack-{run_id.removeprefix('run_')}-1") is not None


async def test_a_key_in_quotes_is_the_same_key(api: httpx.AsyncClient) -> None:
    """Regression: the draft of the header quotes keys, so that a client and its proxy could start two runs with one key."""
    created = {
        (await api.post(RUNS, json={"query": QUESTION}, headers={"Idempotency-Key": key})).json()["run_id"]
        for key in ("8e03978e-40d5", '"8e03978e-40d5"')
    }
    assert len(created) == 1


async def test_validate_only_returns_what_would_run_and_stores_nothing(api: httpx.AsyncClient) -> None:
    answer = await api.post(RUNS, json={"query": QUESTION, "validate_only": True})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["would_run"], body["reason"]) == (True, None)
    assert body["request"]["max_iterations"] == 5
    assert body["validation"]["perturbation"]["name"] == "IFN-gamma"
    assert (await api.get(RUNS)).json()["total"] == 0


async def test_validate_only_returns_why_a_question_would_be_refused(api: httpx.AsyncClient) -> None:
    body = (await api.post(RUNS, json={"query": UNANSWERABLE, "validate_only": True})).json()
    assert not body["would_run"]
    interpretation = body["validation"]["interpretation"]
    assert not interpretation["answerable"]
    assert body["reason"] == " ".join(each["detail"] for each in interpretation["caveats"] if each["blocking"])


async def test_validate_only_leaves_a_question_with_a_language_model_to_the_job(api: httpx.AsyncClient) -> None:
    request = {"query": UNANSWERABLE, "validate_only": True, "llm_provider": "anthropic"}
    body = (await api.post(RUNS, json=request)).json()
    assert (body["would_run"], body["reason"]) == (True, None)


async def test_a_run_says_how_its_question_was_read_as_validation_does(
    api: httpx.AsyncClient, store: RunDatabase, tmp_path: Path
) -> None:
    validation = (await api.post(f"{RUNS}/validate-control-strategy", json={"query": QUESTION})).json()
    read = validation["interpretation"]
    assert (read["answerable"], read["dataset"], validation["suggestions"]) == (True, "small_pbmc", [])
    assert read["cell_type"]["used"]["label"] == "MDC"
    run = await create(api)
    run_id = run["run_id"]
    await finish(run_id, store, tmp_path)
    status, result = [(await api.get(f"{RUNS}/{run_id}{tail}")).json() for tail in ("", "/result")]
    (listed,) = (await api.get(RUNS)).json()["runs"]
    assert [each["interpretation"] for each in (run, status, listed, result)] == [read] * 4
    assert result["gene_answers"] == []


async def test_with_a_language_model_a_run_is_read_by_its_job(api: httpx.AsyncClient) -> None:
    assert (await create(api, query=UNANSWERABLE, llm_provider="anthropic"))["interpretation"] is None


async def test_status_equals_the_response_of_create_and_an_etag_saves_the_body(api: httpx.AsyncClient) -> None:
    run = await create(api)
    answer = await api.get(f"{RUNS}/{run['run_id']}/")
    assert answer.json() == run
    again = await api.get(f"{RUNS}/{run['run_id']}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"]
    assert again.headers["retry-after"].isdecimal()


async def test_a_wait_is_answered_as_soon_as_the_run_changes(api: httpx.AsyncClient, store: RunDatabase) -> None:
    run_id = (await create(api))["run_id"]
    waiting = asyncio.create_task(api.get(f"{RUNS}/{run_id}?wait=20"))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await lease(run_id, store=store, clock=utc_now).begin()
    answer = await asyncio.wait_for(waiting, 30)
    assert answer.json()["status"] == "running"


async def test_a_wait_with_an_etag_misses_no_change(api: httpx.AsyncClient, store: RunDatabase) -> None:
    run_id = (await create(api))["run_id"]
    tag = (await api.get(f"{RUNS}/{run_id}")).headers["etag"]
    await lease(run_id, store=store, clock=utc_now).begin()  # before the client polls again
    async with asyncio.timeout(5):
        answer = await api.get(f"{RUNS}/{run_id}?wait=20", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.json()["status"]) == (200, "running")


async def test_a_wait_without_a_change_ends_with_304(api: httpx.AsyncClient) -> None:
    run_id = (await create(api))["run_id"]
    tag = (await api.get(f"{RUNS}/{run_id}")).headers["etag"]
    answer = await api.get(f"{RUNS}/{run_id}?wait=1", headers={"If-None-Match": tag})
    assert answer.status_code == 304


async def test_a_wait_for_a_finished_run_ends_at_once(api: httpx.AsyncClient) -> None:
    run_id = (await create(api))["run_id"]
    await api.post(f"{RUNS}/{run_id}/cancel")
    async with asyncio.timeout(5):
        assert (await api.get(f"{RUNS}/{run_id}?wait=30")).json()["status"] == "cancelled"


@pytest.mark.parametrize("run_id", ["run_0123456789ab", "run_1"])
async def test_a_wait_for_an_unknown_run_or_another_users_ends_at_once(api: httpx.AsyncClient, run_id: str) -> None:
    mine = (await create(api))["run_id"]
    eve = {"X-Goog-Authenticated-User-Email": "eve@example.com"}
    async with asyncio.timeout(5):
        assert (await api.get(f"{RUNS}/{run_id}?wait=30")).status_code == 404
        assert (await api.get(f"{RUNS}/{mine}?wait=30", headers=eve)).status_code == 404


async def test_an_etag_changes_with_the_run_and_not_with_a_heartbeat(
    api: httpx.AsyncClient, store: RunDatabase
) -> None:
    run_id = (await create(api))["run_id"]

    async def tag() -> str:
        return (await api.get(f"{RUNS}/{run_id}")).headers["etag"]

    pending = await tag()
    await lease(run_id, store=store, clock=utc_now).begin()
    running = await tag()
    await lease(run_id, store=store, clock=utc_now).heartbeat()
    assert pending != running == await tag()


async def test_head_returns_the_headers_of_get_without_the_body(api: httpx.AsyncClient) -> None:
    run_id = (await create(api))["run_id"]
    head, get = await api.head(f"{RUNS}/{run_id}"), await api.get(f"{RUNS}/{run_id}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == get.headers["etag"]
    assert head.headers["content-length"] == get.headers["content-length"]


async def test_a_list_has_the_callers_runs_newest_first(api: httpx.AsyncClient) -> None:
    made = [(await create(api))["run_id"] for _ in range(3)]
    await api.post(RUNS, json={"query": QUESTION}, headers={"X-Goog-Authenticated-User-Email": "eve@example.com"})
    page = (await api.get(f"{RUNS}?page_size=2")).json()
    assert [run["run_id"] for run in page["runs"]] == made[:0:-1]
    assert (page["total"], page["page"], page["page_size"]) == (3, 1, 2)
    rest = (await api.get(RUNS, params={"page_size": 2, "page_token": page["next_page_token"]})).json()
    assert [run["run_id"] for run in rest["runs"]] == made[:1]
    assert rest["next_page_token"] is None
    assert (await api.get(f"{RUNS}?page_size=2&page=2")).json() == rest


async def test_a_list_can_be_filtered_by_state(api: httpx.AsyncClient) -> None:
    first, second = [(await create(api))["run_id"] for _ in range(2)]
    await api.post(f"{RUNS}/{first}/cancel")
    cancelled = (await api.get(f"{RUNS}?status=cancelled")).json()
    assert ([run["run_id"] for run in cancelled["runs"]], cancelled["total"]) == ([first], 1)
    both = (await api.get(f"{RUNS}?status=cancelled&status=pending")).json()
    assert {run["run_id"] for run in both["runs"]} == {first, second}


async def test_a_list_can_be_filtered_by_time_across_pages(api: httpx.AsyncClient) -> None:
    made = [await create(api) for _ in range(4)]
    query = {"created_after": made[1]["created_at"], "created_before": made[3]["created_at"], "page_size": 1}
    first = (await api.get(RUNS, params=query)).json()
    second = (await api.get(RUNS, params={**query, "page_token": first["next_page_token"]})).json()
    assert [page["runs"][0]["run_id"] for page in (first, second)] == [made[2]["run_id"], made[1]["run_id"]]
    assert (first["total"], second["next_page_token"]) == (2, None)
    other = await api.get(RUNS, params={"page_size": 1, "page_token": first["next_page_token"]})
    assert other.json()["code"] == "invalid_page_token"


async def test_a_run_that_changed_since_it_was_read_is_not_cancelled(api: httpx.AsyncClient) -> None:
    """Regression: `If-Match` on cancel was ignored."""
    created = await api.post(RUNS, json={"query": QUESTION})
    run_id, tag = created.json()["run_id"], created.headers["etag"]
    for stale in ('"0123"', f"W/{tag}", '"0123", "4567"', ""):
        refused = await api.post(f"{RUNS}/{run_id}/cancel", headers={"If-Match": stale})
        assert (refused.status_code, refused.json()["code"]) == (412, "run_changed")
    assert (await api.get(f"{RUNS}/{run_id}")).json()["status"] == "pending"
    status = await api.get(f"{RUNS}/{run_id}", headers={"Accept-Encoding": "gzip"})
    assert status.headers["etag"].endswith('-gzip"')
    for current in (
        f'"0123", {status.headers["etag"]}',
        tag,
    ):  # a repeated cancel succeeds, although the run has changed
        answer = await api.post(f"{RUNS}/{run_id}/cancel", headers={"If-Match": current})
        assert answer.json() == {"status": "cancelled", "run_id": run_id}


async def test_if_match_of_a_star_cancels_any_version_and_of_another_user_finds_nothing(api: httpx.AsyncClient) -> None:
    run_id = (await api.post(RUNS, json={"query": QUESTION})).json()["run_id"]
    eve = {"X-Goog-Authenticated-User-Email": "accounts.google.com:eve@example.com", "If-Match": '"0123"'}
    assert (await api.post(f"{RUNS}/{run_id}/cancel", headers=eve)).status_code == 404
    assert (await api.post(f"{RUNS}/{run_id}/cancel", headers={"If-Match": "*"})).status_code == 200


async def test_a_cancelled_run_stays_cancelled_and_its_job_ends(api: httpx.AsyncClient) -> None:
    run_id = (await create(api))["run_id"]
    for _ in range(2):
        answer = await api.post(f"{RUNS}/{run_id}/cancel")
        assert (answer.status_code, answer.json()) == (200, {"status": "cancelled", "run_id": run_id})
    status = await api.get(f"{RUNS}/{run_id}")
    assert (status.json()["status"], status.json()["done"]) == ("cancelled", True)
    assert "retry-after" not in status.headers
    job = await wiring.container().batch_jobs.describe(f"haystack-{run_id.removeprefix('run_')}-1")
    assert job is not None
    assert job.state.value in {"CANCELLED", "CANCELLATION_IN_PROGRESS"}


async def test_a_result_gives_files_that_can_be_downloaded_as_they_were_stored(
    api: httpx.AsyncClient, store: RunDatabase, tmp_path: Path
) -> None:
    run_id = (await create(api))["run_id"]
    await finish(run_id, store, tmp_path)
    status = (await api.get(f"{RUNS}/{run_id}")).json()
    assert (status["status"], status["grounding_scores"]) == ("completed", [8])
    answer = await api.get(f"{RUNS}/{run_id}/result")
    result = answer.json()
    assert answer.headers["cache-control"] == "private, no-store"
    assert (result["success"], result["grounding_score"], result["notes"]) == (True, 8, ["semi-synthetic atlas"])
    assert result["iterations"][0]["components"][0]["name"] == "pathway coherence"
    urls = {file["name"].removeprefix(f"{run_id}_"): file["url"] for file in result["files"]}
    assert len(urls) == 6
    named = {"anndata_url": "predictions.h5ad", "report_url": "report.html", "log_url": "log.json"}
    assert {field: result[field] for field in named} == {field: urls[name] for field, name in named.items()}
    async with httpx.AsyncClient(trust_env=False) as client:
        for file in result["files"]:
            download = await client.get(file["url"])
            assert download.content == (tmp_path / file["name"]).read_bytes()
            assert download.headers["content-type"].startswith(file["media_type"])
            assert file["crc32c"] == base64.b64encode(google_crc32c.value(download.content).to_bytes(4)).decode()
            assert (await client.delete(file["url"])).status_code == 403


@pytest.mark.parametrize("given", ["client-id-7", "bad id", ""])
async def test_a_valid_request_id_is_returned_and_another_replaced(api: httpx.AsyncClient, given: str) -> None:
    answer = await api.get(RUNS, headers={"X-Request-Id": given})
    returned = answer.headers["x-request-id"]
    assert returned == given if given == "client-id-7" else len(returned) == 32


async def test_a_finished_run_is_deleted_with_its_files(
    api: httpx.AsyncClient, store: RunDatabase, tmp_path: Path
) -> None:
    run_id = (await create(api))["run_id"]
    refused = await api.delete(f"{RUNS}/{run_id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "run_not_finished")
    assert refused.json()["detail"] == f"Run {run_id} is pending. Cancel it first."
    await finish(run_id, store, tmp_path)
    url = (await api.get(f"{RUNS}/{run_id}/result")).json()["report_url"]
    deleted = await api.delete(f"{RUNS}/{run_id}")
    assert (deleted.status_code, deleted.json()) == (200, {"deleted": True, "run_id": run_id})
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(url)).status_code == 404
    for method, path in (("GET", ""), ("GET", "/result"), ("DELETE", ""), ("POST", "/cancel")):
        assert (await api.request(method, f"{RUNS}/{run_id}{path}")).json()["code"] == "run_not_found"
    assert (await api.get(RUNS)).json()["total"] == 0


async def test_a_run_whose_machine_is_not_released_is_not_deleted_yet(api: httpx.AsyncClient) -> None:
    run_id = (await create(api))["run_id"]
    await api.post(f"{RUNS}/{run_id}/cancel")
    refused = await api.delete(f"{RUNS}/{run_id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "run_not_finished")
    said = f"Run {run_id} still has a machine, which is being released. Try again in a minute."
    assert refused.json()["detail"] == said


async def test_a_label_is_stored_listed_and_filtered(api: httpx.AsyncClient) -> None:
    labeled = await create(api, label="screen 1")
    await create(api)
    assert labeled["label"] == "screen 1"
    listed = (await api.get(RUNS, params={"label": "screen 1", "status": "pending", "page_size": 1})).json()
    assert ([run["run_id"] for run in listed["runs"]], listed["total"]) == ([labeled["run_id"]], 1)
    assert (await api.get(RUNS, params={"label": "screen"})).json()["total"] == 0
    for invalid in ("", "x" * 101, "a\nb"):
        assert (await api.post(RUNS, json={"query": QUESTION, "label": invalid})).status_code == 422
    second = await create(api, label="screen 1")
    page = (await api.get(RUNS, params={"label": "screen 1", "page_size": 1})).json()
    assert page["runs"][0]["run_id"] == second["run_id"]
    others = {"page_size": 1, "page_token": page["next_page_token"]}
    assert (await api.get(RUNS, params=others)).json()["code"] == "invalid_page_token"
    rest = await api.get(RUNS, params={**others, "label": "screen 1"})
    assert rest.json()["runs"][0]["run_id"] == labeled["run_id"]


async def test_the_status_has_what_asking_again_needs(api: httpx.AsyncClient) -> None:
    options = {"score_threshold": 8, "random_seed": 5, "llm_provider": "anthropic", "llm_model": "m", "label": "a"}
    run = await create(api, **options)
    assert {name: run[name] for name in options} == options
