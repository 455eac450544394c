"""The first box of the report, and the words that it uses."""

from collections.abc import Sequence

import pytest

from orchestrator.outputs import reading
from orchestrator.outputs.words import plural
from orchestrator.question.analysis import Question
from shared.catalog.interpretation import IGNORED, AskedGene, Caveat, CaveatCode, Direction, Relation
from tests.support.orchestrator.search_results import caveat, make_interpretation, stand_in, synthetic_result


def question(
    caveats: Sequence[Caveat] = (), genes: Sequence[AskedGene] = (), relation: Relation = Relation.SUPERTYPE
) -> Question:
    return synthetic_result(
        interpretation=make_interpretation(caveats=caveats, genes=genes, relation=relation)
    ).question


def test_the_question_is_said_as_it_was_read() -> None:
    assert reading.read_as(question()) == "How do CD14-positive monocytes respond to IFN-gamma?"
    genes = [
        AskedGene(symbol="STAT1", direction=Direction.UP),
        AskedGene(symbol="CD36", direction=Direction.DOWN),
        AskedGene(symbol="IRF1", direction=Direction.UP),
        AskedGene(symbol="IL6", direction=Direction.ANY),
    ]
    assert reading.read_as(question(genes=genes[:1])) == "Does IFN-gamma raise STAT1 in CD14-positive monocytes?"
    same = AskedGene(symbol="GBP1", direction=Direction.UNCHANGED)
    assert reading.read_as(question(genes=[same])) == "Does IFN-gamma leave GBP1 unchanged in CD14-positive monocytes?"
    assert reading.read_as(question(genes=genes)) == (
        "Does IFN-gamma raise STAT1 and IRF1, lower CD36 and change IL6 in CD14-positive monocytes?"
    )


def test_what_is_ignored_is_listed_by_kind_and_not_repeated_as_a_sentence() -> None:
    ignored = [
        caveat(CaveatCode.DOSE, "100 ng/ml", "One dose."),
        caveat(CaveatCode.TIME, "6 h", "One time."),
        caveat(CaveatCode.TIME, "24 h", "One time."),
    ]
    asked = question(ignored)
    assert reading.not_taken_into_account(asked) == "dose (100 ng/ml), time (6 h, 24 h)"
    assert stand_in().detail in reading.sentences(asked)
    assert not {"One dose.", "One time."} & set(reading.sentences(asked))
    assert reading.not_taken_into_account(question()) == ""


def test_regression_a_time_that_the_question_does_not_name_is_told_as_the_other_times() -> None:
    asked = question([caveat(CaveatCode.TIME, "", "The question names no time.")])
    assert reading.not_taken_into_account(asked) == "time (the other measured times)"


def test_every_kind_of_ignored_part_has_a_word() -> None:
    assert set(reading.PARTS) == IGNORED


@pytest.mark.parametrize(
    ("relation", "words"),
    [
        (Relation.EXACT, "MDC (CD14-positive monocyte), 143 control cells"),
        (
            Relation.SUPERTYPE,
            "MDC (mononuclear phagocyte), a supertype of CD14-positive monocyte, 143 control cells",
        ),
        (Relation.SUBTYPE, "MDC (mononuclear phagocyte), a subtype of CD14-positive monocyte, 143 control cells"),
    ],
)
def test_the_cells_are_named_with_their_relation_and_number(relation: Relation, words: str) -> None:
    assert reading.cells_used(question(relation=relation)) == words


@pytest.mark.parametrize(
    ("name", "several"),
    [
        ("CD14-positive monocyte", "CD14-positive monocytes"),
        ("natural killer cell", "natural killer cells"),
        ("epithelial cell of lung", "epithelial cells of lung"),
        ("Treg", "Tregs"),
        ("MDC", "MDC cells"),
        ("CD8_T", "CD8_T cells"),
        ("B cells", "B cells"),
        ("CD14+ Monocytes", "CD14+ Monocytes"),
    ],
)
def test_names_of_cell_types_get_a_plural(name: str, several: str) -> None:
    assert plural(name) == several
