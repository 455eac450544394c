"""Terms beside cell types and perturbations, and the index of them."""

import pytest

from shared.resolver.context import Entry, TermKind, find_terms, index_terms, is_term
from shared.resolver.question import Question


def terms(text: str, names: tuple[int, ...] = ()) -> list[tuple[str, str]]:
    """Return the terms of a text with their kinds."""
    question = Question.of(text)
    return [(question.piece(term.start, term.end), term.kind.value) for term in find_terms(question, names)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mice", [("mice", "species")]),
        ("in patients with rheumatoid arthritis", [("patients", "disease"), ("rheumatoid arthritis", "disease")]),
        ("elderly women", [("elderly", "donor_attribute"), ("women", "donor_attribute")]),
        ("from bone marrow", [("bone marrow", "tissue")]),
        ("with LPS", [("LPS", "stimulus")]),
        ("adalimumab", [("adalimumab", "antagonist")]),
        ("immune cells", [("immune cells", "mixture")]),
        ("nothing of the kind", []),
    ],
)
def test_terms_are_found_as_written_with_their_kind(text: str, expected: list[tuple[str, str]]) -> None:
    assert terms(text) == expected


def test_the_longer_term_wins() -> None:
    assert terms("non-human primates") == [("non-human primates", "species")]
    assert terms("humanized mice") == [("humanized mice", "species")]


def test_a_plural_is_the_same_term() -> None:
    assert terms("a mouse and rats") == [("mouse", "species"), ("rats", "species")]


def test_a_term_inside_a_name_does_not_count() -> None:
    assert terms("bone marrow plasma cells", (0, 1, 2, 3)) == []
    assert terms("bone marrow plasma cells", (2, 3)) == [("bone marrow", "tissue")]


def test_no_term_spans_the_end_of_a_sentence() -> None:
    assert terms("bone. Marrow") != [("bone. Marrow", "tissue")]
    assert ("bone, marrow", "tissue") not in terms("bone, marrow")


def test_an_acronym_counts_only_in_capitals() -> None:
    acronym = next(key for key, entry in sorted(index_terms().items()) if entry.needs_capitals)
    assert [text for text, _ in terms(f"with {acronym.upper()}")] == [acronym.upper()]
    assert terms(f"with {acronym}") == []
    assert terms(acronym.upper()) == []  # all is written in capitals, so they mean nothing


@pytest.mark.parametrize("entry", [Entry(kind, "TNF", True, False) for kind in TermKind])
def test_an_entry_of_the_index_is_read_as_it_was_written(entry: Entry) -> None:
    assert Entry.of_text(entry.as_text()) == entry


def test_a_meaning_may_contain_the_separator() -> None:
    entry = Entry(TermKind.ANTAGONIST, "IL-1|IL-36", False, True)
    assert Entry.of_text(entry.as_text()) == entry


def test_the_stored_index_is_the_one_that_the_table_gives() -> None:
    for key in index_terms():
        if " " not in key:
            assert is_term(key), key
    assert not is_term("monocyte")
