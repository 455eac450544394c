"""How well a prediction is grounded in what is known: a score 1..10 from parts, each with its reason. Pure.

A part that cannot be judged has no score and says why; it is left out, never guessed. The score is the weighted mean of the parts that can
be judged. Where neither the expected pathways nor the known responders can be judged, nothing ties the prediction to the asked
perturbation, and the score is at most `UNGROUNDED_LIMIT`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.config import JobConfig
from orchestrator.differential import Differential
from orchestrator.expectations import Expectation, readable
from shared.models import PathwayChange, ScorePart

PATHWAYS, TARGETS, NETWORK = "pathway_coherence", "target_activation", "network_coherence"
WEIGHTS: Mapping[str, float] = {PATHWAYS: 0.5, TARGETS: 0.3, NETWORK: 0.2}
UNGROUNDED_LIMIT = 5

RANK_FACTORS = ((2, 1.0), (5, 0.7), (10, 0.4))
"""What an expected set keeps of its strength when it is among the first 2, 5 or 10 sets; behind them `LATE_FACTOR`."""
LATE_FACTOR = 0.2
PRIMARY_SHARE = 0.7
NETWORK_GENES = 100
NETWORK_DRAWS = 100
FULL_EXCESS = 0.3
"""The excess of gene pairs that share a set, over random genes, at which the network part is full."""
MIN_RESPONDERS = 3
RECEPTOR_HALF = 0.05


@dataclass(frozen=True)
class Grounding:
    """A score 1..10 and what it is made of."""

    score: int
    parts: list[ScorePart]


@dataclass(frozen=True)
class Evidence:
    """What a prediction is judged by.

    Attributes:
        differential: genes, perturbed against control.
        enrichment: gene sets, the most raised first.
        gene_sets: the sets' genes.
        expectation: what is known of the perturbation; None where nothing is.
        receptors: the perturbation's receptor genes.
        query: raw counts of the query cells, cells × genes.
    """

    differential: Differential
    enrichment: Sequence[PathwayChange]
    gene_sets: Mapping[str, frozenset[str]]
    expectation: Expectation | None
    receptors: Sequence[str]
    query: sparse.csr_matrix


def evaluate(evidence: Evidence, config: JobConfig, *, seed: int) -> Grounding:
    """Score a prediction.

    Args:
        evidence: what it is judged by.
        config: the thresholds.
        seed: for the random genes that the network part is compared with.
    """
    judged = {
        PATHWAYS: _pathways(evidence, config),
        TARGETS: _targets(evidence),
        NETWORK: _network(evidence, seed),
    }
    parts = [
        ScorePart(name=name, score=None if value is None else _points(value), reason=reason)
        for name, (value, reason) in judged.items()
    ]
    values = {name: min(max(value, 0.0), 1.0) for name, (value, _) in judged.items() if value is not None}
    weight = sum(WEIGHTS[name] for name in values)
    score = _points(sum(WEIGHTS[name] * value for name, value in values.items()) / weight) if values else 1
    if PATHWAYS not in values and TARGETS not in values:
        score = min(score, UNGROUNDED_LIMIT)
    return Grounding(score, parts)


def _points(value: float) -> int:
    return round(1 + 9 * min(max(value, 0.0), 1.0))


def _pathways(evidence: Evidence, config: JobConfig) -> tuple[float | None, str]:
    """Whether the expected gene sets rise, and whether they rise more than others."""
    expected = evidence.expectation
    if expected is None:
        return None, "Not judged: it is not known which pathways this perturbation should raise."
    measured = {change.name for change in evidence.enrichment}
    if not expected.primary_sets:
        return None, f"Not judged: no Hallmark set stands for the programme {expected.programme}."
    if not evidence.differential.is_de.any():
        return 0.0, "No gene is called differentially expressed, so no pathway moves."
    if not measured.intersection(expected.primary_sets):
        return None, "Not judged: too few genes of the expected pathways are measured."
    primary = [_strength(name, evidence.enrichment, config) for name in expected.primary_sets if name in measured]
    secondary = [_strength(name, evidence.enrichment, config) for name in expected.secondary_sets if name in measured]
    value = float(np.mean(primary))
    if secondary:
        value = PRIMARY_SHARE * value + (1 - PRIMARY_SHARE) * float(np.mean(secondary))
    places = {change.name: place for place, change in enumerate(evidence.enrichment, start=1)}
    told = [f"{readable(name)} comes {_ordinal(places[name])}" for name in expected.primary_sets if name in places]
    top = evidence.enrichment[0]
    return value, (
        f"Expected of {expected.programme}: of {len(evidence.enrichment)} Hallmark sets, {', '.join(told)} by rise; "
        f"{readable(top.name)} rises most (t = {top.score:.1f})."
    )


def _strength(name: str, enrichment: Sequence[PathwayChange], config: JobConfig) -> float:
    """How strongly a set rises beside the set that rises most, 0..1, less the further behind it comes."""
    place, change = next((i, change) for i, change in enumerate(enrichment, start=1) if change.name == name)
    if change.score <= 0 or change.adjusted_p_value >= config.max_adjusted_p:
        return 0.0
    factor = next((factor for rank, factor in RANK_FACTORS if place <= rank), LATE_FACTOR)
    return factor * change.score / enrichment[0].score


def _targets(evidence: Evidence) -> tuple[float | None, str]:
    """Whether known responders rise among all genes, and whether the query cells express the receptors."""
    expected, found = evidence.expectation, evidence.differential
    if expected is None:
        return None, "Not judged: no responder genes are known for this perturbation."
    place = {gene: i for i, gene in enumerate(found.genes)}
    columns = [place[gene] for gene in expected.responders if gene in place]
    if len(columns) < MIN_RESPONDERS:
        return None, f"Not judged: only {len(columns)} of the known responder genes are measured."
    rising = found.is_de[columns] & (found.log2_fold_change[columns] > 0)
    ranked = np.sort(found.log2_fold_change)
    below = np.searchsorted(ranked, found.log2_fold_change[columns], side="left")
    above = np.searchsorted(ranked, found.log2_fold_change[columns], side="right")
    separation = float(np.mean(below + above)) / (2 * len(ranked))  # area under the ROC curve: 0.5 is chance
    value = 0.6 * float(rising.mean()) + 0.4 * max(2 * separation - 1, 0.0) if rising.any() else 0.0
    reason = f"{int(rising.sum())} of {len(columns)} measured responders of {expected.programme} rise"
    receptors = [place[gene] for gene in evidence.receptors if gene in place]
    if not receptors:
        return value, f"{reason}. Receptor genes are not measured and were left out."
    expressing = float(np.mean(evidence.query[:, receptors].toarray() > 0))
    receptor = expressing / (expressing + RECEPTOR_HALF)
    names = ", ".join(found.genes[i] for i in receptors)
    return value * (
        0.5 + 0.5 * receptor
    ), f"{reason}. Receptors ({names}): on average {expressing:.0%} of the query cells express them."


def _network(evidence: Evidence, seed: int) -> tuple[float | None, str]:
    """Whether the genes that move belong together: pairs that share a Hallmark set, beside random pairs of tested genes."""
    found = evidence.differential
    order = np.argsort(-np.abs(found.statistic), kind="stable")
    moving = [int(i) for i in order if found.is_de[i]][:NETWORK_GENES]
    if not moving:
        return 0.0, "No gene is called differentially expressed."
    if len(moving) < MIN_RESPONDERS:
        return 0.0, f"Only {len(moving)} gene(s) move, too few to belong together."
    membership = np.array(
        [[gene in genes for genes in evidence.gene_sets.values()] for gene in found.genes], dtype=np.int32
    )
    tested = np.flatnonzero(found.statistic)
    rng = np.random.default_rng(seed)
    size = min(len(moving), len(tested))
    random = np.mean([_shared(rng.choice(tested, size, replace=False), membership) for _ in range(NETWORK_DRAWS)])
    observed = _shared(np.array(moving), membership)
    return float((observed - random) / FULL_EXCESS), (
        f"{observed:.0%} of the pairs among the {len(moving)} genes that move most share a Hallmark set; random genes: {random:.0%}."
    )


def _shared(genes: NDArray[np.intp], membership: NDArray[np.int32]) -> float:
    """The share of pairs among these genes that have a gene set in common."""
    mine = membership[genes]
    return float(((mine @ mine.T) > 0)[np.triu_indices(len(genes), k=1)].mean())


def _ordinal(place: int) -> str:
    suffix = "th" if 10 <= place % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{suffix}"
