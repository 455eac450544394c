"""Honesty: a prediction scores by being right, and must be able to score low."""

from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from orchestrator.atlas import Atlas, Group, Rows
from orchestrator.config import JobConfig
from orchestrator.differential import compare
from orchestrator.enrichment import enrich
from orchestrator.evaluation import Evidence, Grounding, evaluate
from orchestrator.expectations import expectations, hallmark, readable
from orchestrator.expression import profile
from orchestrator.inference import DeltaTransfer, shifted
from orchestrator.ingest import ingest
from orchestrator.loading import CellSource
from orchestrator.prompts import candidates, choose
from orchestrator.query_analysis import Question, analyse
from shared import reference
from shared.catalog_view import CatalogView

CONFIG = JobConfig()


def judged(
    perturbed: sparse.csr_matrix, control: sparse.csr_matrix, source: CellSource, perturbation: str, seed: int = 0
) -> Grounding:
    """The score of predicted cells as an answer to a question about a perturbation."""
    found = compare(perturbed, control, source.genes, CONFIG)
    known = reference.perturbations().get(perturbation)
    evidence = Evidence(
        found,
        enrich(found, hallmark()),
        hallmark(),
        expectations().get(perturbation),
        known.receptors if known else (),
        source.query.counts,
    )
    return evaluate(evidence, CONFIG, seed=seed)


def predicted(question: Question, source: CellSource, seed: int) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """The perturbed and the control prediction from the first prompt."""
    prompt = choose(candidates(question.asked, source.supply), [])
    assert prompt is not None
    found = DeltaTransfer(CONFIG.similarity_power).predict(source.query.counts, source.prompt(prompt), seed=seed)
    assert found.control is not None
    return found.perturbed, found.control


@pytest.mark.parametrize("seed", range(3))
def test_the_right_prediction_scores_above_a_shuffled_one_no_change_and_other_cytokines(
    seed: int, ask: Callable[[str], Question], source_of: Callable[[Question], CellSource]
) -> None:
    question = ask("How would MDC respond to IFN-gamma?")
    source = source_of(question)
    query = source.query.counts
    right = predicted(question, source, seed)
    score = judged(*right, source, "IFN-gamma", seed).score
    assert score >= 7

    rng = np.random.default_rng(seed)
    delta = profile(right[0]) - profile(right[1])
    shuffled = shifted(query, rng.permutation(delta), rng)
    assert judged(shuffled, query, source, "IFN-gamma", seed).score <= 3
    assert judged(query, query, source, "IFN-gamma", seed).score == 1
    for other in ("TNF-alpha", "TGF-beta1", "IL-1-beta"):
        question = ask(f"How would MDC respond to {other}?")
        wrong = predicted(question, source_of(question), seed)
        assert judged(*wrong, source, "IFN-gamma", seed).score <= score - 3


def test_a_cytokine_without_its_receptor_scores_low(
    ask: Callable[[str], Question], source_of: Callable[[Question], CellSource]
) -> None:
    question = ask("How would CD4 T cells respond to EGF?")
    source = source_of(question)
    found = predicted(question, source, 0)
    assert judged(*found, source, "EGF").score <= 2


def test_what_cannot_be_judged_is_named_and_never_counted(
    ask: Callable[[str], Question], source_of: Callable[[Question], CellSource]
) -> None:
    question = ask("How would MDC respond to IFN-gamma?")
    source = source_of(question)
    found = predicted(question, source, 0)
    unknown = judged(*found, source, "a compound that nobody knows")
    assert {part.name: part.score is None for part in unknown.parts} == {
        "pathway_coherence": True,
        "target_activation": True,
        "network_coherence": False,
    }
    assert unknown.score <= 5
    assert all(part.reason for part in unknown.parts)
    without_set = judged(*found, source, "IL-4")
    assert without_set.parts[0].score is None
    assert "STAT6" in without_set.parts[0].reason


def test_every_expected_set_and_perturbation_exists() -> None:
    for perturbation, expected in expectations().items():
        assert perturbation in reference.perturbations()
        assert {*expected.primary_sets, *expected.secondary_sets} <= set(hallmark())
        assert len(expected.responders) == len(set(expected.responders)) >= 5
    assert len(hallmark()) == 50
    assert readable("HALLMARK_TNFA_SIGNALING_VIA_NFKB") == "TNFA signaling via NFKB"
    assert readable("HALLMARK_INTERFERON_GAMMA_RESPONSE") == "interferon gamma response"


