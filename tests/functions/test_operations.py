"""Each endpoint has a fixed cost in Firestore operations, counted on the wire, and every query has its index."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from google.cloud.firestore_v1.types.query import StructuredQuery

from orchestrator.config import JobConfig
from orchestrator.ingest.build import ingest
from orchestrator.main import Exit, Ports, run_job
from shared import wiring
from shared.fields import utc_now
from shared.runs.ports import RunDatabase
from shared.runs.readiness import READ_SECONDS
from shared.runs.states import job_id
from tests.functions.conftest import AUDIENCE, Cloud
from tests.functions.test_runs import finish
from tests.support.builders import lease
from tests.support.firestore_recorder import Recorder
from tests.support.orchestrator import small_atlas
from tests.support.orchestrator.world import FolderFiles, ListedCatalog
from tests.support.receivers import SECRET, receiving

RUNS = "/api/v1/runs"
QUESTION = {"query": "How would CD14 monocytes respond to IFN-gamma?"}
INDEXES: dict[str, Any] = json.loads((Path(__file__).parent.parent.parent / "firestore.indexes.json").read_text())


@pytest.fixture
async def recorder(firestore_host: str) -> AsyncIterator[Recorder]:
    """Start a recording proxy in front of the emulator."""
    recorder = Recorder(firestore_host)
    await recorder.start()
    yield recorder
    await recorder.stop()


@pytest.fixture
def store_settings(recorder: Recorder) -> dict[str, str]:
    """Use only Firestore, through the recorder."""
    return {"STORE": "firestore", "FIRESTORE_EMULATOR_HOST": recorder.host, "PROJECT": f"test-{uuid4().hex[:12]}"}


class Meter:
    """Send requests and count their operations."""

    def __init__(self, api: httpx.AsyncClient, recorder: Recorder) -> None:
        self.api, self.recorder = api, recorder
        self.answer = httpx.Response(500)

    async def cost(self, method: str, path: str, **request: Any) -> dict[str, int]:  # noqa: ANN401  # what httpx takes
        """Return the operations of one request, which must succeed."""
        self.recorder.forget()
        self.answer = await self.api.request(method, path, **request)
        assert self.answer.status_code < 400, self.answer.text
        return dict(+self.recorder.operations)

    async def run(self) -> str:
        """Create a run and return its id."""
        return str((await self.api.post(RUNS, json=QUESTION)).json()["run_id"])


@pytest.fixture
def meter(api: httpx.AsyncClient, recorder: Recorder) -> Meter:
    return Meter(api, recorder)


async def test_the_first_create_of_an_instance_reads_the_catalog(meter: Meter) -> None:
    assert await meter.cost("POST", RUNS, json=QUESTION) == {"read": 2, "aggregation": 1, "write": 2}


async def test_create_is_one_commit_of_two_writes_for_the_run_and_its_owners_limit(meter: Meter) -> None:
    await meter.run()  # reads the catalog, which is then cached
    assert await meter.cost("POST", RUNS, json=QUESTION) == {"read": 1, "aggregation": 1, "write": 2}
    assert meter.recorder.calls["Commit"] == 1


async def test_a_key_costs_a_read_and_a_write_more_and_its_repetition_two_reads_in_all(meter: Meter) -> None:
    await meter.run()
    headers = {"Idempotency-Key": "k1"}
    first = await meter.cost("POST", RUNS, json=QUESTION, headers=headers)
    assert first == {"read": 2, "aggregation": 1, "write": 3}
    assert meter.recorder.calls["Commit"] == 1
    assert await meter.cost("POST", RUNS, json=QUESTION, headers=headers) == {"read": 2}


async def test_without_a_limit_create_is_one_write(meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_ACTIVE_RUNS", "0")
    wiring.replace(None)
    await meter.run()
    assert await meter.cost("POST", RUNS, json=QUESTION) == {"write": 1}


async def test_a_question_that_cannot_be_answered_costs_the_catalog_alone(meter: Meter) -> None:
    for expected in ({"read": 1}, {}):
        meter.recorder.forget()
        answer = await meter.api.post(RUNS, json={"query": "Would zork do something to flurbs?"})
        assert answer.json()["code"] == "question_not_answerable"
        assert dict(+meter.recorder.operations) == expected


async def test_validate_only_writes_nothing(meter: Meter) -> None:
    assert "write" not in await meter.cost("POST", RUNS, json={**QUESTION, "validate_only": True})


async def test_a_poll_is_one_read_changed_or_not_waiting_or_not(meter: Meter) -> None:
    run_id = await meter.run()
    assert await meter.cost("GET", f"{RUNS}/{run_id}") == {"read": 1}
    tag = {"If-None-Match": meter.answer.headers["etag"]}
    assert await meter.cost("GET", f"{RUNS}/{run_id}", headers=tag) == {"read": 1}
    assert meter.answer.status_code == 304
    assert await meter.cost("GET", f"{RUNS}/{run_id}?wait=1", headers=tag) == {"read": 1}
    assert meter.answer.status_code == 304


async def test_a_list_reads_its_page_with_one_run_more_and_one_aggregation(meter: Meter) -> None:
    for _ in range(5):
        await meter.run()
    assert await meter.cost("GET", f"{RUNS}?page_size=3") == {"read": 4, "aggregation": 1}
    token = meter.answer.json()["next_page_token"]
    assert await meter.cost("GET", f"{RUNS}?page_size=3&page_token={token}") == {"read": 2, "aggregation": 1}


async def test_cancel_is_one_transaction_that_reads_once_and_writes_once(meter: Meter) -> None:
    cancel = f"{RUNS}/{await meter.run()}/cancel"
    assert await meter.cost("POST", cancel) == {"read": 1, "write": 1}
    assert meter.recorder.calls["Commit"] == 1
    assert await meter.cost("POST", cancel) == {"read": 1}


async def test_a_deletion_is_one_read_and_one_write(meter: Meter, store: RunDatabase, tmp_path: Path) -> None:
    run_id = await meter.run()
    await finish(run_id, store, tmp_path)
    assert await meter.cost("DELETE", f"{RUNS}/{run_id}") == {"read": 1, "write": 1}


async def test_a_result_is_one_read(meter: Meter, store: RunDatabase, tmp_path: Path) -> None:
    run_id = await meter.run()
    await finish(run_id, store, tmp_path)
    assert await meter.cost("GET", f"{RUNS}/{run_id}/result") == {"read": 1}


async def test_the_catalog_is_read_once_and_then_cached(meter: Meter) -> None:
    validate = ("POST", f"{RUNS}/validate-control-strategy")
    assert await meter.cost(*validate, json=QUESTION) == {"read": 1}
    assert await meter.cost(*validate, json=QUESTION) == {}
    for kind in ("perturbations", "cell-types", "datasets"):
        assert await meter.cost("GET", f"/api/v1/metadata/{kind}") == {}


async def test_health_reads_nothing_and_readiness_reads_and_writes_now_and_then(meter: Meter) -> None:
    assert await meter.cost("GET", "/api/v1/health") == {}
    assert await meter.cost("GET", "/api/v1/health/ready") == {"read": 1, "write": 1}
    assert await meter.cost("GET", "/api/v1/health/ready") == {}
    await asyncio.sleep(READ_SECONDS)
    assert await meter.cost("GET", "/api/v1/health/ready") == {"read": 1}


async def test_the_job_writes_four_times_and_three_times_an_iteration(
    meter: Meter, store: RunDatabase, tmp_path: Path
) -> None:
    iterations = 2
    small_atlas.write(tmp_path / "cells.h5ad", {"CD14 Mono": (), "cDC": ("IFN-beta",), "B cells": ("IFN-beta",)})
    catalog = ListedCatalog({"small": ingest("small", tmp_path / "cells.h5ad", tmp_path)})
    request = {
        "query": "How would CD14 monocytes respond to IFN-beta?",
        "score_threshold": 10,
        "max_iterations": iterations,
    }
    await wiring.container().catalog.put(catalog.entries["small"])
    run_id = (await meter.api.post(RUNS, json=request)).json()["run_id"]
    meter.recorder.forget()
    assert await run_job(run_id, Ports(store, catalog, FolderFiles(tmp_path), utc_now, tmp_path)) is Exit.DONE
    cost = dict(+meter.recorder.operations)
    done = await store.get(run_id)
    assert done is not None
    assert len(done.iterations) == iterations
    # The limit is 4 + 4 per iteration. The count is lower if the emulator does not answer a write because a listener leaves.
    assert 3 * iterations < cost["write"] <= 4 + 3 * iterations
    # The job reads before each write; its watch for cancellation reads when it starts and at each later change.
    assert cost["read"] <= 2 * cost["write"]
    assert "aggregation" not in cost


async def test_a_heartbeat_is_one_read_and_one_write_a_minute(meter: Meter, store: RunDatabase) -> None:
    run_id = await meter.run()
    await lease(run_id, store=store, clock=utc_now).begin()
    meter.recorder.forget()
    await lease(run_id, store=store, clock=utc_now).heartbeat()
    assert dict(+meter.recorder.operations) == {"read": 1, "write": 1}
    assert JobConfig().heartbeat_seconds >= 60


async def test_a_notification_of_batch_reads_its_run_twice_and_writes_once(meter: Meter, cloud: Cloud) -> None:
    job = f"projects/p/locations/r/jobs/{job_id(await meter.run(), 1)}"
    push = {"message": {"attributes": {"JobName": job, "NewJobState": "SCHEDULED"}}}
    token = {"Authorization": f"Bearer {cloud.issuer.token(AUDIENCE)}"}
    assert await meter.cost("POST", "/api/v1/reconcile", json=push, headers=token) == {"read": 2, "write": 1}


async def test_a_notification_of_the_end_costs_two_reads_and_two_writes_and_none_is_free(
    meter: Meter, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as receiver:
        monkeypatch.setenv("WEBHOOK_HOSTS", receiver.origin)
        monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
        monkeypatch.setenv("SERVICE_URL", "https://haystack.example.org")
        wiring.replace(None)
        token = {"Authorization": f"Bearer {cloud.issuer.token(AUDIENCE)}"}
        costs = []
        for fields in ({}, {"notify": {"webhook": receiver.url}}):
            run_id = str((await meter.api.post(RUNS, json={**QUESTION, **fields})).json()["run_id"])
            await finish(run_id, wiring.container().run_store, tmp_path)
            push = {"message": {"attributes": {"JobName": f"projects/p/locations/r/jobs/{job_id(run_id, 1)}"}}}
            costs.append(await meter.cost("POST", "/api/v1/reconcile", json=push, headers=token))
            costs.append(await meter.cost("POST", "/api/v1/reconcile", json={}, headers=token))
    assert costs == [{"read": 1}, {}, {"read": 3, "write": 2}, {}]
    assert [request.is_signed() for request in receiver.received] == [True]


async def test_a_sweep_with_nothing_due_reads_nothing(meter: Meter, store: RunDatabase) -> None:
    await meter.run()
    meter.recorder.forget()
    assert await store.due(utc_now(), limit=50) == []
    assert +meter.recorder.operations == {}


async def test_every_query_has_its_index(meter: Meter, store: RunDatabase) -> None:
    run_id = await meter.run()
    made = (await meter.api.get(f"{RUNS}/{run_id}")).json()["created_at"]
    meter.recorder.forget()
    filters: list[dict[str, Any]] = [{}, {"status": "pending"}, {"status": ["pending", "running"]}]
    for times in ({}, {"created_after": made}, {"created_before": made}):
        for states in filters:
            for page in ({}, {"page": 2}, {"label": "screen"}):
                await meter.api.get(RUNS, params={**states, **times, **page})
    await meter.run()
    await store.due(utc_now(), limit=50)
    assert len(meter.recorder.queries) >= 2 * 3 * 3 * 3 + 2
    missing = {index for query in meter.recorder.queries if not has_index(index := index_of(query))}
    assert missing == set()


Index = tuple[tuple[str, str], ...]


def index_of(query: StructuredQuery) -> Index:
    """Return the index that a query needs: equalities first, then the order, which is ascending for a range without one.

    https://firebase.google.com/docs/firestore/query-data/index-overview
    """
    operators = StructuredQuery.FieldFilter.Operator
    top = query.where
    comparisons = [part.field_filter for part in top.composite_filter.filters] or [top.field_filter]
    equal = [each.field.field_path for each in comparisons if each.op in {operators.EQUAL, operators.IN}]
    order = [(each.field.field_path, each.direction.name) for each in query.order_by]
    ranged = {each.field.field_path for each in comparisons} - set(equal) - {path for path, _ in order}
    return (*((path, "ASCENDING") for path in equal), *((path, "ASCENDING") for path in sorted(ranged)), *order)


def has_index(index: Index) -> bool:
    """Return whether the file has this composite index, or does not disable this single-field index."""
    if len(index) == 1:
        runs = [each for each in INDEXES["fieldOverrides"] if each["collectionGroup"] == "runs"]
        return index[0][0] not in {each["fieldPath"] for each in runs}
    return index in {
        tuple((field["fieldPath"], field["order"]) for field in each["fields"]) for each in INDEXES["indexes"]
    }


def test_the_derivation_finds_a_missing_index() -> None:
    field = {"field_filter": {"field": {"field_path": "query"}, "op": "EQUAL", "value": {"string_value": "x"}}}
    newest = [{"field": {"field_path": "created_at"}, "direction": "DESCENDING"}]
    assert not has_index(index_of(StructuredQuery({"where": field, "order_by": newest})))
    assert not has_index(index_of(StructuredQuery({"where": field})))
