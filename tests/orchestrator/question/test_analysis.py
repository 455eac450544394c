"""The interpretation of a question, and its agreement with the validation endpoint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.question.analysis import NotUnderstood, analyze, question_of
from shared.catalog.entries import DatasetEntry
from shared.catalog.interpretation import CaveatCode
from shared.catalog.schemas import ControlStrategyValidationRequest
from shared.resolver.interpretation import read
from shared.resolver.suggestions import suggest
from shared.resolver.validation import validate
from tests.support.catalogs import CELL_TYPES, small_pbmc, small_view

ASKED = ("CD14 monocytes", "NK cells", "plasma cells", "T cells", "hepatocytes", "Tregs", "mast cells")
COUNTS = st.lists(st.integers(0, 12), min_size=3, max_size=3)


def with_counts(counts: dict[tuple[str, str], list[int]], name: str) -> DatasetEntry:
    """Return the small dataset with these numbers of cells by cell type and condition."""
    whole = small_pbmc(name)
    groups = [
        group.model_copy(update={"cells": sum(donors), "donors": donors})
        for group in whole.groups
        if (donors := counts.get((group.cell_type, group.condition), group.donors)) and sum(donors)
    ]
    return whole.model_copy(update={"groups": groups})


@given(
    st.dictionaries(st.tuples(st.sampled_from(CELL_TYPES), st.sampled_from(["PBS", "IL-4"])), COUNTS, max_size=20),
    st.sampled_from(ASKED),
)
def test_validation_says_that_a_run_can_answer_exactly_where_the_job_can(
    counts: dict[tuple[str, str], list[int]], asked: str
) -> None:
    view = small_view(with_counts(counts, "first"), small_pbmc("second"))
    question = f"How would {asked} respond to IL-4?"
    validation = validate(ControlStrategyValidationRequest(query=question), view)
    try:
        understood = analyze(question, view)
    except NotUnderstood:
        assert validation.datasets == []
        assert not validation.synthetic_control_available
        assert not validation.interpretation.answerable
    else:
        assert understood.dataset.name in validation.datasets
        assert understood.interpretation == validation.interpretation


def test_nine_control_cells_are_too_few_for_the_job_and_for_the_validation() -> None:
    none = {(label, "PBS"): [0, 0, 0] for label in CELL_TYPES}
    question = "How would naive B cells respond to IL-4?"
    few = small_view(with_counts({**none, ("B_naive", "PBS"): [3, 3, 3]}, "few"))
    enough = small_view(with_counts({**none, ("B_naive", "PBS"): [5, 5, 0]}, "enough"))
    with pytest.raises(NotUnderstood, match="naive B cell"):
        analyze(question, few)
    assert validate(ControlStrategyValidationRequest(query=question), few).datasets == []
    assert analyze(question, enough).query_type.label == "B_naive"
    assert validate(ControlStrategyValidationRequest(query=question), enough).control_cells_found == 10


def test_a_question_becomes_a_structure_of_known_names() -> None:
    question = analyze("How would CD14 monocytes respond to IFN-gamma?", small_view())
    assert question.cell_type.cell_ontology_id == "CL:0001054"
    assert (question.perturbation.name, question.perturbation.kind) == ("IFN-gamma", "cytokine")


def test_the_cells_that_are_used_and_what_limits_the_answer_come_from_the_interpretation() -> None:
    question = analyze("How would CD14 monocytes respond to IFN-gamma?", small_view())
    assert question.query_type.label == question.target.query_type == "MDC"
    assert question.interpretation.has(CaveatCode.STAND_IN_CELL_TYPE)
    assert question.notes == [caveat.detail for caveat in question.interpretation.caveats]


def test_the_query_cells_and_the_perturbation_that_stands_in_are_those_of_the_plan() -> None:
    reading = read("How would CD14 monocytes respond to IL-13?", small_view())
    question = question_of("How would CD14 monocytes respond to IL-13?", reading, small_view())
    assert reading.plan is not None
    assert question.target.query_type == reading.plan.query.entry.label
    assert [each.name for each in question.target.related] == [question.perturbation.used] == ["IL-4"]
    assert (question.target.perturbation, question.target.conditions) == ("IL-13", ())


def test_a_failure_repeats_the_reasons_and_suggests_at_most_one_question() -> None:
    view = small_view()
    reading = read("What do regulatory T cells look like in blood?", view)
    message = str(NotUnderstood.because(reading, view))
    assert all(reason in message for reason in reading.interpretation.reasons)
    assert reading.interpretation.reasons
    assert [each for each in suggest(reading, view) if each in message] == suggest(reading, view)[:1]
    assert "ubmit" not in message
