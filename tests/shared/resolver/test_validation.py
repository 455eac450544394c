"""Which control a question can have, and the warnings that users read."""

import pytest

from shared.catalog.entries import DatasetEntry
from shared.catalog.interpretation import CaveatCode
from shared.catalog.schemas import ControlStrategyValidation, ControlStrategyValidationRequest
from shared.catalog.view import CatalogView
from shared.fields import ControlStrategy, LlmProvider
from shared.resolver.validation import matched_controls, preview, read_question, validate
from shared.runs.schemas import CreateRunRequest
from tests.support.catalogs import small_pbmc, small_view

CD14_MONOCYTE = "CL:0001054"
NK = "CL:0000623"


@pytest.fixture(scope="module")
def view() -> CatalogView:
    return small_view()


def ask(view: CatalogView, query: str) -> ControlStrategyValidation:
    return validate(ControlStrategyValidationRequest(query=query), view)


def test_the_demo_question_finds_its_controls_and_its_caveats_are_not_repeated(view: CatalogView) -> None:
    answer = ask(view, "How would CD14 monocytes respond to IFN-gamma?")
    assert answer.synthetic_control_available
    assert answer.recommendation is ControlStrategy.SYNTHETIC_CONTROL
    assert answer.control_cells_found == 30
    assert answer.control_donors == ["donor_1", "donor_2", "donor_3"]
    assert answer.control_conditions == ["PBS"]
    assert answer.datasets == ["small_pbmc"]
    assert answer.cell_type is not None
    assert answer.cell_type.cell_ontology_id == CD14_MONOCYTE
    assert answer.perturbation is not None
    assert answer.perturbation.name == "IFN-gamma"
    assert answer.interpretation.has(CaveatCode.STAND_IN_CELL_TYPE)
    assert (answer.warning, answer.suggestions) == (None, [])


def test_cells_of_the_asked_type_need_no_warning(view: CatalogView) -> None:
    answer = ask(view, "How would naive B cells respond to IL-4?")
    assert (answer.synthetic_control_available, answer.control_cells_found, answer.warning) == (True, 30, None)


def test_only_donors_with_perturbed_and_control_cells_count(view: CatalogView) -> None:
    answer = ask(view, "How would NK cells respond to IFN-gamma?")
    assert (answer.control_cells_found, answer.control_donors) == (10, ["donor_1"])


def test_a_type_without_matched_controls_gives_way_to_the_next_that_has_them(view: CatalogView) -> None:
    (match,) = matched_controls(view, "IL-4", NK)
    assert match.cell_type.entry.label != "NK"
    assert match.cells > 0


def test_no_donor_with_both_means_query_as_control() -> None:
    whole = small_pbmc()
    only_nk = whole.model_copy(update={"groups": [group for group in whole.groups if group.cell_type == "NK"]})
    answer = ask(small_view(only_nk), "How would NK cells respond to IL-4?")
    assert not answer.synthetic_control_available
    assert answer.recommendation is ControlStrategy.QUERY_AS_CONTROL
    assert (answer.control_cells_found, answer.control_donors, answer.control_conditions) == (0, [], [])
    assert answer.datasets == ["small_pbmc"]
    assert answer.warning is not None
    assert answer.warning.startswith(
        "No donor in small_pbmc has both control cells and IL-4 cells of NK (natural killer cell)."
    )


@pytest.mark.parametrize(
    "query",
    [
        "How would CD14 monocytes respond to TNF?",
        "What do plasmacytoid dendritic cells look like at rest?",
        "How would monocytes respond to foobarin?",
        "How would hepatocytes respond to IFN-gamma?",
        "What is the weather like in Paris?",
    ],
)
def test_a_question_that_cannot_be_answered_has_no_control_and_its_reasons_are_not_repeated(
    view: CatalogView, query: str
) -> None:
    answer = ask(view, query)
    assert not answer.interpretation.answerable
    assert not answer.synthetic_control_available
    assert answer.recommendation is ControlStrategy.QUERY_AS_CONTROL
    assert (answer.control_cells_found, answer.control_donors, answer.control_conditions) == (0, [], [])
    assert answer.datasets == []
    assert answer.warning == "This question cannot be answered, so no control strategy applies."
    assert read_question(query, view) == (answer.interpretation, answer.suggestions)


def test_a_preview_gives_the_reasons_unless_a_language_model_decides(view: CatalogView) -> None:
    request = CreateRunRequest(query="How would monocytes respond to foobarin?")
    refused = preview(request, view)
    assert (refused.would_run, refused.reason) == (False, " ".join(refused.validation.interpretation.reasons))
    assert refused.reason
    asking = preview(request.model_copy(update={"llm_provider": LlmProvider.OPENAI}), view)
    assert (asking.would_run, asking.reason, asking.validation) == (True, None, refused.validation)


