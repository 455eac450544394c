"""What the columns of many kinds of files are taken for."""

from collections.abc import Sequence
from itertools import cycle, islice

import numpy as np
import pandas as pd
import pytest

from orchestrator.atlas.errors import AtlasUnusable
from orchestrator.ingest.donors import ONE_DONOR
from orchestrator.ingest.labels import understand
from orchestrator.ingest.meaning import Meaning
from orchestrator.ingest.options import Options
from orchestrator.ingest.summary import WIDTH, summary
from shared.resolver.controls import is_control
from shared.resolver.labels import condition_entry
from shared.resolver.placeholders import is_absent

CELLS = 240


def obs(**columns: Sequence[object] | None) -> pd.DataFrame:
    """Return cells of two types in two donors, ctrl and IFN-beta, with these columns instead; None takes a column away."""
    labels: dict[str, Sequence[object] | None] = {
        "cell_type": ["CD14 Mono", "B"],
        "condition": ["ctrl", "ctrl", "IFN-beta", "IFN-beta"],
        "donor": ["P1"] * 4 + ["P2"] * 4,
        **columns,
    }
    return pd.DataFrame({name: list(islice(cycle(each), CELLS)) for name, each in labels.items() if each is not None})


def named(found: Meaning) -> dict[str, str | None]:
    """Return the perturbation of each condition label; None for a control."""
    return {each.label: each.perturbation for each in found.conditions}


def refusal(cells: pd.DataFrame, options: Options | None = None) -> str:
    with pytest.raises(AtlasUnusable) as refused:
        understand(cells, options or Options())
    return str(refused.value)


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        (["ctrl", "IFN-beta", "TNF-alpha", "IFN-beta+TNF-alpha"], "IFN-beta + TNF-alpha"),
        (["PBS", "IFNb", "IFNb_TNFa"], "IFN-beta + TNF-alpha"),
        (["PBS", "IFNB & TNF"], "IFN-beta + TNF-alpha"),
        (["PBS", "TGFb1/IL-6"], "IL-6 + TGF-beta1"),
        (["PBS", "IFN-gamma and foobarin"], "foobarin + IFN-gamma"),
        (["DMSO", "DMSO + Dabrafenib"], "Dabrafenib"),
        (["unstim", "IFNb_10ng", "IFNb_100ng"], "IFN-beta 100 ng/mL"),
        (["unstim", "IFNb_6h", "IFNb_24h"], "IFN-beta, 6 h"),
        (["unstim", "IFNb_10ng_6h", "IFNb_1ng_24h"], "IFN-beta 10 ng/mL, 6 h"),
        (["ctrl", "KLF1+ctrl", "KLF1+MAP2K6"], "KLF1 + MAP2K6 knockout"),
        (["sgNT-1", "sgNT-2", "sgKLF1-1", "sgKLF1-2"], "KLF1 knockout"),
        (["AAVS1", "KLF1_g1", "STAT1_g2"], "STAT1 knockout"),
        (["non-targeting", "KLF1", "STAT1"], "KLF1 knockout"),
        (["NegCtrl0_NegCtrl0", "KLF1_NegCtrl0", "KLF1_STAT1"], "KLF1 + STAT1 knockout"),
        (["safe-targeting", "STAT1_KO"], "STAT1 knockout"),
        (["NT", "IFNG", "TNF"], "IFN-gamma"),
    ],
)
def test_conditions_are_kept_apart_and_named_canonically(labels: list[str], wanted: str) -> None:
    found = understand(obs(condition=labels, cell_type=["CD14 Mono"], donor=None), Options())
    assert wanted in named(found).values()
    assert sum(each.is_control for each in found.conditions) >= 1
    assert found.n_cells == CELLS


def test_doses_in_a_column_of_their_own_are_conditions_of_their_own() -> None:
    """Regression: a high dose was averaged with a low one that does nothing."""
    found = understand(obs(dose=[0.01, 0.01, 0.01, 100.0]), Options())
    assert named(found) == {
        "ctrl": None,
        "IFN-beta dose 0.01": "IFN-beta dose 0.01",
        "IFN-beta dose 100": "IFN-beta dose 100",
    }
    assert {each.agent for each in found.conditions if not each.is_control} == {"IFN-beta"}
    assert understand(obs(dose=[0.01, 0.01, 0.01, 100.0]), Options(dose_column="none")).conditions[0].dose is None


@pytest.mark.parametrize(
    ("column", "doses"),
    [
        ({"dose_ng_ml": [0, 0, 10, 100]}, {"10 ng/mL", "100 ng/mL"}),
        ({"concentration": ["", "", "10 nM", "1uM"]}, {"10 nM", "1 µM"}),
        ({"dose": [None, None, 5, 50], "dose_unit": ["nM"]}, {"5 nM", "50 nM"}),
        ({"dose": ["NA", "NA", "low", "high"]}, {"low dose", "high dose"}),
    ],
)
def test_units_of_doses_are_read(column: dict[str, list[object]], doses: set[str]) -> None:
    found = understand(obs(**column), Options())
    assert {each.dose for each in found.conditions if not each.is_control} == doses