def test_differential_expression_agrees_with_a_planted_truth() -> None:
    rng = np.random.default_rng(0)
    rates = rng.gamma(1.0, 2.0, 300)
    rates[:10] = 0.5  # few counts, so that raising them takes hardly anything from the others
    raised = rates.copy()
    raised[:10] *= 4
    control, perturbed = (sparse.csr_matrix(rng.poisson(r, (120, 300)).astype(np.float32)) for r in (rates, raised))
    found = compare(perturbed, control, [f"G{i}" for i in range(300)], CONFIG)
    assert {gene.gene for gene in found.top(10, up=True)} == {f"G{i}" for i in range(10)}
    assert found.is_de[10:].mean() < 0.05
    order = np.argsort(found.p_value)
    assert np.all(np.diff(found.adjusted_p[order]) >= 0)
    assert np.all(found.adjusted_p >= found.p_value)


KANG = Path(__file__).parents[3] / "shared" / "data" / "kang_ifnb_small.h5ad"


@pytest.fixture(scope="module")
def kang(tmp_path_factory: pytest.TempPathFactory) -> tuple[CatalogView, Path]:
    """The real interferon-beta data, its two samples of a donor joined."""
    if not KANG.exists():
        pytest.skip("the real interferon-beta data is not beside the repository")
    folder = tmp_path_factory.mktemp("kang")
    cells = ad.read_h5ad(KANG)
    obs = pd.DataFrame(
        {
            "cell_type": cells.obs["cluster_id"].astype(str),
            "condition": cells.obs["group_id"].astype(str).map({"ctrl": "ctrl", "stim": "IFN-beta"}),
            "donor": cells.obs["sample_id"].astype(str).str.replace(r"\D+", "", regex=True),
        }
    )
    ad.AnnData(sparse.csr_matrix(cells.X), obs=obs, var=pd.DataFrame(index=cells.var_names)).write_h5ad(
        folder / "kang.h5ad"
    )
    entry = ingest("kang", folder / "kang.h5ad", folder)
    return CatalogView(reference.datasets(), [entry]), folder


@pytest.mark.parametrize("held_out", ["B cells", "CD14+ Monocytes", "CD4 T cells", "CD8 T cells", "FCGR3A+ Monocytes"])
def test_on_real_cells_a_held_out_cell_type_is_predicted_better_than_by_chance(
    held_out: str, kang: tuple[CatalogView, Path]
) -> None:
    view, folder = kang
    question = analyse(f"How would {held_out} respond to IFN-beta?", view)
    assert question.query_type.label == held_out
    source = CellSource(Atlas(folder / "kang"), question.asked, CONFIG, 0)
    atlas = Atlas(folder / "kang")
    unseen = {g: atlas.size(g) for g in atlas.groups if g.cell_type != held_out or g.condition == "ctrl"}
    source.supply = type(source.supply)(unseen, question.asked, CONFIG)
    prompt = max(candidates(question.asked, source.supply), key=lambda each: len(each.groups))
    assert held_out not in {group.cell_type for group in prompt.groups}
    query = source.query.counts
    found = DeltaTransfer(CONFIG.similarity_power).predict(query, source.prompt(prompt), seed=0)
    assert found.control is not None
    right = judged(found.perturbed, found.control, source, "IFN-beta").score
    rng = np.random.default_rng(0)
    delta = profile(found.perturbed) - profile(found.control)
    shuffled = judged(shifted(query, rng.permutation(delta), rng), query, source, "IFN-beta").score
    assert right >= shuffled + 3

    truth = [profile(atlas.counts(np.sort(np.concatenate(rows)))) for rows in _rows(atlas, held_out)]
    assert np.corrcoef(delta, truth[1] - truth[0])[0, 1] > 0.6


def _rows(atlas: Atlas, cell_type: str) -> list[list[Rows]]:
    rng = np.random.default_rng(0)
    return [
        [atlas.rows(g, 1000, rng) for g in atlas.groups if g.cell_type == cell_type and g.condition == condition]
        for condition in ("ctrl", "IFN-beta")
    ]


def test_matched_controls_are_of_the_same_donor_and_cell_type(
    ask: Callable[[str], Question], source_of: Callable[[Question], CellSource]
) -> None:
    source = source_of(ask("How would MDC respond to IFN-gamma?"))
    for group in source.supply.perturbed("MDC"):
        assert source.supply.controls(group) == [Group(group.donor, "MDC", "PBS")]
