"""How well a prediction is grounded in what is known: a score 1..10 from parts, each with its reason. Pure.

A part that cannot be judged has no score and says why; it is left out, never guessed. The score is the weighted mean of the parts that can
be judged. Where neither the expected pathways nor the known responders can be judged, nothing ties the prediction to the asked
perturbation, and the score is at most `UNGROUNDED_LIMIT`; where it was made from a relative's cells, it is at most `INFERRED_LIMIT`; where
it was carried over to cells that show no receptor, at most `NO_RECEPTOR_LIMIT`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.config import JobConfig
from orchestrator.differential import Differential
from orchestrator.expectations import HALLMARK, REACTOME, Expectation, readable
from shared.runs.records import PathwayChange, ScorePart

PATHWAYS, TARGETS, NETWORK = "pathway_coherence", "target_activation", "network_coherence"
WEIGHTS: Mapping[str, float] = {PATHWAYS: 0.5, TARGETS: 0.3, NETWORK: 0.2}
UNGROUNDED_LIMIT = 5

INFERRED_LIMIT = 6
"""A relative can look right and still be another perturbation: its answer never reaches the default threshold of a run."""
NO_RECEPTOR_LIMIT = 6
"""Cells without the receptor may not respond at all, however much what others do looks like the known response."""
NO_RECEPTOR = 0.01
"""Where each receptor shows in a smaller share of query cells, they are taken to have none. Low on purpose: data misses much."""
CELLS_TO_TELL = 100
"""With fewer query cells it cannot be told."""

Factors = Sequence[tuple[int, float]]
HALLMARK_FACTORS: Factors = ((2, 1.0), (5, 0.7), (10, 0.4))
"""What an expected set keeps of its strength when it is among the first 2, 5 or 10 of 50 sets; behind them `LATE_FACTOR`."""
REACTOME_FACTORS: Factors = ((10, 1.0), (25, 0.7), (50, 0.4))
"""The same for Reactome, where many of a thousand sets share their genes with the expected one."""
LATE_FACTOR = 0.2
PRIMARY_SHARE, SECONDARY_SHARE, REACTOME_SHARE = 0.55, 0.2, 0.25
NETWORK_GENES = 100
NETWORK_DRAWS = 100
FULL_EXCESS = 0.3
"""The excess of gene pairs that share a set, over random genes, at which the network part is full."""
MIN_RESPONDERS = 3
RECEPTOR_HALF = 0.05


@dataclass(frozen=True)
class Grounding:
    """A score 1..10, what it is made of, and why it was held down, in sentences."""

    score: int
    parts: list[ScorePart]
    limits: tuple[str, ...] = ()


class Origin(Enum):
    """Whose measured response a prediction was made from."""

    ASKED = "cells of the asked type under the asked perturbation"
    CARRIED = "cells of other types under the asked perturbation"
    INFERRED = "cells under a relative of the asked perturbation"


@dataclass(frozen=True)
class Evidence:
    """What a prediction is judged by.

    Attributes:
        differential: genes, perturbed against control.
        enrichment: Hallmark and Reactome sets, the most raised first.
        gene_sets: the sets by which genes belong together, with their genes.
        expectation: what is known of the perturbation; None where nothing is.
        receptors: the perturbation's receptor genes.
        query: raw counts of the query cells, cells × genes.
        origin: what it was predicted from.
    """

    differential: Differential
    enrichment: Sequence[PathwayChange]
    gene_sets: Mapping[str, frozenset[str]]
    expectation: Expectation | None
    receptors: Sequence[str]
    query: sparse.csr_matrix
    origin: Origin = Origin.ASKED


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
    limits = []
    if PATHWAYS not in values and TARGETS not in values:
        score = min(score, UNGROUNDED_LIMIT)
        limits.append(
            f"Nothing known ties the prediction to what was asked, so its score is at most {UNGROUNDED_LIMIT}."
        )
    if evidence.origin is Origin.INFERRED:
        score = min(score, INFERRED_LIMIT)
        limits.append(f"A prediction from another perturbation than the asked one scores at most {INFERRED_LIMIT}.")
    if evidence.origin is Origin.CARRIED and (shown := _without_receptor(evidence)):
        score = min(score, NO_RECEPTOR_LIMIT)
        limits.append(
            f"The response was carried over to cells that show hardly any receptor for it ({shown}) and may not respond, "
            f"so its score is at most {NO_RECEPTOR_LIMIT}."
        )
    return Grounding(score, parts, tuple(limits))


def _points(value: float) -> int:
    return round(1 + 9 * min(max(value, 0.0), 1.0))


def _pathways(evidence: Evidence, config: JobConfig) -> tuple[float | None, str]:
    """Whether the expected gene sets rise, and whether they rise more than the others of their collection."""
    expected = evidence.expectation
    if expected is None:
        return None, "Not judged: it is not known which pathways this perturbation should raise."
    if not (expected.primary_sets or expected.reactome_sets):
        return None, f"Not judged: no gene set stands for the programme {expected.programme}."
    if not evidence.differential.is_de.any():
        return 0.0, "No gene is called differentially expressed, so no pathway moves."
    in_hallmark = [change for change in evidence.enrichment if change.name.startswith(HALLMARK)]
    in_reactome = [change for change in evidence.enrichment if change.name.startswith(REACTOME)]
    first = _strengths(expected.primary_sets, in_hallmark, HALLMARK_FACTORS, config)
    second = _strengths(expected.secondary_sets, in_hallmark, HALLMARK_FACTORS, config)
    other = _strengths(expected.reactome_sets, in_reactome, REACTOME_FACTORS, config)
    if not (first or other):
        return None, "Not judged: too few genes of the expected pathways are measured."
    weighed = [(PRIMARY_SHARE, first), (SECONDARY_SHARE, second), (REACTOME_SHARE, other)]
    told = [(share, float(np.mean(strengths))) for share, strengths in weighed if strengths]
    value = sum(share * strength for share, strength in told) / sum(share for share, _ in told)
    places = [
        f"{readable(name)} comes {_ordinal(place)} of {len(collection)}"
        for collection, names in ((in_hallmark, expected.primary_sets), (in_reactome, expected.reactome_sets))
        for place, change in enumerate(collection, start=1)
        if (name := change.name) in names
    ]
    top = evidence.enrichment[0]
    return value, (
        f"Expected of {expected.programme}: by rise, {' and '.join(places)} sets of its collection. "
        f"The set that rises most is {readable(top.name)} (t = {top.score:.1f})."
    )


def _strengths(
    names: Sequence[str], collection: Sequence[PathwayChange], factors: Factors, config: JobConfig
) -> list[float]:
    """How strongly each set that was judged rises beside the set of its collection that rises most, 0..1, less the further behind."""
    found = []
    for place, change in enumerate(collection, start=1):
        if change.name not in names:
            continue
        rises = change.score > 0 and change.adjusted_p_value < config.max_adjusted_p
        factor = next((factor for rank, factor in factors if place <= rank), LATE_FACTOR)
        found.append(factor * change.score / collection[0].score if rises else 0.0)
    return found


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
    receptors = _receptors(evidence)
    if not receptors:
        return value, f"{reason}. Receptor genes are not measured and were left out."
    expressing = float(np.mean(list(receptors.values())))
    receptor = expressing / (expressing + RECEPTOR_HALF)
    return value * (
        0.5 + 0.5 * receptor
    ), f"{reason}. Receptors ({', '.join(receptors)}): on average {expressing:.0%} of the query cells express them."


def _receptors(evidence: Evidence) -> dict[str, float]:
    """The share of query cells that express each receptor gene that is measured."""
    place = {gene: i for i, gene in enumerate(evidence.differential.genes)}
    measured = [gene for gene in evidence.receptors if gene in place]
    shares = np.mean(evidence.query[:, [place[gene] for gene in measured]].toarray() > 0, axis=0)
    return dict(zip(measured, map(float, shares), strict=True))


def _without_receptor(evidence: Evidence) -> str:
    """The receptors and the share of query cells that show each, where there are as good as none; else empty."""
    receptors = _receptors(evidence)
    enough = evidence.query.shape[0] >= CELLS_TO_TELL
    if not (enough and receptors and max(receptors.values()) < NO_RECEPTOR):
        return ""
    return ", ".join(f"{gene}: {share:.1%} of them" for gene, share in receptors.items())


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
