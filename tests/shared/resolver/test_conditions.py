"""A condition that an ingested atlas contains is an ordinary perturbation: a combination, a knockout, a silenced gene, an antibody."""

import pytest

from shared.catalog.interpretation import CaveatCode, Evidence
from shared.resolver.labels import condition_entry
from tests.support.catalogs import demo_view
from tests.support.readings import interpret


@pytest.mark.parametrize(
    ("label", "question"),
    [
        ("IFN-beta + IL-6", "How would CD4 T cells respond to IFN-beta plus IL-6?"),
        ("IFN-beta + IL-6", "IL-6 and IFN-beta together in CD4 T cells"),
        ("IFN-beta_IL-6", "CD4 T cells treated with IFN-beta in combination with IL-6"),
        ("TNF-alpha+IFN-gamma", "IFN-gamma + TNF in CD4 T cells"),
        ("STAT1_KO", "CD4 T cells with a STAT1 knockout"),
        ("STAT1_KO", "Knockout of STAT1 in CD4 T cells"),
        ("STAT1_KO", "CD4 T cells without STAT1"),
        ("IFNAR1-/-", "IFNAR1-/- CD4 T cells"),
        ("STAT3 siRNA", "siRNA against STAT3 in CD4 T cells"),
        ("FOXP3 overexpression", "CD4 T cells overexpressing FOXP3"),
        ("anti-TNF", "What does anti-TNF do to CD4 T cells?"),
    ],
)
def test_an_atlas_that_contains_the_condition_itself_answers_it(label: str, question: str) -> None:
    found = interpret(question, demo_view(label))
    assert found.answerable, found.reasons
    assert found.perturbation is not None
    name = condition_entry(label).perturbation
    assert (found.perturbation.used, found.perturbation.evidence) == (name, Evidence.MEASURED_IN_CELL_TYPE)
    assert not interpret(question).answerable


def test_a_condition_of_an_atlas_answers_nothing_but_itself() -> None:
    view = demo_view("IFN-beta + IL-6", "TNF-alpha + IL-2 + IL-6", "STAT1_KO")
    for question in (
        "IFN-beta plus IL-2 in CD4 T cells",
        "TNF plus IL-2 in CD4 T cells",
        "IFN-beta plus IL-6 plus TNF in CD4 T cells",
        "Knockout of STAT3 in CD4 T cells",
        "siRNA against STAT1 in CD4 T cells",
        "IFN-beta in STAT1 knockout CD4 T cells",
    ):
        assert not interpret(question, view).answerable, question
    single = interpret("IFN-beta in CD4 T cells", view)
    assert single.perturbation is not None
    assert single.perturbation.used == "IFN-beta"


@pytest.mark.parametrize(
    "question",
    [
        "What does KLF1 and CEBPA knockout do to CD4 T cells?",
        "What does KLF1 + CEBPA knockout do to CD4 T cells?",
        "Knock out KLF1 and CEBPA in CD4 T cells",
        "What does loss of both CEBPA and KLF1 do to CD4 T cells?",
        "CD4 T cells without KLF1 and CEBPA",
    ],
)
def test_genes_that_share_one_word_for_what_was_done_are_asked_about_together(question: str) -> None:
    found = interpret(question, demo_view("KLF1_KO", "CEBPA_KO", "KLF1_KO+CEBPA_KO"))
    assert found.perturbation is not None
    assert found.perturbation.used == "CEBPA + KLF1 knockout"
    assert not interpret(question, demo_view("KLF1_KO", "CEBPA_KO")).answerable


def test_a_knockout_in_cells_is_no_knock_in() -> None:
    assert interpret("KLF1 knockout in CD4 T cells", demo_view("KLF1_KO")).answerable
    assert not interpret("KLF1 knock-in in CD4 T cells", demo_view("KLF1_KO")).answerable


def test_a_combination_with_a_name_that_the_reference_data_lacks_is_found_by_its_label() -> None:
    found = interpret("How would CD4 T cells respond to IL-2 plus foobarin?", demo_view("IL-2 + foobarin"))
    assert found.perturbation is not None
    assert found.perturbation.used == "foobarin + IL-2"


def test_what_the_condition_says_is_no_caveat_and_everything_else_is() -> None:
    found = interpret("Knockout of STAT1 in CD4 T cells of elderly donors", demo_view("STAT1_KO"))
    assert found.answerable
    assert {caveat.code for caveat in found.caveats} == {CaveatCode.DONOR_ATTRIBUTE, CaveatCode.SEMI_SYNTHETIC}


def test_a_control_is_never_the_condition_that_is_asked_about() -> None:
    assert not interpret("CD4 T cells without IFN-gamma", demo_view("untreated")).answerable


