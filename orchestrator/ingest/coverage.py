"""Whether all parts of an atlas were measured with the same genes: parts of other genes are often joined with zeros."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from orchestrator.atlas.errors import AtlasUnusable
from orchestrator.ingest.meaning import Meaning

# With more conditions, the rest are compared with the controls as one.
_MOST_PARTS: Final = 40
# A gene counts as not measured in a part if it has no count there, where so many are expected: by chance, one in 10⁸ has none.
_EXPECTED: Final = 20
_FEWEST: Final = 10
# Shares of the genes that could be seen. A response may silence few genes altogether, but may raise many from nothing.
_MISSING_SHARE, _NEW_SHARE = 0.05, 0.25


class Parts(NamedTuple):
    """The parts of an atlas that are compared: first the controls, then conditions."""

    of_cell: NDArray[np.int32]  # the part of each cell of the file; -1 for cells that are left out
    names: Sequence[str]


def parts_of(meaning: Meaning) -> Parts:
    """Return the controls and the conditions of an atlas."""
    found = np.full(meaning.n_file, -1, dtype=np.int32)
    sizes: dict[str, int] = {}
    for group, rows in meaning.rows.items():
        sizes[group.condition] = sizes.get(group.condition, 0) + len(rows)
    perturbed = sorted(sizes.keys() - meaning.controls, key=lambda label: -sizes[label])
    names = ["the controls", *(f"any cell under {label}" for label in perturbed[:_MOST_PARTS])]
    if len(perturbed) > _MOST_PARTS:
        names.append("any cell under another condition")
    places = {label: min(place, _MOST_PARTS) + 1 for place, label in enumerate(perturbed)}
    for group, rows in meaning.rows.items():
        found[rows] = places.get(group.condition, 0)
    return Parts(found, names)


def check_coverage(sums: NDArray[np.float64], names: Sequence[str], genes: Sequence[str]) -> None:
    """Refuse an atlas in which many genes have counts in the controls and none under a condition, or the other way around.

    Args:
        sums: counts by part and gene, the controls first.
        names: of the parts.
        genes: symbols.

    Raises:
        AtlasUnusable: the parts were measured with different genes.
    """
    totals = sums.sum(axis=1)
    control = sums[0]
    for part, name in zip(range(1, len(sums)), names[1:], strict=True):
        if not totals[0] or not totals[part]:
            continue
        own, scale = sums[part], totals[part] / totals[0]
        expected, expected_in_controls = control * scale, own / scale
        seen = int(((expected >= _EXPECTED) | (expected_in_controls >= _EXPECTED)).sum())
        for lacks, in_part, share in (
            ((own == 0) & (expected >= _EXPECTED), name, _MISSING_SHARE),
            ((control == 0) & (expected_in_controls >= _EXPECTED), names[0], _NEW_SHARE),
        ):
            missing = np.flatnonzero(lacks)
            if len(missing) >= max(_FEWEST, share * seen):
                examples = ", ".join(genes[place] for place in missing[:3])
                raise AtlasUnusable(
                    f"{len(missing):,} of {seen:,} genes ({examples}, …) have no count in {in_part}, although they have many elsewhere: "
                    "these parts of the file were measured with different genes and joined with zeros, which would be reported as a "
                    "response. Join them by the genes that they share (anndata.concat with join='inner')."
                )
