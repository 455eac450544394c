"""Labels that name nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.reference import perturbations
from shared.resolver.placeholders import is_unassigned, is_unnamed


@pytest.mark.parametrize(
    "label", ["None", "nan", "Unknown", "Doublets", "Negative", "no guide", "NA", "Unassigned cells", "", "multiplet"]
)
def test_unassigned(label: str) -> None:
    assert is_unassigned(label)


@pytest.mark.parametrize("label", ["negative control", "B", "T cells", "cell", "PBS", "Other T", "day 3"])
def test_assigned(label: str) -> None:
    assert not is_unassigned(label)


@pytest.mark.parametrize("label", ["stim", "True", "treated", "1", "2.5", "stimulated_2", "yes", "A"])
def test_unnamed(label: str) -> None:
    assert is_unnamed(label)


@pytest.mark.parametrize("name", sorted(perturbations()))
def test_every_known_perturbation_has_a_name(name: str) -> None:
    assert not is_unnamed(name)
    assert not is_unassigned(name)


@given(st.text(max_size=40))
def test_any_text_has_an_answer(label: str) -> None:
    assert is_unassigned(label) in {True, False}
    assert is_unnamed(label) in {True, False}
