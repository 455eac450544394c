"""A small synthetic search result, with the names and numbers that tests of the outputs need."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from orchestrator.atlas.atlas import Group
from orchestrator.config import JobConfig
from orchestrator.evidence.accuracy import Baseline, ExpectedAccuracy, HeldOut, LeftOut, Spread
from orchestrator.evidence.differential import Differential
from orchestrator.evidence.gene_sets import expectations, hallmark
from orchestrator.evidence.grounding import Origin
from orchestrator.prediction.predictor import Prediction
from orchestrator.prediction.transfer import TransferSettings
from orchestrator.question.analysis import Question, Target
from orchestrator.search.cells import QueryCells
from orchestrator.search.iteration import GroupUse, IterationResult, IterationSummary
from orchestrator.search.left_out import PromptAccuracy
from orchestrator.search.prompts import Prompt
from orchestrator.search.search import SearchResult
from shared.catalog.entries import CellTypeEntry, ConditionEntry, DatasetEntry
from shared.catalog.interpretation import (
    AskedGene,
    Caveat,
    CaveatCode,
    Evidence,
    Interpretation,
    InterpretedCellType,
    InterpretedPerturbation,
    Relation,
    UsedCells,
)
from shared.fields import ControlStrategy
from shared.runs.records import Iteration, PathwayChange, Run, ScorePart
from tests.support.builders import make_run
from tests.support.orchestrator.changes import make_response

QUESTION = "How would CD14 monocytes respond to IFN-gamma?"
RISING = ("STAT1", "IRF1", "GBP1", "CXCL10", "CXCL9", "TAP1", "WARS1")
FALLING = ("HBEGF", "THBS1", "CD36")
UNTESTED = "CD8A"
LONG_NAME = (
    "RESPIRATORY_ELECTRON_TRANSPORT_ATP_SYNTHESIS_BY_CHEMIOSMOTIC_COUPLING_AND_HEAT_PRODUCTION_BY_UNCOUPLING_PROTEINS"
)
N_GENES, N_CELLS = 1900, 24
TEN_CELLS = "10 perturbed prompt cells, at least 30 are needed"
DONORS = ("donor 1", "donor 2")


def synthetic_result(
    text: str = QUESTION,
    *,
    scores: Sequence[int | None] = (4, 8, 6),
    renamed: dict[str, str] | None = None,
    notes: tuple[str, ...] = (),
    controls: bool = True,
    changed: bool = True,
    interpretation: Interpretation | None = None,
    related_only: bool = False,
) -> SearchResult:
    """Return a result with these scores, one per iteration; the best iteration is delivered.

    Args:
        scores: None for an iteration that cannot be judged, as it rests on ten cells.
        renamed: other names for genes, donors and cell types.
        notes: caveats.
        controls: whether there is a predicted control.
        changed: whether any gene is called changed.
        interpretation: how the question was read; by default, MDC stand for CD14-positive monocytes.
        related_only: whether the prompt cells are under IFN-beta instead of IFN-gamma.
    """
    other = renamed or {}
    best = max(range(len(scores)), key=lambda i: scores[i] or 0) + 1
    condition = "IFNB" if related_only else "IFNG"
    iterations = [
        _iteration(number, score, other, condition=condition, changed=changed)
        for number, score in enumerate(scores, start=1)
    ]
    counts = sparse.csr_matrix(np.random.default_rng(1).poisson(1.0, (N_CELLS, N_GENES)).astype(np.float32))
    found = differential(other, changed=changed)
    result = IterationResult(
        summary=iterations[best - 1],
        accuracy=PromptAccuracy(make_expected(), "", TransferSettings(), 0.8),
        origin=Origin.EXACT,
        limited=iterations[best - 1].score is None,
        prediction=Prediction(counts, counts.copy() if controls else None),
        response=make_response(found),
        differential=found,
        enrichment=_enrichment() if changed else [],
        notes=notes,
    )
    donors = [other.get(DONORS[i % 2], DONORS[i % 2]) for i in range(N_CELLS)]
    return SearchResult(
        run=_run(text),
        question=_question(text, interpretation or make_interpretation(other.get("MDC", "MDC"))),
        iterations=iterations,
        best=result,
        query=QueryCells(counts, donors, np.arange(N_CELLS)),
        seed=7,
        predictor="delta transfer",
        config=JobConfig(),
        termination_reason="no_new_prompt: all prompts from the atlas were tried"
        if iterations[best - 1].score is None
        else "score_threshold: 8 reaches the threshold of 7",
    )


def _run(text: str) -> Run:
    return make_run("run_0123456789ab", query=text)


def differential(renamed: dict[str, str] | None = None, *, changed: bool = True) -> Differential:
    """Return changes of `N_GENES` genes: `RISING` and `FALLING` are called, `UNTESTED` is not tested, the rest is noise."""
    rng = np.random.default_rng(0)
    special = (*RISING, *FALLING, UNTESTED)
    others = sorted({gene for genes in hallmark().values() for gene in genes} - set(special))
    names = [*special, *others[: N_GENES - len(special)]]
    change = rng.normal(0, 0.08, N_GENES)
    adjusted = rng.uniform(0.2, 1.0, N_GENES)
    n_up, n_down = len(RISING), len(FALLING)
    if changed:
        change[:n_up] = np.linspace(3.4, 0.9, n_up)
        adjusted[:n_up] = 10.0 ** -np.linspace(40, 6, n_up)
        change[n_up : n_up + n_down] = -np.linspace(1.8, 0.8, n_down)
        adjusted[n_up : n_up + n_down] = 10.0 ** -np.linspace(15, 3, n_down)
    tested = np.array(names) != UNTESTED
    config = JobConfig()
    return Differential(
        genes=tuple((renamed or {}).get(name, name) for name in names),
        log2_fold_change=change * tested,
        effect=change * tested,
        standard_error=0.1 * tested,
        donors_agreeing=np.full(N_GENES, 2),
        statistic=np.sign(change) * -np.log10(adjusted) * tested,
        p_value=np.where(tested, adjusted / 2, 1.0),
        adjusted_p=np.where(tested, adjusted, 1.0),
        is_de=tested & (adjusted < config.max_adjusted_p) & (np.abs(change) >= config.min_log2_fold_change),
    )


def _iteration(
    number: int, score: int | None, renamed: dict[str, str], *, condition: str, changed: bool
) -> IterationSummary:
    strategy = "direct" if number == 1 else "ontology"
    cell_type = renamed.get("MDC", "MDC")
    first, second = (renamed.get(donor, donor) for donor in DONORS)
    prompt = Prompt(
        strategy=strategy,
        rationale=f"{cell_type} cells under {condition}, choice {number}.",
        groups=(Group(first, cell_type, condition), Group(second, cell_type, condition)),
        type_nearness=0.5,
        perturbation_nearness=1.0 if condition == "IFNG" else 0.1,
        quality=1.0,
    )
    groups = (GroupUse(first, cell_type, 120, 90, 0.7), GroupUse(second, cell_type, 45, 60, 0.3))
    parts = [
        ScorePart(
            name="pathway_coherence",
            score=score,
            reason="interferon gamma response ranks 1st of 50 Hallmark sets, by rise.",
        ),
        ScorePart(name="target_activation", score=max((score or 1) - 1, 1), reason="7 of 9 measured responders rise."),
        ScorePart(name="network_coherence", score=None, reason="Not evaluated: too few genes change."),
    ]
    if score is None:
        parts = [part.model_copy(update={"score": None, "reason": f"Cannot be judged: {TEN_CELLS}."}) for part in parts]
    record = Iteration(
        number=number,
        strategy=strategy,
        score=score,
        components=parts,
        duration_seconds=1.5,
    )
    num_de_genes = len(RISING) + len(FALLING) if changed else 0
    p_value = 0.005 if changed else 0.6
    return IterationSummary(
        prompt=prompt,
        groups=groups,
        effective=ControlStrategy.SYNTHETIC_CONTROL,
        num_de_genes=num_de_genes,
        p_value=p_value,
        expected_pearson=0.75,
        predicts_known=True,
        not_judged=TEN_CELLS if score is None else "",
        record=record,
    )


def make_expected(pearson: float = 0.8, n: int = 3) -> ExpectedAccuracy:
    """Return the accuracy on so many known cell types that are predicted with this correlation, give or take 0.05."""
    tests = tuple(
        LeftOut(
            name=f"type {i + 1}",
            cells=100,
            pearson=pearson + 0.05 * (i - n // 2),
            relative_squared_error=0.4,
            top50_overlap=0.6,
            direction=0.96,
            cell_type_specific=0.2,
            mean_delta_pearson=pearson - 0.1,
            mean_delta_error=0.5,
            nearest_pearson=pearson - 0.05,
            nearest_error=0.45,
            reliability=1.0,
        )
        for i in range(n)
    )
    spread = Spread.of([test.pearson for test in tests])
    same = Spread(0.4, 0.4, 0.4)
    return ExpectedAccuracy(
        held_out=HeldOut.CELL_TYPES,
        tests=tests,
        pearson=spread,
        relative_squared_error=same,
        top50_overlap=Spread(0.6, 0.6, 0.6),
        direction=Spread(0.96, 0.96, 0.96),
        cell_type_specific=Spread(0.2, 0.2, 0.2),
        mean_delta=Baseline(Spread(pearson - 0.1, pearson - 0.1, pearson - 0.1), Spread(0.5, 0.5, 0.5)),
        nearest_cell_type=Baseline(Spread(pearson - 0.05, pearson - 0.05, pearson - 0.05), Spread(0.45, 0.45, 0.45)),
        true_pearson=pearson,
    )


def _enrichment() -> list[PathwayChange]:
    expected = expectations()["IFN-gamma"].primary_sets[0]
    return [
        PathwayChange(name=expected, score=31.4, adjusted_p_value=1e-90),
        PathwayChange(name="HALLMARK_INTERFERON_ALPHA_RESPONSE", score=22.0, adjusted_p_value=1e-60),
        PathwayChange(name=f"REACTOME_{LONG_NAME}", score=12.0, adjusted_p_value=1e-20),
        PathwayChange(name="HALLMARK_HYPOXIA", score=0.2, adjusted_p_value=0.8),
        PathwayChange(name="HALLMARK_MYC_TARGETS_V1", score=-6.5, adjusted_p_value=1e-8),
    ]


def make_interpretation(
    label: str = "MDC",
    *,
    relation: Relation = Relation.SUPERTYPE,
    genes: Sequence[AskedGene] = (),
    caveats: Sequence[Caveat] = (),
    related: str | None = None,
) -> Interpretation:
    """Return how the question was read: with these genes and further caveats, on cells of this label.

    Args:
        relation: how the cells relate to CD14-positive monocytes.
        related: perturbation that stands for IFN-gamma.
    """
    exact = relation is Relation.EXACT
    name, term = ("CD14-positive monocyte", "CL:0001054") if exact else ("mononuclear phagocyte", "CL:0000113")
    used = UsedCells(
        label=label, name=name, cell_ontology_id=term, relation=relation, distance=0 if exact else 1, cells=143
    )
    narrowing = [semi_synthetic(), *([] if exact else [stand_in()])]
    return Interpretation(
        answerable=True,
        dataset="synthetic",
        cell_type=InterpretedCellType(
            name="CD14-positive monocyte",
            cell_ontology_id="CL:0001054",
            matched_text="CD14 monocytes",
            match="exact",
            used=used,
        ),
        perturbation=InterpretedPerturbation(
            name="IFN-gamma",
            kind="cytokine",
            matched_text="IFN-gamma",
            match="exact",
            evidence=Evidence.RELATED_PERTURBATION if related else Evidence.MEASURED_IN_CELL_TYPE,
            used=related or "IFN-gamma",
        ),
        genes=list(genes),
        caveats=[*narrowing, *caveats],
    )


def caveat(code: CaveatCode, text: str, detail: str) -> Caveat:
    """Return a caveat of this code."""
    return Caveat(code=code, text=text, detail=detail, blocking=code.blocking)


def stand_in() -> Caveat:
    """Return the caveat that MDC stand for CD14-positive monocytes."""
    return caveat(CaveatCode.STAND_IN_CELL_TYPE, "CD14 monocytes", "The atlas has too few CD14-positive monocytes.")


def semi_synthetic() -> Caveat:
    """Return the caveat that the perturbed cells are simulated."""
    return caveat(CaveatCode.SEMI_SYNTHETIC, "", "The perturbed cells of synthetic are simulated.")


def _question(text: str, interpretation: Interpretation) -> Question:
    assert interpretation.cell_type is not None
    used = interpretation.cell_type.used
    assert used is not None
    query_type = CellTypeEntry(label=used.label, cell_ontology_id=used.cell_ontology_id, cell_ontology_label=used.name)
    dataset = DatasetEntry(
        name="synthetic",
        title="Synthetic immune cells",
        description="Cells without a real donor.",
        licence="CC0",
        source="tests",
        ingested=True,
        semi_synthetic=True,
        atlas="synthetic",
        n_cells=3000,
        n_genes=N_GENES,
        donors=list(DONORS),
        cell_types=[query_type],
        conditions=[
            ConditionEntry(label="IFNG", perturbation="IFN-gamma", kind="cytokine", is_control=False),
            ConditionEntry(label="IFNB", perturbation="IFN-beta", kind="cytokine", is_control=False),
            ConditionEntry(label="PBS", perturbation=None, kind="control", is_control=True),
        ],
    )
    target = Target(used.label, (), "IFN-gamma", ("IFNG",), ("PBS",))
    return Question(text, interpretation, dataset, target)