@pytest.mark.parametrize(
    ("label", "question"),
    [
        ("IFN-beta+TNF-alpha", "How would CD4 T cells respond to IFN-beta plus TNF?"),
        ("STAT1_KO", "Knockout of STAT1 in CD4 T cells"),
        ("IL-6 and IFN-beta and TNF", "IL-6, IFN-beta and TNF-alpha together in CD4 T cells"),
    ],
)
def test_a_condition_is_found_among_thousands_that_are_like_it(label: str, question: str) -> None:
    crowd = [f"GENE{number}+IFN-beta" for number in range(300)] + [f"GENE{number}_KO" for number in range(300)]
    found = interpret(question, demo_view(*crowd[:300], label, *crowd[300:]))
    assert found.perturbation is not None
    assert found.perturbation.used == condition_entry(label).perturbation


@pytest.mark.parametrize(
    ("question", "used"),
    [
        ("How would CD4 T cells respond to KLF1 knockout?", "KLF1 knockout"),
        ("How would CD4 T cells respond to sgKLF1?", "KLF1 knockout"),
        ("How would CD4 T cells respond to KLF1 and MAP2K6 double knockout?", "KLF1 + MAP2K6 knockout"),
        ("How would CD4 T cells respond to knockout of KLF1 and MAP2K6?", "KLF1 + MAP2K6 knockout"),
        ("How would CD4 T cells respond to KLF1 knockdown?", None),
        ("How would CD4 T cells respond to MAP2K6 knockout?", None),
        ("How would CD4 T cells respond to knockout of KLF1 and STAT1?", None),
        ("How would CD4 T cells respond to knockout of KLF1 or MAP2K6?", None),
    ],
)
def test_guides_answer_for_all_their_genes_and_for_no_others(question: str, used: str | None) -> None:
    found = interpret(question, demo_view("sgKLF1-1", "sgKLF1-2", "KLF1_KO+MAP2K6_KO", "sgNT"))
    assert (found.perturbation.used if found.answerable and found.perturbation else None) == used


def test_a_combination_never_answers_for_one_of_its_members() -> None:
    """Regression: "IFN-beta+TNF-alpha" was answered from one of them."""
    view = demo_view("IFN-beta+TNF-alpha", without=("IFN-beta", "IFN-alpha1", "TNF-alpha"))
    for member in ("IFN-beta", "TNF-alpha"):
        assert not interpret(f"How would CD4 T cells respond to {member}?", view).answerable
    both = interpret("How would CD4 T cells respond to IFN-beta and TNF-alpha?", view)
    assert both.perturbation is not None
    assert both.perturbation.used == "IFN-beta + TNF-alpha"


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("How would CD4 T cells respond to KLF1 and STAT1 double knockout?", ("KLF1 knockout", "STAT1 knockout")),
        ("How would CD4 T cells respond to KLF1 knockout plus STAT1 knockout?", ("KLF1 knockout", "STAT1 knockout")),
        ("How would KLF1 knockout CD4 T cells respond to IFN-beta?", ("KLF1 knockout", "IFN-beta")),
        ("How would STAT1-/- CD4 T cells respond to TNF?", ("STAT1 knockout", "TNF-alpha")),
    ],
)
def test_a_combination_of_single_knockouts_is_refused_as_a_combination(question: str, names: tuple[str, ...]) -> None:
    """Regression: the reason was that no atlas contains the knockout, although the atlas has each alone."""
    found = interpret(question, demo_view("KLF1_KO", "STAT1_KO"))
    (blocking,) = [caveat for caveat in found.caveats if caveat.blocking]
    assert blocking.code is CaveatCode.COMBINATION
    assert f"The question combines {' and '.join(names)}." in blocking.detail


def test_a_stimulation_that_no_atlas_has_is_a_reason_of_its_own_beside_a_measured_knockout() -> None:
    found = interpret("How would KLF1 knockout CD4 T cells respond to IL-4?", demo_view("KLF1_KO"))
    assert {caveat.code for caveat in found.caveats if caveat.blocking} == {
        CaveatCode.COMBINATION,
        CaveatCode.UNKNOWN_PERTURBATION,
    }
    lacking = interpret("How would CEBPA knockout CD4 T cells respond to IFN-beta?", demo_view("KLF1_KO"))
    assert {caveat.code for caveat in lacking.caveats if caveat.blocking} == {CaveatCode.KNOCKOUT}


def test_a_knockout_with_a_stimulation_answers_if_an_atlas_has_both() -> None:
    view = demo_view("KLF1_KO", "KLF1_KO+IFN-beta")
    found = interpret("How would CD4 T cells respond to KLF1 knockout and IFN-beta?", view)
    assert found.perturbation is not None
    assert found.perturbation.used == "IFN-beta + KLF1 knockout"
    other = interpret("How would KLF1 knockout CD4 T cells respond to IFN-beta?", view)
    (blocking,) = [caveat for caveat in other.caveats if caveat.blocking]
    assert "not with cells under KLF1 knockout" in blocking.detail
    assert "IFN-beta + KLF1 knockout" in blocking.detail
