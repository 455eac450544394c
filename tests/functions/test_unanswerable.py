"""Create refuses a question that no ingested atlas answers, and stores nothing."""

from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from shared import wiring
from shared.catalog.entries import DatasetEntry
from shared.errors import Unavailable
from shared.runs.ports import RunDatabase
from shared.wiring import Container
from tests.functions.test_refusals import QUESTION, RUNS, VALIDATE, assert_problem, body
from tests.support.builders import DEVELOPER, runs_of

UNANSWERABLE = "Would zork do something to flurbs?"


@pytest.fixture
def store_settings(tmp_path: Path) -> dict[str, str]:
    """Use one store: refusals do not depend on it."""
    return {"STORE": "sqlite", "SQLITE_PATH": str(tmp_path / "runs.db")}


async def test_a_question_that_cannot_be_answered_gets_how_it_was_read_and_why(api: httpx.AsyncClient) -> None:
    validated = (await api.post(VALIDATE, json={"query": UNANSWERABLE})).json()
    interpretation = validated["interpretation"]
    reasons = [caveat["detail"] for caveat in interpretation["caveats"] if caveat["blocking"]]
    assert reasons
    answer = await api.post(RUNS, json={"query": UNANSWERABLE})
    expected = body(422, "question_not_answerable", " ".join(reasons))
    del expected["errors"]
    more = {"interpretation": interpretation, "reasons": reasons, "suggestions": validated["suggestions"]}
    assert_problem(answer, expected | more)
    assert (await api.get(RUNS)).json()["total"] == 0


async def test_a_run_of_a_key_outlives_its_atlas(api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k1"}
    run = (await api.post(RUNS, json={"query": QUESTION}, headers=headers)).json()
    catalog = wiring.container().catalog
    await catalog.remove("small_pbmc")
    wiring.replace(None)  # the catalog is cached for a minute
    assert (await api.post(RUNS, json={"query": QUESTION}, headers=headers)).json() == run
    refused = await api.post(RUNS, json={"query": QUESTION})
    assert (refused.status_code, refused.json()["code"]) == (422, "question_not_answerable")


class NoCatalog:
    """A catalog whose store is not there."""

    async def load(self) -> Sequence[DatasetEntry]:
        """See `Catalog.load`."""
        raise Unavailable("Firestore")

    async def put(self, entry: DatasetEntry) -> None:
        """Not used in these tests."""
        raise AssertionError(entry)

    async def remove(self, name: str) -> None:
        """Not used in these tests."""
        raise AssertionError(name)


async def test_without_the_catalog_create_is_unavailable_and_stores_nothing(
    api: httpx.AsyncClient, store: RunDatabase
) -> None:
    container = Container(wiring.container().settings)
    container.catalog = NoCatalog()
    wiring.replace(container)
    for request in ({"query": QUESTION}, {"query": QUESTION, "llm_provider": "openai"}):
        assert_problem(await api.post(RUNS, json=request), body(503, "unavailable", Unavailable("Firestore").detail))
    assert await runs_of(store, DEVELOPER) == []