def test_times_have_the_controls_of_the_same_time() -> None:
    found = understand(obs(time=["6h", "24h", "6h", "24h"], cell_type=["B"]), Options())
    controls = {each.perturbation: each.controls for each in found.conditions if not each.is_control}
    assert controls == {"IFN-beta, 24 h": ["ctrl, 24 h"], "IFN-beta, 6 h": ["ctrl, 6 h"]}


def test_cells_at_dose_0_of_a_drug_are_left_out() -> None:
    found = understand(obs(dose=[0, 0, 0, 5], cell_type=["B"]), Options())
    assert found.n_cells == CELLS * 3 // 4
    assert any("dose 0" in note for note in found.notes)


def test_several_kinds_of_controls_demand_a_choice() -> None:
    """Regression: a vehicle and untreated cells were pooled, and the vehicle's effect was reported as the perturbation's."""
    cells = obs(condition=["DMSO", "untreated", "IFN-beta"])
    text = refusal(cells)
    assert "--control DMSO --exclude untreated" in text
    assert "--control-for IFN-beta=DMSO" in text
    chosen = understand(cells, Options(controls=("DMSO",), excluded=("untreated",)))
    assert named(chosen) == {"DMSO": None, "IFN-beta": "IFN-beta"}
    only = understand(cells, Options(controls=("DMSO",)))
    assert named(only) == named(chosen)
    assert any("untreated" in warning for warning in only.warnings)


def test_a_condition_can_have_a_control_of_its_own() -> None:
    cells = obs(condition=["DMSO", "untreated", "IFN-beta", "Dabrafenib"])
    options = Options(controls=("untreated",), controls_for={"Dabrafenib": "DMSO"})
    found = {each.label: each for each in understand(cells, options).conditions}
    assert found["Dabrafenib"].controls == ["DMSO"]
    assert found["IFN-beta"].controls == ["untreated"]
    assert found["DMSO"].is_control
    assert "Dabrafenib" not in refusal(obs(condition=["DMSO", "untreated", "IFN-beta"]))
    assert "no condition" in refusal(cells, Options(controls_for={"IFN-beta": "PBS", "Dabrafenib": "DMSO"}))


@pytest.mark.parametrize(
    ("one", "other"), [("ctrl", "Control"), ("PBS", "PBS_2"), ("DMSO 0.1%", "DMSO"), ("sgNT", "AAVS1")]
)
def test_spellings_of_one_control_are_pooled_with_a_note(one: str, other: str) -> None:
    found = understand(obs(condition=[one, other, "IFN-beta"]), Options())
    assert sorted(label for label, name in named(found).items() if name is None) == sorted([one, other])
    assert any("pooled" in note for note in found.notes)


