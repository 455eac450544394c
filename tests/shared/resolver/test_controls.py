"""Which condition labels are controls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.reference import perturbations
from shared.resolver.controls import is_control


@pytest.mark.parametrize(
    "label",
    [
        "PBS", "pbs", "DMSO", "dmso_0.1%", "Dimethyl Sulfoxide", "dimethyl sulphoxide", "vehicle", "Vehicle control", "vehicle_control_24h",
        "untreated", "unstimulated", "unstim", "control", "Control_1", "ctrl", "CTL", "mock", "mock-treated", "no treatment",
        "non-treated", "not stimulated", "non-targeting", "NT", "negative control", "control (PBS)", "PBS-24h", "phosphate-buffered saline",
        "DMSO-treated cells", "medium", "water", "NTC", "sgNT", "NT1", "sgNTC-2", "AAVS1", "AAVS1_g1", "safe-targeting_3",
        "NegCtrl10_NegCtrl0",
        "non-targeting_12", "isotype", "ctrl+ctrl", "CTRL_rep1", "un-stimulated", "mock-infected", "mock_24hpi", "siCtrl", "H2O",
        "INTERGENIC_1216", "sham", "PBS_plate2", "NO-TARGET", "empty vector",
    ],
)  # fmt: skip
def test_is_a_control(label: str) -> None:
    assert is_control(label)


@pytest.mark.parametrize(
    "label",
    [
        "", "IFN-gamma", "stim", "stimulated", "positive control", "DMSO + dasatinib", "control IL-2", "PBS+IL-4", "24h", "1", "LPS",
        "Control Freak", "knockout", "high dose", "treated", "none", "None", "negative", "KLF1+ctrl",
    ],
)  # fmt: skip
def test_is_not_a_control(label: str) -> None:
    assert not is_control(label)


@pytest.mark.parametrize("name", sorted(perturbations()))
def test_no_known_perturbation_is_a_control(name: str) -> None:
    assert not is_control(name)
    assert not is_control(f"{name} + PBS")


@given(st.text(max_size=60))
def test_any_text_has_an_answer(label: str) -> None:
    assert is_control(label) in {True, False}


@given(st.sampled_from(["PBS", "vehicle", "Dimethyl Sulfoxide", "untreated"]), st.sampled_from([" ", "_", "-", "  "]))
def test_case_and_separators_do_not_matter(label: str, separator: str) -> None:
    assert is_control(label.replace(" ", separator).upper())
    assert is_control(f"{label}{separator}1".lower())
