"""The perturbation that a question asks about, and what about it stands in the way."""

import pytest

from shared.catalog.interpretation import CaveatCode, Evidence
from tests.support.catalogs import demo_view
from tests.support.readings import codes, interpret, told


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("IFN-gamma", "IFN-gamma"),
        ("interferon gamma", "IFN-gamma"),
        ("gamma interferon", "IFN-gamma"),
        ("IFNγ", "IFN-gamma"),
        ("rhIL-2", "IL-2"),
        ("TNF", "TNF-alpha"),
        ("TNFa", "TNF-alpha"),
        ("tumor necrosis factor", "TNF-alpha"),
        ("TGFb1", "TGF-beta1"),
        ("TGF-beta", "TGF-beta1"),
        ("IL1b", "IL-1-beta"),
        ("IFNB1", "IFN-beta"),
    ],
)
def test_names_of_one_perturbation_are_answered(written: str, name: str) -> None:
    found = interpret(f"How would NK cells respond to {written}?")
    assert found.answerable
    assert found.perturbation is not None
    assert (found.perturbation.used, found.perturbation.evidence) == (name, Evidence.MEASURED_IN_CELL_TYPE)
    assert codes(f"How would NK cells respond to {written}?") == set()


@pytest.mark.parametrize("written", ["interferon", "interferons", "IFN", "type I interferon"])
def test_a_family_of_several_is_ambiguous(written: str) -> None:
    question = f"How would NK cells respond to {written}?"
    assert told(question, CaveatCode.AMBIGUOUS_PERTURBATION) == [written]
    (reason,) = interpret(question).reasons
    assert "IFN-beta" in reason


def test_a_family_is_answered_by_its_only_member_in_the_atlas() -> None:
    question = "How would NK cells respond to IFN-alpha?"
    found = interpret(question)
    assert found.answerable
    assert found.perturbation is not None
    assert found.perturbation.used == "IFN-alpha1"


def test_a_perturbation_with_too_few_cells_is_refused() -> None:
    view = demo_view(cells={"NK": [4, 4, 4]})
    found = interpret("How would NK cells respond to IL-2?", view)
    assert [caveat.text for caveat in found.caveats if caveat.blocking] == ["IL-2"]
    assert found.reasons == [
        "demo_immune_semisynthetic has fewer than 5 cells of one donor under IL-2, which is too few for a prediction."
    ]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Block IL-6 with tocilizumab in B cells", {CaveatCode.INHIBITION}),
        ("ruxolitinib in B cells", {CaveatCode.INHIBITION, CaveatCode.UNKNOWN_PERTURBATION}),
        ("anti-PD-1 in CD8 T cells", {CaveatCode.INHIBITION, CaveatCode.UNKNOWN_PERTURBATION}),
        ("Knockout of STAT1 in B cells", {CaveatCode.KNOCKOUT}),
        ("B cells treated with IL-6 plus foobarin", {CaveatCode.COMBINATION, CaveatCode.UNKNOWN_PERTURBATION}),
        ("How do B cells respond to a drug?", {CaveatCode.NO_PERTURBATION}),
        ("What do B cells look like?", {CaveatCode.NO_PERTURBATION}),
        ("Which genes are high in B cells of the spleen?", {CaveatCode.NO_PERTURBATION, CaveatCode.TISSUE}),
        ("B cells XJ-4471", {CaveatCode.UNKNOWN_PERTURBATION, CaveatCode.UNKNOWN_WORDS}),
    ],
)
def test_each_reason_is_given_once(question: str, expected: set[CaveatCode]) -> None:
    assert codes(question) == expected
    blocking = [caveat.code for caveat in interpret(question).caveats if caveat.blocking]
    assert len(blocking) == len(set(blocking))
    assert not interpret(question).answerable


@pytest.mark.parametrize(
    ("written", "code"),
    [("adalimumab", CaveatCode.INHIBITION), ("LPS", CaveatCode.UNKNOWN_PERTURBATION)],
)
def test_a_drug_or_stimulus_that_an_atlas_has_is_an_ordinary_perturbation(written: str, code: CaveatCode) -> None:
    question = f"How would NK cells respond to {written}?"
    assert code in codes(question)
    found = interpret(question, demo_view(written))
    assert found.answerable, found.reasons
    assert found.perturbation is not None
    assert found.perturbation.used == written
