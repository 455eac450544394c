"""Differentials and responses with given values, for tests of what follows from them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.evidence.differential import Differential
from orchestrator.evidence.inference import Response


def make_differential(
    genes: Sequence[str],
    change: NDArray[np.float64],
    statistic: NDArray[np.float64],
    p_value: NDArray[np.float64] | None = None,
    is_de: NDArray[np.bool_] | None = None,
) -> Differential:
    """Return a differential with these values; by default nothing is significant and no gene is called."""
    p = np.ones(len(genes)) if p_value is None else p_value
    return Differential(
        genes=tuple(genes),
        log2_fold_change=change,
        effect=change,
        standard_error=np.divide(change, statistic, out=np.zeros(len(genes)), where=statistic != 0),
        statistic=statistic,
        p_value=p,
        adjusted_p=p,
        donors_agreeing=np.full(len(genes), 2),
        is_de=np.zeros(len(genes), dtype=bool) if is_de is None else is_de,
    )


def make_response(found: Differential, *, donors: int = 2, cell_types: int = 1, cells: int = 200) -> Response:
    """Return the response that a differential rests on."""
    return Response(
        effect=found.log2_fold_change * np.log(2.0),
        standard_error=found.standard_error * np.log(2.0),
        degrees=np.full(len(found.genes), cells - 2.0),
        expressing=np.full(len(found.genes), cells),
        donors=tuple(f"donor {i + 1}" for i in range(donors)),
        donor_effects=np.tile(found.log2_fold_change * np.log(2.0), (donors, 1)),
        cell_types=cell_types,
        cells=cells,
        perturbed_cells=cells // 2,
    )