@pytest.mark.parametrize(
    "label", ["None", "nan", "unassigned", "Unknown", "Doublet", "Negative", "ambiguous", "NA", "", "no guide"]
)
def test_unassigned_cells_are_left_out_and_counted(label: str) -> None:
    """Regression: cells without a guide were taken as controls."""
    found = understand(obs(condition=["ctrl", label, "IFN-beta"]), Options())
    assert named(found) == {"ctrl": None, "IFN-beta": "IFN-beta"}
    assert found.left_out == {f"condition {label!r}": CELLS // 3}
    kept = understand(obs(condition=[label, "IFN-beta"]), Options(controls=(label,)))
    assert named(kept) == {label: None, "IFN-beta": "IFN-beta"}


def test_cell_types_that_were_not_assigned_are_left_out() -> None:
    found = understand(obs(cell_type=["B", "B", "doublets", "NK"]), Options())
    assert [each.label for each in found.cell_types] == ["B", "NK"]
    assert found.left_out == {"cell_type 'doublets'": CELLS // 4}


@pytest.mark.parametrize("label", ["stim", "treated", "1", "stimulated", "yes"])
def test_a_condition_without_a_name_must_be_named(label: str) -> None:
    text = refusal(obs(condition=["ctrl", label]))
    assert f"--rename {label}=IFN-beta" in text
    found = understand(obs(condition=["ctrl", label]), Options(renamed={label: "IFN-beta"}))
    assert named(found) == {"ctrl": None, "IFN-beta": "IFN-beta"}


def test_a_column_of_true_and_false_needs_a_name_and_has_its_control() -> None:
    cells = obs(condition=None, stim=[True, False])
    assert "--rename True=IFN-beta" in refusal(cells)
    assert named(understand(cells, Options(renamed={"True": "IFNb"}))) == {"False": None, "IFNb": "IFN-beta"}


def test_another_column_may_name_the_condition() -> None:
    found = understand(obs(condition=None, stim=[True, False], agonist=["IFNb"]), Options())
    assert named(found) == {"False": None, "IFN-beta": "IFN-beta"}
    assert any("agonist" in note for note in found.notes)


def test_a_column_with_names_is_preferred_to_one_without() -> None:
    found = understand(obs(condition=None, group=["ctrl", "stim"], cytokine=["PBS", "IFN-gamma"]), Options())
    assert found.columns.condition.column == "cytokine"


def test_conditions_are_found_by_what_they_say() -> None:
    found = understand(obs(condition=None, arm_of_trial=["PBS", "IFN-gamma", "TNF-alpha"]), Options())
    assert found.columns.condition.column == "arm_of_trial"
    assert "control" in found.columns.condition.why


def test_annotated_names_are_preferred_to_numbers_of_clusters() -> None:
    cells = obs(cell_type=None, cluster_id=[1, 2], seurat_clusters=["0", "1"], my_names=["CD14+ Monocytes", "NK cells"])
    found = understand(cells, Options())
    assert found.columns.cell_type.column == "my_names"


def test_replicates_are_no_cell_types() -> None:
    """Regression: "r1" and "r2" were taken for photoreceptors, and the cell line was not."""
    found = understand(obs(cell_type=["A549"], replicate=["r1", "r2"]), Options())
    assert (found.columns.cell_type.column, found.columns.replicate) == ("cell_type", "replicate")


def test_cellxgene_columns_are_used_as_they_are() -> None:
    cells = obs(
        cell_type=["classical monocyte", "natural killer cell"],
        cell_type_ontology_term_id=["CL:0000860", "CL:0000623"],
        donor=None,
        donor_id=["D1", "D1", "D1", "D1", "D2"],
        disease=["normal", "COVID-19"],
        tissue=["blood"],
    )
    found = understand(cells, Options())
    assert {each.label: each.cell_ontology_id for each in found.cell_types} == {
        "classical monocyte": "CL:0000860",
        "natural killer cell": "CL:0000623",
    }
    assert found.columns.donor is not None
    assert (found.columns.condition.column, found.columns.donor.column) == ("condition", "donor_id")
    assert found.columns.described == ("disease", "tissue")


def test_a_disease_is_a_condition_only_if_a_person_says_so() -> None:
    cells = obs(condition=None, disease=["normal", "COVID-19"])
    assert "--condition-column" in refusal(cells)
    found = understand(cells, Options(condition_column="disease", controls=("normal",)))
    assert set(named(found)) == {"normal", "COVID-19"}


def test_without_a_donor_column_all_cells_are_of_one_donor() -> None:
    found = understand(obs(donor=None), Options())
    assert {group.donor for group in found.rows} == {ONE_DONOR}
    assert any("one donor" in note for note in found.notes)


def test_a_donor_column_is_preferred_to_samples() -> None:
    found = understand(obs(sample_id=["s1", "s2", "s3", "s4"], donor=None, patient=["A"] * 4 + ["B"] * 4), Options())
    assert found.columns.donor is not None
    assert found.columns.donor.column == "patient"
    assert found.arms.both == ["A", "B"]


def test_wells_are_no_donors() -> None:
    found = understand(obs(donor=None, sample_id=["A1", "A2", "B1", "B2"]), Options())
    assert found.columns.donor is None


def test_sample_names_that_contain_the_condition_are_repaired() -> None:
    found = understand(
        obs(donor=None, sample_id=["ctrl101", "ctrl107", "stim101", "stim107"], cell_type=["B"]), Options()
    )
    assert found.arms.both == ["101", "107"]


def test_donors_that_decide_the_condition_are_said_loudly() -> None:
    """Regression: two people, one per arm, made an answer about the perturbation."""
    cells = obs(donor=["P1", "P1", "P2", "P2"])
    found = understand(cells, Options())
    assert found.arms.both == []
    lines = summary("x", found)
    assert lines[1].startswith("WARNING       NO DONOR HAS BOTH ARMS")
    assert understand(cells, Options(donor_column="none")).arms.both == [ONE_DONOR]


def test_a_donor_in_one_arm_only_is_a_warning() -> None:
    found = understand(obs(donor=["P1", "P1", "P1", "P2"]), Options())
    assert any("Donors without control cells: P2" in warning for warning in found.warnings)


def test_a_cell_type_with_too_few_controls_is_a_warning() -> None:
    cells = obs(cell_type=["B", "B", "B", "pDC"])
    cells = cells[~((cells["cell_type"] == "pDC") & (np.arange(CELLS) % 8 == 3))]
    cells = cells[~((cells["cell_type"] == "B") & (cells["condition"] == "ctrl") & (np.arange(len(cells)) > 10))]
    found = understand(cells, Options())
    assert any("cannot be asked about" in warning and "B" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("technique", "action"),
    [(["CRISPRa"], "overexpression"), (["CRISPRi"], "knockdown"), (["CRISPR-cas9"], "knockout")],
)
def test_the_technique_of_a_screen_is_read(technique: list[str], action: str) -> None:
    found = understand(obs(condition=["non-targeting", "KLF1"], perturbation_type=technique), Options())
    assert f"KLF1 {action}" in named(found).values()
    given = understand(obs(condition=["non-targeting", "KLF1"]), Options(guides="overexpression"))
    assert "KLF1 overexpression" in named(given).values()


def test_labels_that_the_file_lacks_are_refused() -> None:
    for options in (Options(controls=("PBS",)), Options(excluded=("stimm",)), Options(renamed={"stimm": "IFN-beta"})):
        assert "its labels: ctrl, IFN-beta" in refusal(obs(), options)


def test_a_file_without_perturbed_cells_is_refused() -> None:
    assert "nothing to predict" in refusal(obs(condition=["ctrl", "Control"]))


def test_the_rows_of_all_groups_are_all_cells_once() -> None:
    cells = obs(condition=["ctrl", "IFN-beta", "None"], donor=["P1", "P2", None, "P2", "P1"])
    found = understand(cells, Options())
    rows = np.concatenate(list(found.rows.values()))
    wanted = np.flatnonzero((cells["condition"] != "None") & cells["donor"].notna())
    assert sorted(rows.tolist()) == wanted.tolist()
    for group, own in found.rows.items():
        assert (cells["donor"].to_numpy()[own] == group.donor).all()
        assert (cells["condition"].to_numpy()[own] == group.condition).all()
        assert np.array_equal(own, np.sort(own))


def test_a_summary_fits_80_columns_and_says_every_choice() -> None:
    many = ["ctrl", *(f"compound number {number} of a very long name" for number in range(30))]
    for cells in (obs(), obs(condition=many, cell_type=["B"], donor=None), obs(dose=[1, 1, 1, 10])):
        lines = summary("x", understand(cells, Options()), [("genes", "1,500, 80% known")])
        assert all(len(line) <= WIDTH for line in lines)
        text = "\n".join(lines)
        assert all(name in text for name in ("cell type", "condition", "donor", "controls", "cells of", "1,500"))
        assert "\x1b" not in text


def test_10_000_guides_are_read_from_their_labels_not_from_cells() -> None:
    labels = ["non-targeting", *(f"KLF{number}_g1" for number in range(9_999))]
    codes = np.random.default_rng(0).integers(0, len(labels), 200_000)
    cells = pd.DataFrame(
        {"guide": pd.Categorical.from_codes(codes, labels), "cell_type": pd.Categorical(["B"] * 200_000)}
    )
    found = understand(cells, Options())
    assert len(found.conditions) == len(np.unique(codes))
    assert found.n_cells == 200_000


def test_spaces_around_labels_make_no_donors_types_or_conditions_of_their_own() -> None:
    found = understand(
        obs(
            cell_type=["B", "B "],
            condition=["ctrl"] * 2 + ["ctrl "] * 2 + ["IFN-beta"] * 2 + [" IFN-beta"] * 2,
            donor=["P1", "P1", "P1 ", "P1 ", "P2", "P2 ", "P2", "P2 ", "P2"],
        ),
        Options(),
    )
    assert {(each.donor, each.cell_type, each.condition) for each in found.rows} == {
        (donor, "B", condition) for donor in ("P1", "P2") for condition in ("ctrl", "IFN-beta")
    }


@pytest.mark.parametrize("column", ["cell_type", "cell_type_ontology_term_id"])
def test_cell_ontology_ids_alone_name_cell_types(column: str) -> None:
    found = understand(obs(**{"cell_type": None, column: ["CL:0001054", "CL:0000236"]}), Options())
    assert found.columns.cell_type.column == column
    assert [each.cell_ontology_label for each in found.cell_types] == ["B cell", "CD14-positive monocyte"]


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("perturbation_2", ["control", "IFNg", "control", "IFNg", "IFNg"]),
        ("drug", ["none", "Ruxolitinib", "none"]),
        ("drug", [None, "Ruxolitinib", None]),
        ("genotype", ["WT", "STAT1_KO", "WT"]),
    ],
)
def test_a_second_treatment_is_combined_with_the_first(name: str, labels: list[str | None]) -> None:
    """Regression: cells that differed in a second treatment were pooled, with a warning at best."""
    cells = obs(cell_type=["B"], **{name: labels})
    found = understand(cells, Options())
    (second,) = {label for label in labels if label and not (is_control(label) or is_absent(label))}
    other = condition_entry(second).perturbation
    assert set(filter(None, named(found).values())) == {
        "IFN-beta",
        other,
        " + ".join(sorted(["IFN-beta", str(other)], key=str.casefold)),
    }
    assert any(f"condition, {name} act together" in note for note in found.notes)
    assert found.n_cells == CELLS
    (warning,) = understand(cells, Options(condition_column="condition")).warnings
    assert f"give --condition-column condition+{name}" in warning


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("treatment", ["PBS", "PBS", "cytokine", "cytokine"]),
        ("guide_id", ["sgNT-1", "sgNT-2", "sgSTAT1-1", "sgSTAT1-2"]),
        ("guide_id", ["sgNT-1", None, "sgSTAT1-1", None]),
    ],
)
def test_a_column_that_repeats_or_refines_the_conditions_is_no_second_treatment(
    name: str, labels: list[str | None]
) -> None:
    cells = obs(condition=["ctrl", "ctrl", "STAT1", "STAT1"], **{name: labels})
    assert not any("also looks" in each for each in understand(cells, Options(condition_column="condition")).warnings)


