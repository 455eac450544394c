"""The stored descriptors of Firestore's messages are those of the library that is installed."""

from google.cloud.firestore_v1.types import Document, RunQueryRequest

from local.firestore_schema import as_json
from shared.stores import firestore_client as messages


def test_the_descriptors_are_up_to_date() -> None:
    assert messages.SCHEMA.read_text(encoding="utf-8") == as_json(), "run `make derived`"


def test_our_messages_and_the_librarys_are_one_on_the_wire() -> None:
    where = {"field_filter": {"field": {"field_path": "a"}, "op": "EQUAL", "value": {"integer_value": 1}}}
    ours = messages.RunQueryRequest(parent="p", structured_query={"from_": [{"collection_id": "runs"}], "where": where})
    theirs = RunQueryRequest.deserialize(ours.SerializeToString())
    assert theirs.structured_query.where.field_filter.value.integer_value == 1
    assert theirs.structured_query.from_[0].collection_id == "runs"
    assert RunQueryRequest.serialize(theirs) == ours.SerializeToString()
    assert messages.Document is not Document.pb()
