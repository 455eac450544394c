"""The parts of the score: each can come out high and low, and parts that cannot be evaluated are named and left out."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from orchestrator.atlas.atlas import Group
from orchestrator.config import JobConfig
from orchestrator.evidence.differential import Differential
from orchestrator.evidence.gene_sets import Expectation, expectations, hallmark, reactome, readable
from orchestrator.evidence.grounding import (
    NO_GENE_LIMIT,
    NO_RECEPTOR_LIMIT,
    RELATED_LIMIT,
    UNGROUNDED_LIMIT,
    Evidence,
    Grounding,
    Origin,
    ground,
)
from orchestrator.question.analysis import Question
from orchestrator.search.cells import CellSource
from shared.catalog import reference
from shared.runs.records import PathwayChange
from tests.support.orchestrator.changes import make_differential

CONFIG = JobConfig()
SETS = {"HALLMARK_A": frozenset(f"A{i}" for i in range(20)), "HALLMARK_B": frozenset(f"B{i}" for i in range(20))}
GENES = [*sorted(SETS["HALLMARK_A"]), *sorted(SETS["HALLMARK_B"]), *(f"X{i}" for i in range(200)), "RECEPTOR"]
EXPECTED = Expectation("a made-up program", ("HALLMARK_A",), ("HALLMARK_B",), ("REACTOME_A",), ("A0", "A1", "A2", "A3"))


def moved(names: Sequence[str], change: float = 2.0) -> Differential:
    """Return a differential in which only these genes are called, with this change."""
    rng = np.random.default_rng(0)
    called = np.isin(GENES, names)
    noise = rng.normal(0, 0.01, len(GENES))
    p = np.where(called, 1e-9, 0.9)
    return make_differential(GENES, np.where(called, change, noise), np.where(called, change * 10, noise), p, called)


def raised(*names: str) -> list[PathwayChange]:
    """Return sets in this order of scores, all of them significant."""
    return [PathwayChange(name=name, score=40.0 - i, adjusted_p_value=1e-6) for i, name in enumerate(names)]


def grounding(
    differential: Differential,
    enrichment: Sequence[PathwayChange],
    *,
    expectation: Expectation | None = EXPECTED,
    origin: Origin = Origin.EXACT,
    expressing: float = 1.0,
    cells: int = 100,
    p_value: float | None = None,
    perturbed_cells: int | None = None,
) -> Grounding:
    query = np.zeros((cells, len(GENES)))
    query[: round(cells * expressing), -1] = 1
    evidence = Evidence(
        differential,
        enrichment,
        SETS,
        expectation,
        ("RECEPTOR",),
        sparse.csr_matrix(query),
        origin,
        p_value=p_value,
        perturbed_cells=perturbed_cells,
    )
    return ground(evidence, CONFIG, seed=0)


def points(found: Grounding) -> int:
    """Return the score of a prediction that can be judged."""
    assert found.score is not None
    assert not found.not_judged
    return found.score


def part(found: Grounding, name: str) -> int | None:
    return next(each.score for each in found.parts if each.name == name)


RESPONSE = moved(sorted(SETS["HALLMARK_A"]))
FIRST = raised("HALLMARK_A", "REACTOME_A", "HALLMARK_B")


def test_a_response_as_expected_scores_high_in_every_part() -> None:
    found = grounding(RESPONSE, FIRST)
    assert points(found) >= 9
    assert all(each.score is not None and each.score >= 8 and each.reason for each in found.parts)
    assert found.limits == ()


def test_no_change_scores_one_in_every_part_that_can_be_judged() -> None:
    found = grounding(
        moved([]),
        [*raised("HALLMARK_X", "HALLMARK_A")[:1], PathwayChange(name="HALLMARK_A", score=-1.0, adjusted_p_value=0.9)],
    )
    assert found.score == 1
    assert [each.score for each in found.parts] == [1, 1, None]


@pytest.mark.parametrize(("p_value", "lowest", "highest"), [(0.01, 9, 10), (0.12, 4, 8), (0.3, 1, 3)])
def test_a_program_that_rises_as_much_with_permuted_labels_does_not_count(
    p_value: float, lowest: int, highest: int
) -> None:
    found = grounding(RESPONSE, FIRST, p_value=p_value)
    assert lowest <= points(found) <= highest
    assert ("Reduced" in found.parts[0].reason) is (p_value > 0.05)


def test_without_a_called_gene_the_score_stays_below_the_threshold() -> None:
    """Regression: label-permuted cells scored 8 with p below 0.05 and without a single called gene."""
    uncalled = replace(RESPONSE, is_de=np.zeros(len(GENES), dtype=bool))
    found = grounding(uncalled, FIRST, p_value=0.01)
    assert found.score == NO_GENE_LIMIT < 7
    assert "No gene is called changed" in found.limits[0]


def test_a_program_whose_genes_hardly_rise_counts_little_even_if_it_ranks_first() -> None:
    faint = replace(RESPONSE, statistic=RESPONSE.statistic / 100)
    high, low = (part(grounding(each, FIRST), "pathway_coherence") for each in (RESPONSE, faint))
    assert high is not None
    assert low is not None
    assert low <= high / 2


def test_few_cells_cannot_be_judged_and_say_so_instead_of_scoring_low() -> None:
    """Regression: ten cells scored 1 ("no pathway rises") beside an enrichment of t = 40."""
    found = grounding(RESPONSE, FIRST, perturbed_cells=10)
    assert found.score is None
    assert found.not_judged == "10 perturbed prompt cells, at least 30 are needed"
    assert [each.score for each in found.parts] == [None, None, None]
    assert "Cannot be judged: 10 perturbed prompt cells" in found.parts[0].reason
    assert found.limits == (f"The grounding score cannot be judged: {found.not_judged}.",)


def test_a_prediction_of_which_no_part_can_be_evaluated_has_no_score() -> None:
    """Regression: the score was 1, and a note said that it is at most 5."""
    found = grounding(moved(["A0"]), FIRST, expectation=None)
    assert found.score is None
    assert [each.score for each in found.parts] == [None, None, None]
    assert found.limits == ("The grounding score cannot be judged: no part of the score can be evaluated.",)


def test_without_a_tested_gene_there_is_no_score() -> None:
    found = grounding(replace(RESPONSE, statistic=np.zeros(len(GENES))), [])
    assert (found.score, found.not_judged) == (None, "no gene could be tested")


def test_the_pathway_part_falls_with_the_place_of_the_expected_sets() -> None:
    others = [f"HALLMARK_{i}" for i in range(12)]
    places = [[*others[:before], *("HALLMARK_A", "HALLMARK_B"), *others[before:]] for before in (0, 3, 7, 12)]
    scores = [part(grounding(RESPONSE, raised(*names)), "pathway_coherence") for names in places]
    assert scores == sorted(scores, key=lambda score: -(score or 0))
    assert len(set(scores)) == 4
    falling = [
        PathwayChange(name=n, score=s, adjusted_p_value=1e-6) for n, s in (("HALLMARK_X", 9.0), ("HALLMARK_A", -9.0))
    ]
    assert part(grounding(RESPONSE, falling), "pathway_coherence") == 1


def test_each_collection_is_ranked_on_its_own() -> None:
    crowd = [f"REACTOME_{i}" for i in range(8)]
    behind_reactome = grounding(RESPONSE, raised(*crowd, "HALLMARK_A", "HALLMARK_B"))
    assert part(behind_reactome, "pathway_coherence") == part(
        grounding(RESPONSE, raised("HALLMARK_A", "HALLMARK_B")), "pathway_coherence"
    )
    only_reactome = Expectation("by Reactome alone", (), (), ("REACTOME_A",), EXPECTED.responders)
    assert part(grounding(RESPONSE, FIRST, expectation=only_reactome), "pathway_coherence") == 10


def test_the_target_part_falls_when_responders_fall_or_the_receptor_is_not_expressed() -> None:
    high = part(grounding(RESPONSE, FIRST), "target_activation")
    without_receptor = part(grounding(RESPONSE, FIRST, expressing=0.0), "target_activation")
    falling = part(grounding(moved(sorted(SETS["HALLMARK_A"]), -2.0), FIRST), "target_activation")
    assert high is not None
    assert without_receptor is not None
    assert high > without_receptor
    assert falling == 1


def test_the_network_part_is_low_for_genes_that_have_nothing_in_common() -> None:
    together = part(grounding(RESPONSE, FIRST), "network_coherence")
    apart = part(grounding(moved([f"X{i}" for i in range(20)]), FIRST), "network_coherence")
    assert together == 10
    assert apart == 1


def test_a_part_that_cannot_be_evaluated_is_named_and_not_counted() -> None:
    unknown = grounding(RESPONSE, FIRST, expectation=None)
    assert [each.score is None for each in unknown.parts] == [True, True, False]
    assert all("Not evaluated" in each.reason for each in unknown.parts[:2])
    assert unknown.score == UNGROUNDED_LIMIT
    assert unknown.limits
    unmeasured = Expectation("elsewhere", ("HALLMARK_Z",), (), (), ("Z1", "Z2", "Z3"))
    assert grounding(RESPONSE, FIRST, expectation=unmeasured).score == UNGROUNDED_LIMIT
    no_set = grounding(RESPONSE, FIRST, expectation=Expectation("no set", (), (), (), EXPECTED.responders))
    assert part(no_set, "pathway_coherence") is None
    assert "no set" in no_set.parts[0].reason
    assert points(no_set) > UNGROUNDED_LIMIT


def test_an_answer_from_a_related_perturbation_is_limited_and_says_so() -> None:
    found = grounding(RESPONSE, FIRST, origin=Origin.RELATED_PERTURBATION)
    assert found.score == RELATED_LIMIT < 7
    assert "related perturbation" in found.limits[0]
    assert grounding(moved([]), [], origin=Origin.RELATED_PERTURBATION).score == 1


def test_a_response_transferred_to_cells_without_the_receptor_is_limited_and_says_so() -> None:
    found = grounding(RESPONSE, FIRST, origin=Origin.CROSS_CELL_TYPE, expressing=0.005, cells=1000)
    assert found.score == NO_RECEPTOR_LIMIT < 7
    assert "RECEPTOR: 0.5%" in found.limits[0]


@pytest.mark.parametrize(
    ("origin", "expressing", "cells"),
    [(Origin.EXACT, 0.0, 1000), (Origin.CROSS_CELL_TYPE, 0.01, 1000), (Origin.CROSS_CELL_TYPE, 0.0, 99)],
    ids=["cells of this type respond", "some express it", "too few cells"],
)
def test_the_score_is_not_limited_if(origin: Origin, expressing: float, cells: int) -> None:
    found = grounding(RESPONSE, FIRST, origin=origin, expressing=expressing, cells=cells)
    assert points(found) > NO_RECEPTOR_LIMIT
    assert found.limits == ()


def test_every_expected_set_and_perturbation_exists() -> None:
    for perturbation, expected in expectations().items():
        assert reference.known_perturbation(perturbation)
        assert {*expected.primary_sets, *expected.secondary_sets} <= set(hallmark())
        assert set(expected.reactome_sets) <= set(reactome())
        assert len(expected.responders) == len(set(expected.responders)) >= 5
    assert len(hallmark()) == 50
    assert readable("HALLMARK_TNFA_SIGNALING_VIA_NFKB") == "TNFA signaling via NFKB"
    assert readable("REACTOME_INTERFERON_GAMMA_SIGNALING") == "interferon gamma signaling (Reactome)"
    assert readable("HALLMARK_INTERFERON_GAMMA_RESPONSE") == "interferon gamma response"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ERKS_ARE_INACTIVATED", "ERKs are inactivated"),
        ("LDL_CLEARANCE", "LDL clearance"),
        ("ANTIVIRAL_MECHANISM_BY_IFN_STIMULATED_GENES", "antiviral mechanism by IFN-stimulated genes"),
        ("MAPK_TARGETS_NUCLEAR_EVENTS_MEDIATED_BY_MAP_KINASES", "MAPK targets nuclear events mediated by MAP kinases"),
        ("P75NTR_SIGNALS_VIA_NF_KB", "p75NTR signals via NF-kB"),
        ("SCAVENGING_BY_CLASS_A_RECEPTORS", "scavenging by class A receptors"),
    ],
)
def test_acronyms_in_gene_set_names_keep_their_case(name: str, shown: str) -> None:
    assert f"REACTOME_{name}" in reactome()
    assert readable(f"REACTOME_{name}") == f"{shown} (Reactome)"


def test_matched_controls_are_of_the_same_donor_and_cell_type(
    ask: Callable[[str], Question], source_of: Callable[[Question], CellSource]
) -> None:
    source = source_of(ask("How would MDC respond to IFN-gamma?"))
    for group in source.available.perturbed("MDC"):
        assert source.available.controls(group) == [Group(group.donor, "MDC", "PBS")]