def test_the_project_that_seurat_writes_into_every_cell_is_no_donor() -> None:
    found = understand(obs(donor=None, **{"orig.ident": ["SeuratProject"]}), Options())
    assert found.columns.donor is None


def test_conditions_of_0_and_1_are_found_in_a_column_of_floats() -> None:
    assert "--rename 1=IFN-beta" in refusal(obs(condition=[0.0, 0.0, 1.0, 1.0]))


def test_doses_of_one_number_in_several_units_stay_apart() -> None:
    found = understand(
        obs(
            condition=["DMSO", "Dabrafenib", "Dabrafenib", "DMSO"],
            dose=[0.0, 10.0, 10.0, 0.0],
            dose_unit=["%", "nM", "uM", "%"],
        ),
        Options(),
    )
    assert {each.perturbation for each in found.conditions} == {None, "Dabrafenib 10 nM", "Dabrafenib 10 µM"}


def test_a_cell_without_several_labels_is_counted_once() -> None:
    found = understand(
        obs(
            condition=[None, "ctrl", "ctrl", "IFN-beta", "IFN-beta"],
            donor=[None, "P1", "P2", "P1", "P2"],
            cell_type=["B"],
        ),
        Options(),
    )
    assert sum(found.left_out.values()) == found.n_file - found.n_cells == CELLS // 5


