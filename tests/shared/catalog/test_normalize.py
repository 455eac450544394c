"""Normal forms of names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.normalize import bag, compact, fold, join, singular, split, terms


@pytest.mark.parametrize("written", ["IFN-γ", "IFN gamma", "ifn_gamma", "IFN-Γ", "ＩＦＮ-gamma", "IFN‑ɣ"])
def test_one_name_has_one_compact_form(written: str) -> None:
    assert compact(written) == "ifngamma"


def test_capitals_of_phonetic_letters_are_spelled_out() -> None:
    """Regression: only their lower-case forms were, so a name in capitals was not found."""
    assert compact("IFN-Ɣ") == compact("IFN-ɣ") == "ifngamma"
    assert compact("TNF-Ɑ") == compact("TNF-ɑ") == "tnfalpha"
    assert compact("TGF-ẞ") == compact("TGF-ß") == "tgfbeta"


def test_adjacent_numbers_stay_apart_in_a_compact_form() -> None:
    assert join(["il", "2", "3"]) == "il2.3"
    assert join(["il", "23"]) == "il23"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("NK cells", ("natural", "killer", "cell")),
        ("CD14- monocytes", ("cd14", "negative", "monocyte")),
        ("CD56bright NK", ("cd56", "bright", "natural", "killer")),
        ("Tumour thrombocytes", ("tumor", "platelet")),
        ("cardiac fibroblasts", ("heart", "fibroblast")),
    ],
)
def test_terms_are_singular_and_spelled_out(written: str, expected: tuple[str, ...]) -> None:
    assert terms(written) == expected


def test_a_bag_ignores_order_and_the_word_cell_but_keeps_levels_with_their_marker() -> None:
    assert bag(terms("CD8+ T cells")) == bag(terms("T lymphocytes, CD8-positive"))
    assert bag(terms("CD14-low CD16-positive monocyte")) != bag(terms("CD14-positive CD16-low monocyte"))


@pytest.mark.parametrize(("word", "expected"), [("cells", "cell"), ("virus", "virus"), ("axis", "axis"), ("us", "us")])
def test_only_a_plural_s_is_removed(word: str, expected: str) -> None:
    assert singular(word) == expected


@given(st.text(max_size=80))
def test_words_keep_their_positions_and_folding_is_stable(text: str) -> None:
    for word in split(text):
        assert text[word.start : word.end] == word.text
        assert fold(word.key) == word.key
