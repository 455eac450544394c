"""The catalog as one question sees it."""

import pytest

from shared.catalog.entries import CellTypeEntry, ConditionEntry, DatasetEntry, GroupCount
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView, cells_in
from shared.errors import DatasetNotFound
from tests.support.catalogs import CELL_TYPES, large_entry, small_pbmc, small_view


@pytest.fixture(scope="module")
def view() -> CatalogView:
    return small_view()


def test_datasets_come_by_name_whether_ingested_or_not(view: CatalogView) -> None:
    assert view.dataset_names() == ["openproblems", "parse_pbmc", "small_pbmc", "tabula_sapiens"]
    assert [entry.name for entry in view.ingested] == ["small_pbmc"]
    assert view.dataset("small_pbmc").title == "Small PBMC"


def test_an_ingested_dataset_takes_the_place_of_the_reference_dataset_of_its_name() -> None:
    view = CatalogView(datasets(), [small_pbmc("parse_pbmc")])
    assert view.dataset("parse_pbmc").title == "Small PBMC"
    assert len(view.datasets) == 3


def test_an_unknown_dataset_is_an_error_that_lists_the_known_ones(view: CatalogView) -> None:
    for method in (view.dataset, view.perturbations, view.cell_types):
        with pytest.raises(DatasetNotFound, match="openproblems, parse_pbmc, small_pbmc, tabula_sapiens"):
            method("nonsense")


def test_perturbations_of_all_datasets_are_the_reference_ones_each_once(view: CatalogView) -> None:
    names = [info.name for info in view.perturbations()]
    assert len(names) == len(set(names)) == 90 + 146
    assert names == sorted(names, key=str.casefold)


@pytest.mark.parametrize("dataset", [None, "small_pbmc", "parse_pbmc", "openproblems"])
def test_controls_are_never_perturbations(view: CatalogView, dataset: str | None) -> None:
    names = {info.name for info in view.perturbations(dataset)}
    assert names
    assert not names & {"PBS", "Dimethyl Sulfoxide", "DMSO"}


def test_a_perturbation_lists_its_datasets_and_counts_its_cells(view: CatalogView) -> None:
    info = next(info for info in view.perturbations() if info.name == "IFN-gamma")
    assert info.type == "cytokine"
    assert info.targets == ["IFNG"]
    assert info.receptors == ["IFNGR1", "IFNGR2"]
    assert info.family == "interferon"
    assert "IFNG" in info.synonyms
    assert info.datasets == ["parse_pbmc", "small_pbmc"]
    assert info.cell_count == 60 + 9 * 30 + 25
    assert info.control_count == 60 + 9 * 30 + 20 + 9


def test_a_perturbation_that_is_nowhere_ingested_has_no_counts(view: CatalogView) -> None:
    info = next(info for info in view.perturbations("parse_pbmc") if info.name == "IFN-gamma")
    assert (info.datasets, info.cell_count, info.control_count) == (["parse_pbmc"], None, None)


def test_a_perturbation_unknown_to_the_reference_data_is_listed_by_its_label() -> None:
    entry = small_pbmc().model_copy(
        update={"conditions": [ConditionEntry(label="stim", perturbation="stim", kind="other", is_control=False)]}
    )
    (info,) = CatalogView([], [entry]).perturbations()
    assert (info.name, info.type, info.synonyms, info.cell_count) == ("stim", "other", [], 0)


def test_labels_of_the_same_term_are_one_cell_type(view: CatalogView) -> None:
    infos = [info for info in view.cell_types() if info.cell_ontology_id == "CL:0000815"]
    assert len(infos) == 1
    assert infos[0].name == "regulatory T cell"
    assert infos[0].datasets == ["openproblems", "parse_pbmc", "small_pbmc", "tabula_sapiens"]
    assert {"Treg", "T regulatory cells"} <= set(infos[0].synonyms)
    assert infos[0].cell_count == 90


def test_cell_types_of_one_dataset_are_its_own(view: CatalogView) -> None:
    assert len(view.cell_types("small_pbmc")) == len(CELL_TYPES)
    assert len(view.cell_types("parse_pbmc")) == 18
    assert all(info.cell_count is None for info in view.cell_types("parse_pbmc"))


def test_a_label_without_a_term_is_a_cell_type_by_its_label() -> None:
    entry = DatasetEntry(
        name="odd", title="", description="", licence="", source="", ingested=True, donors=["d"],
        cell_types=[CellTypeEntry(label="cluster 7", cell_ontology_id=None, cell_ontology_label=None)],
        groups=[GroupCount(cell_type="cluster 7", condition="PBS", cells=3, donors=[3])],
    )  # fmt: skip
    (info,) = CatalogView([], [entry]).cell_types()
    assert (info.name, info.cell_ontology_id, info.cell_count) == ("cluster 7", None, 3)


def test_an_empty_catalog_has_nothing() -> None:
    view = CatalogView([])
    assert (view.dataset_names(), view.perturbations(), view.cell_types()) == ([], [], [])


def test_a_copy_with_other_groups_has_an_index_of_its_own() -> None:
    entry = small_pbmc()
    assert cells_in(entry) > 0
    assert cells_in(entry.model_copy(update={"groups": []})) == 0
    assert cells_in(entry) == entry.n_cells


def test_an_index_counts_like_a_search() -> None:
    entry = large_entry(conditions=40, cell_types=3, donors=2)
    some = ["GENE1", "GENE2", "GENE2", "non-targeting", "unknown"]
    for conditions in (None, some, []):
        for cell_type in (None, "NK", "unknown"):
            expected = sum(
                group.cells
                for group in entry.groups
                if (conditions is None or group.condition in conditions) and cell_type in {None, group.cell_type}
            )
            assert cells_in(entry, conditions=conditions, cell_type=cell_type) == expected


def test_an_entry_is_equal_and_stored_alike_with_and_without_its_index() -> None:
    entry, other = small_pbmc(), small_pbmc()
    assert entry.counts.controls == ["PBS"]
    assert entry == other
    assert entry.model_dump_json() == other.model_dump_json()


def test_the_perturbations_of_a_screen_are_looked_up_and_not_searched() -> None:
    """A search would take minutes: 10,000 perturbations × 50,000 groups."""
    view = CatalogView([], [large_entry()])
    found = {info.name: info for info in view.perturbations()}
    assert len(found) == 10_000
    assert found["GENE7"].cell_count == cells_in(large_entry(), conditions=["GENE7"])
    assert view.describe("guides").perturbations == 10_000