def test_a_dose_of_0_in_a_label_is_no_perturbation() -> None:
    cells = obs(condition=["PBS", "PBS", "IFN-beta 0 ng/mL", "IFN-beta 10 ng/mL", "IFN-beta 10 ng/mL"])
    found = understand(cells, Options())
    assert named(found) == {"PBS": None, "IFN-beta 10 ng/mL": "IFN-beta"}
    assert "--control 'IFN-beta 0 ng/mL'" in found.warnings[0]
    found = understand(cells, Options(controls=("IFN-beta 0 ng/mL",)))
    assert named(found) == {"IFN-beta 0 ng/mL": None, "IFN-beta 10 ng/mL": "IFN-beta"}


def test_forms_that_are_taken_as_one_perturbation_are_a_warning() -> None:
    (warning,) = understand(obs(condition=["ctrl", "IL-12", "IL-12p70"]), Options()).warnings
    assert warning.startswith("IL-12, IL-12p70 are taken as one perturbation, IL-12")


def test_subtypes_of_interferon_alpha_are_perturbations_of_their_own() -> None:
    """Regression: cells under IFNA2 and IFN-alpha1 were pooled, and a question about either was answered from both."""
    cells = obs(cell_type=["B"], condition=["PBS", "IFN-alpha1", "IFNA2", "IFN-\N{GREEK SMALL LETTER ALPHA}2b"])
    found = understand(cells, Options())
    assert sorted(filter(None, named(found).values())) == ["IFN-alpha1", "IFN-alpha2", "IFN-alpha2b"]
    assert {each.kind for each in found.conditions} == {"control", "cytokine"}
    assert not found.warnings


def test_accession_numbers_of_samples_hide_no_donors() -> None:
    samples = ["GSM100_P1_ctrl", "GSM101_P1_stim", "GSM102_P2_ctrl", "GSM103_P2_stim"]
    found = understand(obs(donor=None, sample=samples, condition=["ctrl", "IFN-beta"]), Options())
    assert found.arms.both == ["P-1", "P-2"]
    found = understand(
        obs(donor=None, sample=["GSM100_ctrl", "GSM101_stim"], condition=["ctrl", "IFN-beta"]), Options()
    )
    assert not found.arms.both


def test_two_columns_that_a_person_names_act_together() -> None:
    cells = obs(
        condition=None, drug=["DMSO", "Dasatinib", "DMSO", "Dasatinib"], cytokine=["PBS", "PBS", "IFNb", "IFNb"]
    )
    for options in (Options(condition_column="drug+cytokine"), Options()):
        found = understand(cells, options)
        assert set(named(found).values()) == {None, "Dasatinib", "IFN-beta", "Dasatinib + IFN-beta"}
        assert [each.label for each in found.conditions if each.is_control] in (["DMSO + PBS"], ["PBS + DMSO"])
    assert set(named(understand(cells, Options(condition_column="drug"))).values()) == {None, "Dasatinib"}


def test_a_second_treatment_of_some_perturbed_cells_is_not_missed() -> None:
    """Regression: "none" was taken for an unassigned label, so that cells with and without TNF were pooled without a word."""
    cells = obs(cell_type=["B"], condition=["ctrl", "IFN-beta", "IFN-beta"], treatment2=["none", "none", "TNF-alpha"])
    assert set(named(understand(cells, Options())).values()) == {None, "IFN-beta", "IFN-beta + TNF-alpha"}


