"""The stored index of names is the one that the facts and the rules of names give."""

from local.name_index import FILE, as_json


def test_the_index_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == as_json(), "run `make derived`"
