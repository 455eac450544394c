"""The interpretation of a question, and its agreement with the validation endpoint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.question.analysis import NotUnderstood, analyze
from shared.catalog.entries import DatasetEntry
from shared.catalog.schemas import ControlStrategyValidationRequest
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
    else:
        assert understood.dataset.name in validation.datasets


def test_nine_control_cells_are_too_few_for_the_job_and_for_the_validation() -> None:
    none = {(label, "PBS"): [0, 0, 0] for label in CELL_TYPES}
    question = "How would naive B cells respond to IL-4?"
    few = small_view(with_counts({**none, ("B_naive", "PBS"): [3, 3, 3]}, "few"))
    enough = small_view(with_counts({**none, ("B_naive", "PBS"): [5, 5, 0]}, "enough"))
    with pytest.raises(NotUnderstood, match="no atlas with IL-4 has enough cells of it"):
        analyze(question, few)
    assert validate(ControlStrategyValidationRequest(query=question), few).datasets == []
    assert analyze(question, enough).query_type.label == "B_naive"
    assert validate(ControlStrategyValidationRequest(query=question), enough).control_cells_found == 10


def test_a_question_becomes_a_structure_of_known_names() -> None:
    question = analyze("How would CD14 monocytes respond to IFN-gamma?", small_view())
    assert question.cell_type.cell_ontology_id == "CL:0001054"
    assert (question.perturbation.name, question.perturbation.kind) == ("IFN-gamma", "cytokine")


def test_a_question_without_a_perturbation_is_not_understood_and_the_message_lists_perturbations() -> None:
    with pytest.raises(
        NotUnderstood, match=r"asks about unperturbed cells; name a perturbation too\. .*IFN-gamma, IL-4"
    ):
        analyze("What do regulatory T cells look like in blood?", small_view())
