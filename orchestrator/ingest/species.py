"""The species that a file declares for its cells, besides what its genes look like."""

from collections.abc import Iterator
from typing import Final

import pandas as pd

from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.ingest.coded import Coded
from orchestrator.ingest.obs_columns import plain
from shared.resolver.placeholders import is_unassigned

_COLUMNS: Final = frozenset({"organism", "species", "organismontologytermid"})
_HUMAN: Final = frozenset(
    {"homo sapiens", "human", "h. sapiens", "hsapiens", "hs", "ncbitaxon:9606", "9606", "hg38", "grch38"}
)


def about_species(obs: pd.DataFrame, organism: str | None) -> Iterator[str]:
    """Yield a warning for each column that names another species, if the person says that the genes are human.

    Args:
        organism: `human` if so.

    Raises:
        AtlasUnusable: cells are of another species, and nobody said that their genes are human.
    """
    for name in obs:
        if plain(str(name)) not in _COLUMNS:
            continue
        cells = Coded.of(obs[name])
        others = {
            label: count
            for label, count in cells.counts.items()
            if not is_unassigned(label) and label.strip().lower() not in _HUMAN
        }
        if not others:
            continue
        told = ", ".join(f"{label} for {count} of {len(obs)} cells" for label, count in sorted(others.items())[:3])
        if organism is None:
            raise AtlasUnusable(
                f"obs.{name} says {told}. Only human cells can be ingested, because gene sets and questions are human: keep the human "
                "cells only. If the genes were renamed to their human orthologs, give --organism human."
            )
        yield f"obs.{name} says {told}; they are taken as human (--organism)."
