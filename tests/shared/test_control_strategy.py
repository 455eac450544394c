"""Which control a question can have."""

import pytest

from shared.catalog_view import CatalogView
from shared.control_strategy import matched_controls, near_cell_types, nearest_cell_type, validate
from shared.errors import DatasetNotFound
from shared.models import ControlStrategy, ControlStrategyValidation, ControlStrategyValidationRequest
from tests.catalogs import small_pbmc, small_view

CD14_MONOCYTE = "CL:0001054"
T_CELL = "CL:0000084"
HEPATOCYTE = "CL:0000182"
NK = "CL:0000623"
PLASMA = "CL:0000786"


@pytest.fixture(scope="module")
def view() -> CatalogView:
    return small_view()


def ask(view: CatalogView, query: str) -> ControlStrategyValidation:
    return validate(ControlStrategyValidationRequest(query=query), view)


def test_the_demo_question_finds_the_nearest_cell_type_and_says_so(view: CatalogView) -> None:
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
    assert answer.warning == (
        "small_pbmc has no cells labelled CD14-positive monocyte; the nearest by Cell Ontology, MDC (mononuclear phagocyte), 2 steps away, "
        "stand in."
    )


def test_cells_of_the_asked_type_need_no_warning(view: CatalogView) -> None:
    answer = ask(view, "How would naive B cells respond to IL-4?")
    assert (answer.synthetic_control_available, answer.control_cells_found, answer.warning) == (True, 30, None)


def test_only_donors_with_perturbed_and_control_cells_count(view: CatalogView) -> None:
    answer = ask(view, "How would NK cells respond to IFN-gamma?")
    assert (answer.control_cells_found, answer.control_donors) == (10, ["donor_1"])


def test_a_type_without_matched_controls_gives_way_to_the_next_that_has_them(view: CatalogView) -> None:
    (match,) = matched_controls(view, "IL-4", NK)
    assert match.cell_type.entry.label != "NK"
    assert match.control_cells > 0
    (unperturbed,) = matched_controls(view, "IFN-gamma", PLASMA)
    assert unperturbed.cell_type.entry.label != "plasma"


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
        "No donor of small_pbmc has both control cells and IL-4 cells of NK (natural killer cell)."
    )


def test_a_perturbation_that_no_ingested_dataset_has_is_told(view: CatalogView) -> None:
    answer = ask(view, "How would CD14 monocytes respond to IFN-omega?")
    assert not answer.synthetic_control_available
    assert answer.recommendation is ControlStrategy.QUERY_AS_CONTROL
    assert answer.datasets == []
    assert answer.warning == (
        "IFN-omega is known (it is in parse_pbmc) but in no ingested dataset, so there are no matched control cells. "
        "query_as_control compares the prediction with the query cells as they are."
    )


def test_an_observational_question_is_answered_with_query_as_control(view: CatalogView) -> None:
    answer = ask(view, "What do plasmacytoid dendritic cells look like at rest?")
    assert answer.recommendation is ControlStrategy.QUERY_AS_CONTROL
    assert answer.perturbation is None
    assert answer.warning is not None
    assert answer.warning.startswith("The question names no perturbation")


def test_what_was_not_recognised_is_told(view: CatalogView) -> None:
    answer = ask(view, "How would monocytes respond to foobarin?")
    assert not answer.synthetic_control_available
    assert answer.warning is not None
    assert "No perturbation was recognised. Not recognised: foobarin." in answer.warning
    assert '"monocytes" as the cell type monocyte (CL:0000576)' in answer.warning


def test_a_question_that_names_nothing_known_says_so(view: CatalogView) -> None:
    answer = ask(view, "What is the weather like in Paris?")
    assert (answer.cell_type, answer.perturbation) == (None, None)
    assert answer.recommendation is ControlStrategy.QUERY_AS_CONTROL
    assert answer.warning is not None
    assert answer.warning.startswith(
        "Neither a cell type nor a perturbation was recognised. Not recognised: weather, Paris."
    )


def test_two_things_that_match_equally_are_both_told(view: CatalogView) -> None:
    answer = ask(view, "How would naive B cells respond to IL-4 and IFN-gamma?")
    assert answer.perturbation is not None
    assert answer.perturbation.candidates == ["IL-4", "IFN-gamma"]
    assert answer.warning == "The question fits several perturbations (IL-4, IFN-gamma); IL-4 is taken."


def test_a_misspelt_name_is_told(view: CatalogView) -> None:
    answer = ask(view, "How would naive B cells respond to interferron gamma?")
    assert answer.synthetic_control_available
    assert answer.warning == '"interferron gamma" is taken for IFN-gamma.'


def test_cells_of_another_lineage_do_not_stand_in(view: CatalogView) -> None:
    assert nearest_cell_type(view, "small_pbmc", HEPATOCYTE) is None
    answer = ask(view, "How would hepatocytes respond to IFN-gamma?")
    assert not answer.synthetic_control_available
    assert answer.warning is not None
    assert answer.warning.startswith("No cells related to hepatocyte were given IFN-gamma in small_pbmc.")


def test_the_nearest_cell_type_comes_with_its_distance(view: CatalogView) -> None:
    found = nearest_cell_type(view, "small_pbmc", CD14_MONOCYTE)
    assert found is not None
    assert (found[0].label, found[1]) == ("MDC", 2)
    exact = nearest_cell_type(view, "small_pbmc", NK)
    assert exact is not None
    assert (exact[0].label, exact[1]) == ("NK", 0)


def test_kinds_of_the_asked_type_come_first_those_with_most_cells_before() -> None:
    near = near_cell_types(small_pbmc(), T_CELL)
    kinds = [item.entry.label for item in near if item.is_kind]
    assert kinds[0] == "CD8_T"
    assert set(kinds) == {"CD8_T", "CD4_T", "Treg", "gdT"}
    assert [item.is_kind for item in near] == sorted((item.is_kind for item in near), reverse=True)


def test_a_label_without_a_term_is_found_by_itself(view: CatalogView) -> None:
    assert near_cell_types(small_pbmc(), "cluster 7") == []
    found = nearest_cell_type(view, "small_pbmc", "mast")
    assert found is not None
    assert found[1] == 0


def test_an_unknown_dataset_is_not_found(view: CatalogView) -> None:
    with pytest.raises(DatasetNotFound):
        nearest_cell_type(view, "nonsense", NK)


def test_datasets_that_are_not_ingested_have_no_matched_controls() -> None:
    assert matched_controls(CatalogView(small_view().datasets[:2]), "IFN-gamma", CD14_MONOCYTE) == []


def test_several_ingested_datasets_are_told_and_their_controls_added_up() -> None:
    view = small_view(small_pbmc("first"), small_pbmc("second"))
    answer = ask(view, "How would CD14 monocytes respond to IFN-gamma?")
    assert answer.datasets == ["first", "second"]
    assert answer.control_cells_found == 60
