"""The grounding score: how well a prediction agrees with prior knowledge, 1 to 10, from parts with a reason each. Pure.

A part that cannot be evaluated has no score, says why, and is left out. A program that rises nearly as much with permuted treatment labels
counts little or not at all, however high its genes rank. The score is the weighted mean of the other parts, with limits:
`UNGROUNDED_LIMIT` if neither the expected pathways nor the known responders can be evaluated, because then nothing links the prediction
to the perturbation in question; `NO_GENE_LIMIT` if no gene is called changed; `RELATED_LIMIT` if it was made from cells under a related
perturbation; `NO_RECEPTOR_LIMIT` if the response of other cell types was transferred to cells without the receptor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.config import JobConfig
from orchestrator.evidence.differential import Differential
from orchestrator.evidence.gene_sets import HALLMARK, REACTOME, Expectation, readable
from shared.runs.records import PathwayChange, ScorePart

PATHWAYS, TARGETS, NETWORK = "pathway_coherence", "target_activation", "network_coherence"
WEIGHTS: Mapping[str, float] = {PATHWAYS: 0.5, TARGETS: 0.3, NETWORK: 0.2}
UNGROUNDED_LIMIT = 5
# A related perturbation can look right and still differ: its answer never reaches a run's default threshold of 7.
RELATED_LIMIT = 6
# Cells without the receptor may not respond at all, even if the response of other cells looks as expected.
NO_RECEPTOR_LIMIT = 6
# A program may rise by an accident of the labels; if it does not, some of its genes are certain.
NO_GENE_LIMIT = 6
# Query cells count as lacking the receptor if each receptor gene has counts in a smaller share of them. Low, because shallow data
# misses much of what is expressed.
NO_RECEPTOR_SHARE = 0.01
MIN_CELLS_FOR_RECEPTOR = 100  # with fewer query cells that share is not reliable

# (rank, factor): an expected set keeps this share of its strength if it ranks among the first so many sets of its collection.
RankFactors = Sequence[tuple[int, float]]
HALLMARK_FACTORS: RankFactors = ((2, 1.0), (5, 0.7), (10, 0.4))
# Wider than for Hallmark, because many of a thousand Reactome sets share their genes with the expected one.
REACTOME_FACTORS: RankFactors = ((10, 1.0), (25, 0.7), (50, 0.4))
LATE_FACTOR = 0.2
PRIMARY_SHARE, SECONDARY_SHARE, REACTOME_SHARE = 0.55, 0.2, 0.25
NETWORK_GENES = 100
# Among fewer genes, a few pairs decide: three genes of one set would be "fully coherent".
MIN_NETWORK_GENES = 15
NETWORK_DRAWS = 100
FULL_EXCESS = 0.3  # excess of gene pairs that share a set, over random genes, at which the network part is full
MIN_RESPONDERS = 3
RECEPTOR_HALF = 0.05
# z at which a known responder rises, and z at which it counts in full.
RISING_Z, FULL_Z = 2.0, 3.0
# Mean z of the expected program at which its pathways count in full.
FULL_MEAN_Z = 0.75
# With fewer perturbed cells, neither rising nor staying the same means anything.
MIN_JUDGED_CELLS = 30
# The expected program counts in full below the first p against permuted labels, and not at all above the second.
FULL_P, NO_P = 0.05, 0.2


@dataclass(frozen=True)
class Grounding:
    """A score from 1 to 10, its parts, and the reasons why it was limited, as sentences."""

    score: int | None  # None if nothing can be judged
    parts: list[ScorePart]
    limits: tuple[str, ...] = ()
    not_judged: str = ""  # why there is no score


class Origin(Enum):
    """The cells that a prediction was made from."""

    EXACT = "cells of the query cells' type under the perturbation"
    CROSS_CELL_TYPE = "cells of other types under the perturbation"
    RELATED_PERTURBATION = "cells under a related perturbation"


@dataclass(frozen=True)
class Evidence:
    """What the score is computed from."""

    differential: Differential
    enrichment: Sequence[PathwayChange]  # Hallmark and Reactome sets, the highest score first
    gene_sets: Mapping[str, frozenset[str]]  # the sets by which genes belong together
    expectation: Expectation | None  # of the perturbation, if known
    receptors: Sequence[str]
    query: sparse.csr_matrix  # raw counts of the query cells, cells × genes
    origin: Origin = Origin.EXACT
    p_value: float | None = None  # of the expected program against permuted treatment labels, if it is known
    perturbed_cells: int | None = None  # that the response was measured in; None for cells that are not predicted


def ground(evidence: Evidence, config: JobConfig, *, seed: int) -> Grounding:
    """Score a prediction; `seed` draws the random genes that the network part compares with."""
    if reason := _not_judged(evidence):
        return _without_score(
            [ScorePart(name=name, score=None, reason=f"Cannot be judged: {reason}.") for name in WEIGHTS], reason
        )
    evaluated = {PATHWAYS: _pathways(evidence, config), TARGETS: _targets(evidence), NETWORK: _network(evidence, seed)}
    parts = [
        ScorePart(name=name, score=None if value is None else _points(value), reason=reason)
        for name, (value, reason) in evaluated.items()
    ]
    values = {name: min(max(value, 0.0), 1.0) for name, (value, _) in evaluated.items() if value is not None}
    if not values:
        return _without_score(parts, "no part of the score can be evaluated")
    weight = sum(WEIGHTS[name] for name in values)
    score = _points(sum(WEIGHTS[name] * value for name, value in values.items()) / weight)
    limits = []
    if PATHWAYS not in values and TARGETS not in values:
        score = min(score, UNGROUNDED_LIMIT)
        limits.append(
            f"No prior knowledge links the prediction to this perturbation, so its score is at most {UNGROUNDED_LIMIT}."
        )
    if not evidence.differential.is_de.any():
        score = min(score, NO_GENE_LIMIT)
        limits.append(f"No gene is called changed, so the score is at most {NO_GENE_LIMIT}.")
    if evidence.origin is Origin.RELATED_PERTURBATION:
        score = min(score, RELATED_LIMIT)
        limits.append(f"A prediction from a related perturbation scores at most {RELATED_LIMIT}.")
    if evidence.origin is Origin.CROSS_CELL_TYPE and (shares := _missing_receptors(evidence)):
        score = min(score, NO_RECEPTOR_LIMIT)
        limits.append(
            "The response was transferred from other cell types, but hardly any of the query cells express a receptor for it "
            f"({shares}), so they may not respond; the score is at most {NO_RECEPTOR_LIMIT}."
        )
    return Grounding(score, parts, tuple(limits))


def _without_score(parts: list[ScorePart], reason: str) -> Grounding:
    return Grounding(None, parts, (f"The grounding score cannot be judged: {reason}.",), not_judged=reason)


def _not_judged(evidence: Evidence) -> str:
    """Return why nothing can be judged, or an empty string."""
    cells = evidence.perturbed_cells
    if cells is not None and cells < MIN_JUDGED_CELLS:
        return f"{cells} perturbed prompt cells, at least {MIN_JUDGED_CELLS} are needed"
    if not np.any(evidence.differential.statistic):
        return "no gene could be tested"
    return ""


def _significance(evidence: Evidence) -> tuple[float, str]:
    """Return the factor on parts about the expected program, and the reason for it, if it is below 1."""
    p_value = evidence.p_value
    if p_value is None or p_value < FULL_P:
        return 1.0, ""
    reason = f" Reduced, because it rises as much in {p_value:.0%} of permutations of the treatment labels."
    return max((NO_P - p_value) / (NO_P - FULL_P), 0.0), reason


def _points(value: float) -> int:
    return round(1 + 9 * min(max(value, 0.0), 1.0))


def _pathways(evidence: Evidence, config: JobConfig) -> tuple[float | None, str]:
    """Score whether the expected gene sets rise, and rise more than the others of their collection."""
    expected = evidence.expectation
    if expected is None:
        return None, "Not evaluated: the pathways that this perturbation should raise are not known."
    if not (expected.primary_sets or expected.reactome_sets):
        return None, f"Not evaluated: no gene set represents the program {expected.program}."
    in_hallmark = [change for change in evidence.enrichment if change.name.startswith(HALLMARK)]
    in_reactome = [change for change in evidence.enrichment if change.name.startswith(REACTOME)]
    primary = _strengths(expected.primary_sets, in_hallmark, HALLMARK_FACTORS, config)
    secondary = _strengths(expected.secondary_sets, in_hallmark, HALLMARK_FACTORS, config)
    other = _strengths(expected.reactome_sets, in_reactome, REACTOME_FACTORS, config)
    if not (primary or other):
        return None, "Not evaluated: too few genes of the expected pathways are measured."
    weighted = [(PRIMARY_SHARE, primary), (SECONDARY_SHARE, secondary), (REACTOME_SHARE, other)]
    means = [(share, float(np.mean(strengths))) for share, strengths in weighted if strengths]
    value = sum(share * strength for share, strength in means) / sum(share for share, _ in means)
    ranks = [
        f"{readable(name)} ranks {_ordinal(rank)} of {len(collection)} {label} sets"
        for label, collection, names in (
            ("Hallmark", in_hallmark, expected.primary_sets),
            ("Reactome", in_reactome, expected.reactome_sets),
        )
        for rank, change in enumerate(collection, start=1)
        if (name := change.name) in names
    ]
    top = evidence.enrichment[0]
    rise = f"The set that rises most is {readable(top.name)} (t = {top.score:.1f})" if top.score > 0 else "No set rises"
    factor, reduced = _significance(evidence)
    factor *= min(max(_mean_z(evidence, expected) / FULL_MEAN_Z, 0.0), 1.0)
    return factor * value, f"Expected for {expected.program}: {' and '.join(ranks)}, by rise. {rise}.{reduced}"


def _mean_z(evidence: Evidence, expected: Expectation) -> float:
    """Return the mean z of the measured genes of the expected program. Ranks alone are high in noise, too: something must be first."""
    names = {
        *expected.responders,
        *(gene for name in expected.primary_sets for gene in evidence.gene_sets.get(name, ())),
    }
    found = evidence.differential
    z = [value for gene, value in zip(found.genes, found.statistic, strict=True) if gene in names and value != 0]
    return float(np.mean(z)) if z else FULL_MEAN_Z


def _strengths(
    names: Sequence[str], collection: Sequence[PathwayChange], factors: RankFactors, config: JobConfig
) -> list[float]:
    """Return the strength of each tested set relative to the top set of its collection, 0..1, reduced by its rank."""
    found = []
    for rank, change in enumerate(collection, start=1):
        if change.name not in names:
            continue
        rises = change.score > 0 and change.adjusted_p_value < config.max_adjusted_p
        factor = next((factor for limit, factor in factors if rank <= limit), LATE_FACTOR)
        found.append(factor * change.score / collection[0].score if rises else 0.0)
    return found


def _targets(evidence: Evidence) -> tuple[float | None, str]:
    """Score whether known responders rise among all genes, and whether the query cells express the receptors."""
    expected, found = evidence.expectation, evidence.differential
    if expected is None:
        return None, "Not evaluated: no responder genes are known for this perturbation."
    place = {gene: i for i, gene in enumerate(found.genes)}
    columns = [place[gene] for gene in expected.responders if gene in place]
    if len(columns) < MIN_RESPONDERS:
        return None, f"Not evaluated: only {len(columns)} of the known responder genes are measured."
    z = found.statistic[columns]
    ranked = np.sort(found.statistic)
    below, above = (np.searchsorted(ranked, z, side=side) for side in ("left", "right"))
    separation = float(np.mean(below + above)) / (2 * len(ranked))  # area under the ROC curve: 0.5 is chance
    factor, reduced = _significance(evidence)
    value = 0.6 * float(np.clip(z / FULL_Z, 0.0, 1.0).mean()) + 0.4 * max(2 * separation - 1, 0.0)
    value *= factor
    reason = f"{int((z > RISING_Z).sum())} of {len(columns)} measured responders of {expected.program} rise"
    shares = _receptor_shares(evidence)
    if not shares:
        return value, f"{reason}. Receptor genes are not measured and were left out.{reduced}"
    expressing = float(np.mean(list(shares.values())))
    receptor = expressing / (expressing + RECEPTOR_HALF)
    value *= 0.5 + 0.5 * receptor
    names = ", ".join(shares)
    return (
        value,
        f"{reason}. Receptors ({names}): on average {expressing:.0%} of the query cells express them.{reduced}",
    )


def _receptor_shares(evidence: Evidence) -> dict[str, float]:
    """Return the share of query cells that express each measured receptor gene."""
    place = {gene: i for i, gene in enumerate(evidence.differential.genes)}
    measured = [gene for gene in evidence.receptors if gene in place]
    shares = np.mean(evidence.query[:, [place[gene] for gene in measured]].toarray() > 0, axis=0)
    return dict(zip(measured, map(float, shares), strict=True))


def _missing_receptors(evidence: Evidence) -> str:
    """Return the share of query cells that express each receptor if practically none does, else an empty string."""
    shares = _receptor_shares(evidence)
    enough = evidence.query.shape[0] >= MIN_CELLS_FOR_RECEPTOR
    if not (enough and shares and max(shares.values()) < NO_RECEPTOR_SHARE):
        return ""
    return ", ".join(f"{gene}: {share:.1%}" for gene, share in shares.items())


def _network(evidence: Evidence, seed: int) -> tuple[float | None, str]:
    """Score whether the changed genes belong together: pairs that share a Hallmark set, compared with random tested genes."""
    found = evidence.differential
    order = np.argsort(-np.abs(found.statistic), kind="stable")
    changed = [int(i) for i in order if found.is_de[i]][:NETWORK_GENES]
    if len(changed) < MIN_NETWORK_GENES:
        few = {0: "no gene is", 1: "1 gene is"}.get(len(changed), f"{len(changed)} genes are")
        return None, f"Cannot be judged: {few} called changed, at least {MIN_NETWORK_GENES} are needed."
    membership = np.array(
        [[gene in genes for genes in evidence.gene_sets.values()] for gene in found.genes], dtype=np.int32
    )
    tested = np.flatnonzero(found.statistic)
    rng = np.random.default_rng(seed)
    size = min(len(changed), len(tested))
    random = np.mean(
        [_pairs_sharing_a_set(rng.choice(tested, size, replace=False), membership) for _ in range(NETWORK_DRAWS)]
    )
    observed = _pairs_sharing_a_set(np.array(changed), membership)
    return float((observed - random) / FULL_EXCESS), (
        f"{observed:.0%} of the pairs among the {len(changed)} genes that change most share a Hallmark set; random genes: {random:.0%}."
    )


def _pairs_sharing_a_set(genes: NDArray[np.intp], membership: NDArray[np.int32]) -> float:
    """Return the share of pairs among these genes that have a gene set in common."""
    sets = membership[genes]
    return float(((sets @ sets.T) > 0)[np.triu_indices(len(genes), k=1)].mean())


def _ordinal(place: int) -> str:
    suffix = "th" if 10 <= place % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{suffix}"
