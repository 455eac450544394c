"""The fields whose single-field index is taken away, so that writes stay cheap and no hot range caps them.

That each query has its composite index is held where queries are seen: `tests/functions/test_operations.py`.
"""

import json
from pathlib import Path
from typing import Any

INDEXES: dict[str, Any] = json.loads((Path(__file__).parent.parent / "firestore.indexes.json").read_text())


def exempt_fields(collection: str) -> set[str]:
    """The fields of a collection that have no index of their own."""
    overrides = INDEXES["fieldOverrides"]
    return {each["fieldPath"] for each in overrides if each["collectionGroup"] == collection and each["indexes"] == []}


def test_times_that_only_rise_have_no_index_of_their_own_but_the_one_that_the_sweep_needs() -> None:
    exempt = exempt_fields("runs")
    assert {"created_at", "updated_at", "heartbeat_at", "expire_at"} <= exempt
    assert "check_at" not in exempt


def test_texts_and_lists_of_a_run_that_nobody_searches_have_no_index() -> None:
    assert {"query", "interpretation", "transitions", "iterations", "outcome"} <= exempt_fields("runs")


def test_what_is_only_read_by_name_has_no_index_at_all() -> None:
    """A catalog document would else have more index entries than Firestore allows a document; its parts are in the same collection."""
    assert exempt_fields("catalog") == exempt_fields("user_locks") == {"*"}
    assert exempt_fields("idempotency_keys") == {"*", "expire_at"}
