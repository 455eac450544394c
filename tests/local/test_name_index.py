"""The stored index of names is the one that the facts and the rules of names give."""

from local.name_index import FILE, TABLE, as_json, as_table


def test_the_index_is_up_to_date() -> None:
    assert TABLE.read_text(encoding="utf-8") == as_table(), "run `make derived`"
    assert FILE.read_text(encoding="utf-8") == as_json(), "run `make derived`"
