"""What a file says about an atlas: its cells, its genes, its metadata, and the matrices that may hold counts.

Readers of each format make a `Source`; `orchestrator.ingest.formats` opens one. Tables are read when asked for, matrices never whole.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.ingest.matrices import Matrix

_LANE = re.compile(r"-\d+$")


@dataclass(frozen=True)
class Source:
    """An open file of an atlas."""

    what: str  # for messages: "an AnnData file"
    matrices: Mapping[str, Matrix | str]  # by name (`X`, `layers/counts`, `raw/X`); a text says why one cannot be read
    read_obs: Callable[[], pd.DataFrame]  # the cells, by name
    read_var: Callable[[str], pd.DataFrame]  # the genes of a matrix
    metadata: Mapping[str, Any] = field(default_factory=dict)
    species: Mapping[str, str] = field(
        default_factory=dict
    )  # that the file names for all of its cells, by place ("uns.organism")


def with_cells(obs: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return cells with the columns of a table of cells (CSV or TSV, may be gzipped); cells that it lacks have missing values.

    One column holds the names of the cells (barcodes): the one that matches most, with or without the lane (`-1`).

    Raises:
        AtlasUnusable: the table cannot be read, or its names do not match.
    """
    try:
        table = pd.read_csv(path, sep="," if ".csv" in path.suffixes else "\t", dtype=object, comment=None)
    except (OSError, ValueError) as error:
        raise AtlasUnusable(f"The table of cells {path} cannot be read: {error}.") from error
    names = pd.Series(obs.index.astype(str))
    best, matched = _keyed(table, names)
    if matched is None or not matched.any():
        raise AtlasUnusable(
            f"No cell of the table {path.name} is in the matrix: it has names such as {_examples(table.iloc[:, 0])}, the matrix "
            f"{_examples(names)}. One column of the table must hold the names (barcodes) of the matrix."
        )
    if best.index.has_duplicates:
        raise AtlasUnusable(f"The table of cells {path.name} names some cells twice. Keep one row for each cell.")
    joined = best.reindex(matched)
    joined.index = obs.index
    kept = obs.drop(columns=[name for name in obs if name in joined])
    return pd.concat([kept, joined], axis=1)


def _keyed(table: pd.DataFrame, names: "pd.Series[str]") -> tuple[pd.DataFrame, "pd.Series[str] | None"]:
    """Return the table by the names in it, and for each cell the name to look up; None if none matches."""
    best, most = None, 0.0
    for column in table:
        values = table[column].astype(str)
        for shorten in (False, True):
            theirs = values.str.replace(_LANE, "", regex=True) if shorten else values
            mine = names.str.replace(_LANE, "", regex=True) if shorten else names
            if shorten and (mine.duplicated().any() or theirs.duplicated().any()):
                continue  # the lane is needed to tell cells apart
            if shorten and (mine != names).any() and (theirs != values).any():
                continue  # the same barcode in another lane is another cell
            share = float(mine.isin(set(theirs)).mean())
            if share > most:
                best, most = (table.drop(columns=column).set_index(pd.Index(theirs)), mine), share
    return best or (table, None)


def _examples(values: "pd.Series[str]") -> str:
    return ", ".join(values.astype(str).head(2)) or "none"
