"""The simulated cytokine response of the demo atlas: PROGENy weights, receptor expression, donors, Poisson noise.

Nothing here is measured. A response is a shift of log1p(counts per 10,000) of each gene:

    shift = MAX_SHIFT · tanh(Σ_pathway strength · branch · weight / HALF_WEIGHT) · activity(cell type) · donor

where the weights are PROGENy's, `branch` separates type I from type II interferon (they share the JAK-STAT pathway), and the activity of
a cell type grows with the fraction of its cells that express the cytokine's receptor genes.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The largest shift of log1p(counts per 10,000) that a cytokine can cause.
MAX_SHIFT = 2.6
# The PROGENy weight at which tanh reaches three quarters of that.
HALF_WEIGHT = 12.0
# Smaller weighted sums cause no shift, because PROGENy's long tail is noise.
MIN_WEIGHT = 1.0
# The fraction of receptor-positive cells at which a cell type responds at half its maximum.
RECEPTOR_HALF = 0.12
# How far a resampled cell moves toward the mean of its cell type before Poisson noise is added.
SMOOTHING = 0.5

BRANCH_FACTORS: Mapping[str, Mapping[str, float]] = {
    "IFN-gamma": {"GAS": 1.3, "ISRE": 0.35},
    "IFN-beta": {"GAS": 0.5, "ISRE": 1.2},
    "IFN-alpha1": {"GAS": 0.35, "ISRE": 1.1},
    "IL-6": {"GAS": 0.8, "ISRE": 0.1},
    "IL-2": {"GAS": 0.5, "ISRE": 0.05},
}


@dataclass(frozen=True)
class Cytokine:
    """A cytokine of the demo atlas, with the pathways it drives (PROGENy name to strength) and its receptor genes."""

    name: str
    pathways: Mapping[str, float]
    receptors: tuple[str, ...]


def _rows(name: str) -> list[dict[str, str]]:
    with files("local.demo_atlas").joinpath("data", name).open(encoding="utf-8") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def cytokines() -> list[Cytokine]:
    """Return the cytokines of `data/demo_cytokines.tsv`, in the file's order."""
    pathways: dict[str, dict[str, float]] = {}
    receptors: dict[str, tuple[str, ...]] = {}
    for row in _rows("demo_cytokines.tsv"):
        pathways.setdefault(row["cytokine"], {})[row["pathway"]] = float(row["strength"])
        receptors[row["cytokine"]] = tuple(row["receptor_genes"].split("|"))
    return [Cytokine(name, parts, receptors[name]) for name, parts in pathways.items()]


def pathway_weights(genes: Sequence[str]) -> dict[str, Floats]:
    """Return PROGENy's weights by pathway: one weight per gene, 0 for genes that the pathway lacks."""
    place = {gene: i for i, gene in enumerate(genes)}
    weights: dict[str, Floats] = {}
    for row in _rows("progeny_human.tsv"):
        vector = weights.setdefault(row["pathway"], np.zeros(len(genes)))
        if row["gene"] in place:
            vector[place[row["gene"]]] = float(row["weight"])
    return weights


def full_shift(cytokine: Cytokine, genes: Sequence[str], weights: Mapping[str, Floats]) -> Floats:
    """Return the shift of log1p(counts per 10,000) of each gene in a cell type with full response."""
    total = np.zeros(len(genes))
    for pathway, strength in cytokine.pathways.items():
        total += strength * weights[pathway]
    factors = BRANCH_FACTORS.get(cytokine.name, {})
    branch = {row["gene"]: row["branch"] for row in _rows("demo_interferon_branches.tsv")}
    total *= np.array([factors.get(branch.get(gene, ""), 1.0) for gene in genes])
    total[np.abs(total) < MIN_WEIGHT] = 0.0
    return MAX_SHIFT * np.tanh(total / HALF_WEIGHT)


def activity(counts: NDArray[np.int32], genes: Sequence[str], receptors: Sequence[str]) -> float:
    """Return the strength of a cell type's response, 0..1, from the mean fraction of cells that express each receptor gene.

    Args:
        counts: cells × genes.
        genes: the columns of `counts`.
        receptors: receptor genes; unmeasured ones are ignored.
    """
    measured = [genes.index(gene) for gene in receptors if gene in genes]
    if not measured:
        return 0.0
    expressing = float((counts[:, measured] > 0).mean())
    return expressing / (expressing + RECEPTOR_HALF)


def respond(counts: NDArray[np.int32], shift: Floats, rng: np.random.Generator) -> NDArray[np.int32]:
    """Simulate one perturbed cell for each control cell, with its depth and, in part, its own expression.

    Args:
        counts: cells × genes, control cells of one cell type.
        shift: per gene, the shift of log1p(counts per 10,000).
        rng: the source of the noise; each cell also responds a little more or less than the others.
    """
    depth = counts.sum(axis=1, keepdims=True)
    rates = counts / depth * 1e4
    rates = (1.0 - SMOOTHING) * rates + SMOOTHING * rates.mean(axis=0, keepdims=True)
    own = rng.lognormal(mean=0.0, sigma=0.25, size=(len(counts), 1))
    shifted = np.maximum(np.expm1(np.log1p(rates) + own * shift), 0.0)
    drawn: NDArray[np.int32] = rng.poisson(shifted * depth / 1e4).astype(np.int32)
    return drawn
