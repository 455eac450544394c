"""The names of a catalog view, and the correction of misspelled words."""

import pytest

from shared.catalog.view import CatalogView
from shared.resolver.lexicon import Spelling, common_words, lexicon
from tests.support.catalogs import small_view

SPELLING = Spelling(
    {"dasatinib": True, "bosutinib": True, "necrosis": False, "vemurafenib": True},
    {"monocyte", "macrophage", "cd14"},
    frozenset({"macroscopic"}),
)


@pytest.mark.parametrize(
    ("written", "corrected"),
    [
        ("dasatinb", "dasatinib"),  # a missing letter
        ("dasaitnib", "dasatinib"),  # two swapped letters
        ("dasatnb", None),  # two edits: too many for a complete name
        ("macrofages", "macrophage"),  # two edits are allowed in a long word that is not a complete name
        ("gama", "gamma"),
        ("monocytes", None),  # correct
        ("macroscopic", None),
        ("cd15", None),  # not a word of letters only
        ("mono", None),  # too short
    ],
)
def test_a_misspelled_word_is_corrected_only_if_a_known_word_is_near(written: str, corrected: str | None) -> None:
    assert SPELLING.correct(written) == corrected
    assert SPELLING.correct(written) == corrected  # from memory


def test_a_view_has_one_lexicon_with_the_labels_of_reference_and_ingested_datasets() -> None:
    view = small_view()
    assert lexicon(view) is lexicon(view)
    assert {"cd14mono", "mdc"} <= lexicon(view).labels
    assert "mdc" not in lexicon(CatalogView([])).labels


def test_common_words_are_not_names() -> None:
    names = lexicon(small_view())
    named = {word for word in common_words() if (found := names.perturbations.find(word)) and not found.needs_capitals}
    assert named == set()