def test_guides_and_a_stimulation_act_together() -> None:
    cells = obs(
        cell_type=["B"], condition=None, guide=["NT", "KLF1", None], stimulation=["PBS"] * 3 + ["IFN-gamma"] * 3
    )
    found = understand(cells, Options())
    assert set(named(found).values()) == {None, "IFN-gamma", "KLF1 knockout", "IFN-gamma + KLF1 knockout"}
    assert found.n_cells == CELLS * 2 // 3
    assert found.left_out == {"a missing label": CELLS // 3}  # no guide was found in these cells


def test_a_second_treatment_without_a_name_is_refused_until_it_has_one() -> None:
    cells = obs(cell_type=["B"], condition=None, guide=["NT", "KLF1", "STAT1"], stim=[True] * 3 + [False] * 3)
    text = refusal(cells)
    assert "--rename True=IFN-beta" in text
    assert "--condition-column guide" in text
    found = understand(cells, Options(renamed={"True": "TNF-alpha"}))
    assert "KLF1 knockout + TNF-alpha" in named(found).values()
    assert named(found)["NT"] is None


def test_what_could_not_be_assigned_in_one_column_is_left_out() -> None:
    found = understand(obs(cell_type=["B"], drug=["DMSO", "Dasatinib", "Doublet"]), Options())
    assert found.left_out == {"drug 'Doublet'": CELLS // 3}


@pytest.mark.parametrize(
    ("columns", "times"),
    [
        ({"time": [0, 30, 6, 24], "time_unit": ["min", "min", "h", "h"]}, {"30 min", "6 h", "24 h"}),
        ({"time_value": [0, 6, 24, 2], "time_unit": ["hours", "hours", "hours", "days"]}, {"6 h", "24 h", "48 h"}),
        ({"timepoint_hr": [0, 6, 24, 6]}, {"6 h", "24 h"}),
        (
            {"duration": ["0", "90", "90", "6"], "duration_units": ["min", "min", "min", "h"]},
            {"90 min", "6 h", "1.5 h"},
        ),
    ],
)
def test_units_of_times_are_read(columns: dict[str, list[object]], times: set[str]) -> None:
    """Regression: the column of units was ignored, so that 30 min came after 6 h."""
    found = understand(
        obs(cell_type=["B"], condition=["ctrl", "IFN-beta", "IFN-beta", "IFN-beta"], **columns), Options()
    )
    assert {each.time for each in found.conditions if not each.is_control} <= times


def test_units_may_differ_between_cells_of_one_dose_column() -> None:
    cells = obs(
        cell_type=["B"], condition=["ctrl", "Dasatinib"], dose_value=[0, 10, 0, 10], dose_unit=["nM", "nM", "nM", "uM"]
    )
    assert {each.dose for each in understand(cells, Options()).conditions} == {None, "10 nM", "10 \N{MICRO SIGN}M"}


@pytest.mark.parametrize(
    ("times", "is_known"),
    [
        (["6h", "1 day", "2 weeks"], True),
        (["early", "intermediate", "late"], True),
        (["6h", "overnight", "day 3"], True),
        (["early", "24h", "late"], False),
        (["visit A", "visit B", "visit C"], False),
    ],
)
def test_the_latest_time_is_said_to_be_unknown_where_it_is(times: list[str], is_known: bool) -> None:
    """Regression: "early", "late" and "24 h" were said to be ordered, and the first of the alphabet was the latest."""
    found = understand(obs(cell_type=["B"], condition=["ctrl", *["IFN-beta"] * 3], time=["", *times]), Options())
    (note,) = [note for note in found.notes if "times of the column time" in note]
    assert ("not known" in note) is not is_known


def test_cells_at_time_0_are_the_control_of_one_treatment() -> None:
    """Regression: a time course of one treatment was refused for want of a control."""
    cells = obs(cell_type=["B"], condition=["LPS"], time=["0h", "6h", "24h"])
    found = understand(cells, Options())
    assert named(found) == {"time=0h": None, "LPS, 6 h": "LPS, 6 h", "LPS, 24 h": "LPS, 24 h"}
    assert any("--control time=0h" in note for note in found.notes)
    assert found.n_cells == CELLS


@pytest.mark.parametrize(
    ("column", "labels", "control"),
    [
        ("timepoint", ["pre", "post"], "timepoint=pre"),
        ("timepoint", ["baseline", "week 4"], "timepoint=baseline"),
        ("dose_nM", [0, 10], "dose_nM=0"),
        ("day", [0, 7], "day=0"),
    ],
)
def test_cells_before_one_treatment_are_its_control(column: str, labels: list[object], control: str) -> None:
    found = understand(
        obs(cell_type=["B"], condition=["Dasatinib"], donor=["P1"] * 2 + ["P2"] * 2, **{column: labels}), Options()
    )
    assert [each.label for each in found.conditions if each.is_control] == [control]
    assert found.arms.both == ["P1", "P2"]


def test_cells_at_time_0_of_several_treatments_are_proposed_as_the_control() -> None:
    cells = obs(cell_type=["B"], condition=["IFN-beta", "TNF-alpha"], time=["0h", "0h", "6h", "6h"])
    assert "such as --control time=0h (possible: time=0h (120 cells))" in refusal(cells)
    found = understand(cells, Options(controls=("time=0h",)))
    assert set(named(found).values()) == {None, "IFN-beta", "TNF-alpha"}


def test_cells_at_time_0_of_a_perturbation_are_left_out_beside_controls() -> None:
    found = understand(
        obs(cell_type=["B"], time=["0h", "0h", "0h", "6h"], donor=["P1", "P1", "P2", "P2"] * 2), Options()
    )
    assert {each.time for each in found.conditions if not each.is_control} == {"6 h"}
    assert any("at time 0 are left out" in note for note in found.notes)


def test_a_control_may_be_named_by_another_column() -> None:
    cells = obs(cell_type=["B"], condition=["Dabrafenib", "Dasatinib"], vehicle=[False, False, True, True])
    assert "--control COLUMN=LABEL" in refusal(cells)
    found = understand(cells, Options(controls=("vehicle=True",)))
    assert set(named(found).values()) == {None, "Dabrafenib", "Dasatinib"}
    assert "its labels" in refusal(cells, Options(controls=("vehicle=maybe",)))


def test_a_time_column_alone_is_said_to_be_able_to_be_the_conditions() -> None:
    text = refusal(obs(condition=None, timepoint=["pre", "post"]))
    assert "--condition-column timepoint --control pre --rename post=NAME" in text


@pytest.mark.parametrize("labels", [["0", "1"], ["ctrl", "stim"], [True, False]])
def test_the_only_perturbation_is_never_to_be_excluded(labels: list[object]) -> None:
    """Regression: the advice was to exclude the only perturbation."""
    assert "--exclude" not in refusal(obs(condition=labels))
    assert "--exclude stim" in refusal(obs(condition=["ctrl", "stim", "IFN-beta"]))


def test_cell_lines_are_cell_types() -> None:
    """Regression: two lines of one type were pooled, or needed --cell-type-column."""
    lines = {"cell_line": ["K562", "Jurkat"], "celltype": ["lymphoblasts"], "sgRNA": ["a", "b"]}
    found = understand(obs(cell_type=None, **lines), Options())
    assert [each.label for each in found.cell_types] == ["Jurkat", "K562"]
    primary = {"cell_line": ["primary"], "celltype": ["B", "NK cell"]}
    assert understand(obs(cell_type=None, **primary), Options()).columns.cell_type.column == "celltype"


@pytest.mark.parametrize("name", ["DonorID", "Donor ID", "donor.id", "DONOR_ID"])
def test_names_of_columns_may_be_written_in_any_way(name: str) -> None:
    """Regression: the donors of a loom file were in DonorID and not found."""
    found = understand(
        obs(donor=None, cell_type=None, **{name: ["P1"] * 4 + ["P2"] * 4, "Cell Type": ["B", "NK"]}), Options()
    )
    assert found.columns.donor is not None
    assert (found.columns.donor.column, found.columns.cell_type.column) == (name, "Cell Type")


def test_hashtags_are_said_to_need_names() -> None:
    tags = ["HTO_1", "HTO_2", "HTO_1", "HTO_2", "Doublet", "Negative"]
    text = refusal(obs(condition=None, donor=None, **{"hash.ID": tags}))
    assert "--condition-column hash.ID --rename HTO_1=ctrl --rename HTO_2=NAME" in text
    assert "--cells TABLE" in text
    options = Options(condition_column="hash.ID", renamed={"HTO_1": "ctrl", "HTO_2": "IFN-beta"})
    found = understand(obs(condition=None, donor=None, **{"hash.ID": tags}), options)
    assert named(found) == {"ctrl": None, "IFN-beta": "IFN-beta"}
    assert set(found.left_out) == {"hash.ID 'Doublet'", "hash.ID 'Negative'"}


def test_a_disease_is_proposed_as_the_condition_but_not_taken() -> None:
    assert "--condition-column disease --control normal" in refusal(obs(condition=None, disease=["COVID-19", "normal"]))


def test_pseudobulk_profiles_are_refused() -> None:
    """Regression: an atlas of one profile for each donor was ingested although no question could be answered from it."""
    cells = obs(donor=[f"P{number}" for number in range(60)], condition=["ctrl"] * 120 + ["IFN-beta"] * 120)
    assert "pseudobulk" in refusal(cells)


def test_a_finer_column_tells_the_doses_of_one_condition_apart() -> None:
    """Regression: doses that only a second label says were pooled."""
    full = ["ctrl", "ctrl", "IFN-beta 0.01 ng/mL", "IFN-beta 100 ng/mL"]
    found = understand(obs(cell_type=["B"], donor=None, treatment_full=full), Options())
    assert set(named(found).values()) == {None, "IFN-beta 0.01 ng/mL", "IFN-beta 100 ng/mL"}


def test_numbers_that_the_controls_have_too_are_replicates() -> None:
    """Regression: IFNb_1 was IFN-beta (its gene is IFNB1) and IFNb_2 an unknown perturbation."""
    cells = obs(cell_type=["B"], donor=None, condition=["PBS_1", "PBS_2", "IFNb_1", "IFNb_2", "LPS_1", "LPS_2"])
    assert set(named(understand(cells, Options())).values()) == {None, "IFN-beta", "LPS"}
    subtypes = obs(cell_type=["B"], donor=None, condition=["PBS", "IFNa_1", "IFNa_2"])
    assert set(named(understand(subtypes, Options())).values()) == {None, "IFN-alpha1", "IFN-alpha2"}


def test_a_combination_with_another_label_of_the_file_is_one() -> None:
    """Regression: "IFNg_LPS" was a perturbation of its own that nobody could ask for, because the reference data has no LPS."""
    cells = obs(cell_type=["B"], donor=None, condition=["PBS", "LPS", "IFNg_LPS", "LPS_IFNg_6h", "T_cell_mix"])
    found = {each.label: each for each in understand(cells, Options()).conditions}
    assert found["IFNg_LPS"].members == ["IFN-gamma", "LPS"]
    assert found["LPS_IFNg_6h"].perturbation == "IFN-gamma + LPS, 6 h"
    assert found["T_cell_mix"].kind == "other"


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("disease_status", ["control", "control", "MS"]),
        ("genotype", ["WT", "WT", "KO"]),
        ("group", ["young", "young", "old"]),
    ],
)
def test_groups_of_donors_are_no_treatments_but_a_warning(name: str, labels: list[str]) -> None:
    """Regression: cells of two genotypes were pooled without a word."""
    found = understand(obs(cell_type=["B"], **{name: labels}), Options())
    assert set(named(found).values()) == {None, "IFN-beta"}
    (warning,) = found.warnings
    assert f"--condition-column condition+{name}" in warning


