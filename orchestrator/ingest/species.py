"""The species that a file declares for its cells, besides what its genes look like."""

from collections.abc import Iterator, Mapping
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


def names_species(name: str) -> bool:
    """Return whether a column, or a text of the file, names a species."""
    return plain(name) in _COLUMNS


def about_species(obs: pd.DataFrame, organism: str | None) -> Iterator[str]:
    """Yield a warning for each column that names another species, if the person says that the genes are human.

    Args:
        organism: `human` if so.

    Raises:
        AtlasUnusable: cells are of another species, and nobody said that their genes are human.
    """
    for name in obs:
        if not names_species(str(name)):
            continue
        others = {label: count for label, count in Coded.of(obs[name]).counts.items() if not _is_human(label)}
        if others:
            told = ", ".join(f"{label} for {count} of {len(obs)} cells" for label, count in sorted(others.items())[:3])
            yield _warning(f"obs.{name} says {told}", organism)


def about_file_species(declared: Mapping[str, str], organism: str | None) -> Iterator[str]:
    """Yield a warning for each text of a file that names another species, if the person says that the genes are human.

    Args:
        declared: the species by the place that names it.
        organism: `human` if so.

    Raises:
        AtlasUnusable: the cells are of another species, and nobody said that their genes are human.
    """
    for place, species in declared.items():
        if not _is_human(species):
            yield _warning(f"{place} says {species}", organism)


def _is_human(label: str) -> bool:
    return is_unassigned(label) or label.strip().lower() in _HUMAN


def _warning(told: str, organism: str | None) -> str:
    if organism is None:
        raise AtlasUnusable(
            f"{told}. Only human cells can be ingested, because gene sets and questions are human: keep the human cells only. If the "
            "genes were renamed to their human orthologs, give --organism human."
        )
    return f"{told}; they are taken as human (--organism)."
