"""The reference datasets and perturbations, compared with their publications."""

from shared import data
from shared.catalog.ontology import cell_ontology
from shared.catalog.reference import datasets, perturbations
from shared.resolver.controls import is_control
from shared.resolver.labels import cell_type_entry


def test_the_three_reference_datasets_are_known_and_not_ingested() -> None:
    assert [entry.name for entry in datasets()] == ["parse_pbmc", "openproblems", "tabula_sapiens"]
    assert not any(entry.ingested or entry.atlas or entry.groups for entry in datasets())


def test_published_sizes_are_given_and_unknown_ones_are_not_made_up() -> None:
    sizes = {entry.name: (entry.n_cells, entry.n_genes) for entry in datasets()}
    assert sizes == {
        "parse_pbmc": (9_697_974, 40_352),
        "openproblems": (None, None),
        "tabula_sapiens": (1_136_218, 61_806),
    }


def test_numbers_of_conditions_and_cell_types_are_as_published() -> None:
    numbers = {entry.name: (len(entry.conditions), len(entry.cell_types)) for entry in datasets()}
    assert numbers == {"parse_pbmc": (91, 18), "openproblems": (147, 7), "tabula_sapiens": (0, 175)}
    assert len(perturbations()) == 90 + 146


def test_each_dataset_with_conditions_has_one_control_that_is_not_a_perturbation() -> None:
    controls = {e.name: [c.label for c in e.conditions if c.is_control] for e in datasets() if e.conditions}
    assert controls == {"parse_pbmc": ["PBS"], "openproblems": ["Dimethyl Sulfoxide"]}
    assert not any(is_control(name) for name in perturbations())


def test_every_cell_type_stands_for_a_term() -> None:
    for entry in datasets():
        for cell_type in entry.cell_types:
            assert cell_type.cell_ontology_id is not None, cell_type.label
            assert cell_ontology().term(cell_type.cell_ontology_id) is not None, cell_type.label


def test_labels_of_the_reference_datasets_map_to_the_terms_of_their_authors() -> None:
    wrong = [
        (cell_type.label, cell_type.cell_ontology_label, cell_type_entry(cell_type.label).cell_ontology_label)
        for entry in datasets()
        for cell_type in entry.cell_types
        if cell_type_entry(cell_type.label) != cell_type
    ]
    assert wrong == []


def test_a_cytokine_has_genes_receptors_family_and_synonyms() -> None:
    interferon = perturbations()["IFN-gamma"]
    assert interferon.kind == "cytokine"
    assert interferon.targets == ("IFNG",)
    assert interferon.receptors == ("IFNGR1", "IFNGR2")
    assert interferon.family == "interferon"
    assert {"IFNG", "IFN-γ", "Interferon gamma"} <= set(interferon.synonyms)


def test_a_compound_is_known_by_the_names_inside_its_name() -> None:
    assert set(perturbations()["Ganetespib (STA-9090)"].synonyms) == {"Ganetespib", "STA-9090"}
    assert "SAHA" in perturbations()["Vorinostat"].synonyms
    assert "Pitavastatin" in perturbations()["Pitavastatin Calcium"].synonyms
    assert "hydrochloride" not in perturbations()["AMD-070 (hydrochloride)"].synonyms


def test_no_synonym_repeats_the_name_in_another_case() -> None:
    for perturbation in perturbations().values():
        names = [perturbation.name, *perturbation.synonyms]
        assert len({name.lower() for name in names}) == len(names), perturbation.name


def test_names_added_by_hand_mean_perturbations_that_exist() -> None:
    for row in data.table("perturbation_names"):
        names = [name.removeprefix("~") for name in row["means"].split("|")]  # a ~ marks a close variant
        assert set(filter(None, names)) <= perturbations().keys(), row["name"]


def test_cell_type_names_added_by_hand_name_terms_that_exist() -> None:
    for row in data.table("cell_type_names"):
        term = cell_ontology().term(row["cl_id"])
        assert term is not None, row["name"]
        assert term.label == row["cl_label"], row["name"]
        assert row["where"] in {"any", "label", "alone"}, row["name"]
