"""The emulator asks for no index, so these derive what each query of the run store needs and look for it in the file."""

import json
from pathlib import Path
from typing import Any

import pytest

INDEXES: dict[str, Any] = json.loads((Path(__file__).parent.parent / "firestore.indexes.json").read_text())
NEWEST_FIRST = [("created_at", "DESCENDING"), ("__name__", "DESCENDING")]
QUERIES = {
    "a page or a count of an owner's runs": [("user_email", "ASCENDING"), *NEWEST_FIRST],
    "a page or a count in some states": [("user_email", "ASCENDING"), ("status", "ASCENDING"), *NEWEST_FIRST],
}


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_has_its_composite_index(query: str) -> None:
    kept = [[(field["fieldPath"], field["order"]) for field in index["fields"]] for index in INDEXES["indexes"]]
    assert QUERIES[query] in kept


def test_times_that_only_rise_have_no_index_of_their_own_but_the_one_that_the_sweep_needs() -> None:
    exempt = {override["fieldPath"] for override in INDEXES["fieldOverrides"] if override["indexes"] == []}
    assert {"created_at", "updated_at", "heartbeat_at"} <= exempt
    assert "check_at" not in exempt
