"""The arithmetic of delta transfer: weights of groups, and the change that they predict. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from orchestrator.atlas.expression import Floats

# Cells of a group beyond this number give it no more weight: what is left is the difference between donors.
MAX_WEIGHT_CELLS: Final = 300
# 1 − correlation of the control profiles of cells that share little of a response: monocytes and lymphocytes.
UNLIKE: Final = 0.25


@dataclass(frozen=True)
class TransferSettings:
    """What leaving out known responses chooses."""

    length: float = 0.7  # distance (1 − correlation) at which the weight of a cell type falls to 1/e
    magnitude: float = 1.0  # factor on the predicted change


def group_weights(
    query: Floats, references: Sequence[Floats], cells: Sequence[float], settings: TransferSettings
) -> Floats:
    """Return the weight of each group: its similarity to the query times its number of cells; they sum to 1.

    Args:
        query: control profile of the query cells.
        references: control profile of the cell type of each group, the same array for the same cell type.
        cells: of each group.
    """
    return weights_of(similarity(query, references), np.minimum(cells, MAX_WEIGHT_CELLS), settings)


def weights_of(alike: Floats, cells: Floats, settings: TransferSettings) -> Floats:
    """Return weights that sum to 1, from the similarity to the query and the number of cells."""
    raw = np.exp(-(1.0 - alike) / settings.length) * cells
    return raw / raw.sum() if raw.sum() > 0 else np.full(len(raw), 1.0 / len(raw))


def similarity(query: Floats, references: Sequence[Floats]) -> Floats:
    """Return the correlation of each control profile with the query's, after the mean profile is subtracted.

    The mean is that of the query and the distinct references. Without subtracting it, what all cells share hides what tells them apart:
    every correlation is near 1.
    """
    distinct = {id(profile): profile for profile in references}
    mean = np.mean([query, *distinct.values()], axis=0)
    own = query - mean
    found = {key: correlation(own, profile - mean) for key, profile in distinct.items()}
    return np.array([found[id(profile)] for profile in references])


def extrapolation(query: Floats, references: Sequence[Floats]) -> float:
    """Return how far the query lies outside the cell types that a response comes from: 0 (among them) to 1 (unlike any).

    It is the distance to the most similar reference, beyond the largest distance of a reference to the one most similar to it.

    Args:
        query: control profile of the query cells.
        references: control profile of the cell type of each group, the same array for the same cell type.
    """
    distinct = list({id(profile): profile for profile in references}.values())
    own = min(1.0 - correlation(query, profile) for profile in distinct)
    among = [
        min(1.0 - correlation(one, other) for other in distinct if other is not one)
        for one in distinct
        if len(distinct) > 1
    ]
    return float(np.clip((own - max(among, default=0.0)) / UNLIKE, 0.0, 1.0))


def transferred(effects: Floats, variances: Floats, weights: Floats, settings: TransferSettings) -> Floats:
    """Return the change that groups predict: their weighted mean effect, shrunk and scaled.

    Args:
        effects: groups × genes.
        variances: of the effects, from their cells.
    """
    return settings.magnitude * shrunk(weights @ effects, weights**2 @ variances)


def shrunk(shift: Floats, variance: Floats) -> Floats:
    """Multiply each gene's shift by shift² / (shift² + variance): shifts below their noise shrink."""
    power = shift**2
    return shift * np.divide(power, power + variance, out=np.zeros_like(power), where=power > 0)


def correlation(one: Floats, other: Floats) -> float:
    """Return Pearson's correlation; 0 if one of both is constant."""
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