def test_a_stimulation_that_the_reference_data_lacks_is_combined_with_guides() -> None:
    cells = obs(cell_type=["B"], condition=None, guide=["NT", "KLF1"], stimulation=["unstim", "unstim", "LPS", "LPS"])
    found = understand(cells, Options())
    assert set(named(found).values()) == {None, "LPS", "KLF1 knockout", "KLF1 knockout + LPS"}


@pytest.mark.parametrize(
    ("donors", "column", "told"),
    [
        ([1, 2], "site", True),
        (["P1", "P2"], "Study ID", True),
        (["P1", "P2"], "tissue_site", False),  # one donor may have several tissues
        (["AH-0231", "AH-0577"], "site", False),  # no site would give the same code
        ([1, 2], "batch", False),
    ],
)
def test_regression_donors_that_each_site_numbers_anew_are_told(
    donors: list[object], column: str, *, told: bool
) -> None:
    cells = obs(condition=["ctrl", "IFN-beta"], donor=[*donors, *donors], **{column: ["Oslo"] * 2 + ["Rome"] * 2})
    found = [each for each in understand(cells, Options()).warnings if "count as one donor" in each]
    assert len(found) == told
    if told:
        assert f"({donors[0]} in Oslo and Rome)" in found[0]


def test_regression_cells_without_a_condition_may_be_the_controls() -> None:
    told = refusal(obs(condition=[None, None, "IFN-beta", "IFN-beta"]))
    assert told.endswith(f"{CELLS // 2} cells have no label: if they are the controls, write so in the file.")
    assert "no label" not in refusal(obs(condition=["IL-6", "IL-6", "IFN-beta", "IFN-beta"]))