def test_an_answer_from_a_related_perturbation_has_the_controls_of_that_one(view: CatalogView) -> None:
    answer = ask(view, "How would naive B cells respond to IL-13?")
    assert answer.interpretation.has(CaveatCode.RELATED_PERTURBATION)
    assert answer.interpretation.perturbation is not None
    related = answer.interpretation.perturbation.used
    assert related == "IL-4"
    direct = ask(view, f"How would naive B cells respond to {related}?")
    assert answer.synthetic_control_available
    for field in (
        "control_cells_found",
        "control_donors",
        "control_conditions",
        "recommendation",
        "datasets",
        "warning",
    ):
        assert getattr(answer, field) == getattr(direct, field), field


def test_of_two_things_that_match_equally_both_are_candidates_and_the_caveats_say_so(view: CatalogView) -> None:
    answer = ask(view, "How would naive B cells respond to IL-4 and IFN-gamma?")
    assert answer.perturbation is not None
    assert answer.perturbation.candidates == ["IL-4", "IFN-gamma"]
    assert "IFN-gamma" in " ".join(answer.interpretation.reasons)
    assert answer.warning == "This question cannot be answered, so no control strategy applies."


def test_a_misspelled_name_gets_a_warning(view: CatalogView) -> None:
    answer = ask(view, "How would naive B cells respond to interferron gamma?")
    assert answer.synthetic_control_available
    assert answer.warning == '"interferron gamma" was interpreted as IFN-gamma.'


def with_cells(entry: DatasetEntry, cell_type: str, condition: str, donors: list[int]) -> DatasetEntry:
    """Return the dataset with these cells, one number per donor, in one of its groups."""
    groups = [
        group.model_copy(update={"cells": sum(donors), "donors": donors})
        if (group.cell_type, group.condition) == (cell_type, condition)
        else group
        for group in entry.groups
    ]
    return entry.model_copy(update={"groups": groups})


def test_a_group_of_four_cells_is_neither_a_prompt_nor_a_control() -> None:
    entry = with_cells(small_pbmc(), "B_naive", "PBS", [10, 4, 10])
    answer = ask(
        small_view(with_cells(entry, "B_naive", "IL-4", [10, 10, 4])), "How would naive B cells respond to IL-4?"
    )
    assert (answer.control_cells_found, answer.control_donors) == (10, ["donor_1"])


def test_a_dataset_with_too_few_perturbed_cells_gives_no_answer() -> None:
    whole = small_pbmc()
    few = whole.model_copy(
        update={
            "groups": [
                group.model_copy(update={"cells": 6, "donors": [2, 2, 2]}) if group.condition == "IL-4" else group
                for group in whole.groups
            ]
        }
    )
    answer = ask(small_view(few), "How would naive B cells respond to IL-4?")
    assert (answer.synthetic_control_available, answer.datasets) == (False, [])


def test_a_warning_names_the_cell_type_whose_controls_are_used(view: CatalogView) -> None:
    answer = ask(view, "How would NK cells respond to IL-4?")
    assert answer.synthetic_control_available
    assert answer.warning is not None
    assert answer.warning.startswith(
        "No donor in small_pbmc has enough control and perturbed cells of NK (natural killer cell); the matched control cells are "
    )


def test_datasets_that_are_not_ingested_have_no_matched_controls() -> None:
    assert matched_controls(CatalogView(small_view().datasets[:2]), "IFN-gamma", CD14_MONOCYTE) == []


def test_only_the_controls_of_the_atlas_that_answers_count() -> None:
    # Regression: the numbers of all atlases were added up, so 60 cells were promised and 30 used.
    larger = small_pbmc("second").model_copy(update={"n_cells": 10_000_000})
    for view in (small_view(small_pbmc("first"), larger), small_view(larger, small_pbmc("first"))):
        answer = ask(view, "How would CD14 monocytes respond to IFN-gamma?")
        assert (answer.interpretation.dataset, answer.datasets) == ("second", ["first", "second"])
        assert answer.control_cells_found == 30
        assert answer.control_donors == ["donor_1", "donor_2", "donor_3"]


def test_matched_controls_of_another_atlas_do_not_make_a_synthetic_control_available() -> None:
    whole = small_pbmc("first")
    groups = [group for group in whole.groups if group.cell_type == "NK"]
    answers = whole.model_copy(update={"groups": groups, "n_cells": 10_000_000})
    assert not ask(small_view(answers), "How would NK cells respond to IL-4?").synthetic_control_available
    answer = ask(small_view(answers, small_pbmc("second")), "How would NK cells respond to IL-4?")
    assert (answer.interpretation.dataset, answer.datasets) == ("first", ["first", "second"])
    assert (answer.synthetic_control_available, answer.control_cells_found) == (False, 0)
    assert answer.recommendation is ControlStrategy.QUERY_AS_CONTROL
    assert answer.warning is not None
    assert answer.warning.startswith("No donor in first has both control cells and IL-4 cells of NK")
