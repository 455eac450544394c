"""The stored entries of the reference datasets are the ones that the facts give."""

from local.reference_datasets import FILE, as_json


def test_the_entries_are_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == as_json(), "run `make derived`"
