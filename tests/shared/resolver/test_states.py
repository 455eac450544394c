"""States of the cells that no atlas distinguishes."""

import pytest

from shared.catalog.interpretation import CaveatCode
from tests.support.readings import codes, interpret, told


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("exhausted CD8 T cells with IL-2", "exhausted"),
        ("stimulated NK cells and IL-2", "stimulated"),
        ("dividing CD8 T cells with IL-2", "dividing"),
        ("frozen monocytes and TNF", "frozen"),
    ],
)
def test_a_state_that_no_atlas_distinguishes_is_told(question: str, text: str) -> None:
    assert text in told(question, CaveatCode.UNKNOWN_WORDS)
    assert interpret(question).answerable


@pytest.mark.parametrize(
    "state",
    [
        "tired", "dead", "weak", "starved", "primed", "trained", "polarized", "expanded", "defective", "variant", "rare",
    ],
)  # fmt: skip
def test_regression_a_state_of_the_cells_is_told_whatever_it_is_called(state: str) -> None:
    question = f"How do {state} NK cells respond to IL-2?"
    assert told(question, CaveatCode.UNKNOWN_WORDS) == [state]
    assert interpret(question).answerable


@pytest.mark.parametrize("word", ["human", "cultured", "healthy", "untreated", "isolated", "resting", "these", "my"])
def test_usual_cells_have_no_state(word: str) -> None:
    assert told(f"How do {word} NK cells respond to IL-2?", CaveatCode.UNKNOWN_WORDS) == []


@pytest.mark.parametrize(
    "state",
    [
        "neutrophil-like", "DC-like", "stem-like", "antigen-experienced", "low-quality", "late-stage", "post-mitotic", "non-responding",
        "pro-inflammatory", "anti-inflammatory", "terminally-differentiated", "drug-resistant",
    ],
)  # fmt: skip
def test_regression_a_state_of_several_words_is_told(state: str) -> None:
    question = f"How do {state} monocytes respond to TNF?"
    found = interpret(question)
    assert told(question, CaveatCode.UNKNOWN_WORDS) == [state]
    assert found.answerable
    assert found.cell_type is not None
    assert found.cell_type.name == "monocyte"


@pytest.mark.parametrize(
    "word",
    [
        "wild-type",
        "FACS-sorted",
        "freshly-isolated",
        "steady-state",
        "healthy-donor",
        "blood-derived",
        "well-rested",
        "well-characterized",
    ],
)
def test_how_usual_cells_were_got_is_no_state(word: str) -> None:
    assert codes(f"How do {word} monocytes respond to TNF?") == set()


@pytest.mark.parametrize(
    "question",
    [
        "I stimulated B cells with IFN-alpha; what changes?",
        "I have stimulated CD8 T cells with IL-2",
        "We activated monocytes with IFN-gamma. Which genes go up?",
    ],
)
def test_regression_what_somebody_did_is_no_state(question: str) -> None:
    assert codes(question) == set()