def donors_of(found: Meaning) -> set[str]:
    return {group.donor for group in found.rows}


@pytest.mark.parametrize(
    ("labels", "donors"),
    [
        (["P1", "p1", "P2", "P 2"], {"P1", "P2"}),
        (["P1_rep1", "P1_rep2", "P2_rep1", "P2_rep2"], {"P1", "P2"}),
        (["rep1", "rep2", "rep1", "rep2"], {ONE_DONOR}),
        (["P1", "P2", "P3", "P4"], {"P1", "P2", "P3", "P4"}),
    ],
)
def test_regression_one_donor_under_several_names_is_one_donor(labels: list[str], donors: set[str]) -> None:
    column = [label for label in labels for _ in range(4)]
    found = understand(obs(donor=column), Options())
    assert donors_of(found) == donors
    if "rep" in labels[0]:
        given = understand(obs(donor=column), Options(donor_column="donor"))
        assert donors_of(given) == set(labels)  # a person says that they are people


def test_regression_the_condition_as_it_is_written_is_taken_out_of_donors() -> None:
    conditions = ["ctrl", "ctrl", "IFN-beta", "IFN-beta"]
    donors = [f"{donor}_{condition}" for donor in ("P1", "P2") for condition in conditions]
    found = understand(obs(donor=donors, condition=conditions), Options())
    assert donors_of(found) == {"P1", "P2"}
    assert found.arms.both == ["P1", "P2"]
