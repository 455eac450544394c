"""The file of an atlas: its cells, genes, metadata, and the matrices that may hold counts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import pandas as pd

from orchestrator.atlas.errors import AtlasUnusable


@dataclass(frozen=True)
class Source:
    """What a file says about an atlas, without its counts."""

    obs: pd.DataFrame
    var: pd.DataFrame
    metadata: dict[str, Any]


def read_source(path: Path) -> Source:
    """Read all of a file but its matrices.

    Raises:
        AtlasUnusable: the file cannot be read; the message says why.
    """
    if not path.is_file():
        raise AtlasUnusable(f"There is no file {path}.")
    try:
        file = h5py.File(path)
    except OSError as error:
        raise AtlasUnusable(f"{path} cannot be opened as .h5ad: {error}.") from error
    with file:
        return Source(
            obs=ad.io.read_elem(file["obs"]),
            var=ad.io.read_elem(file["var"]),
            metadata=ad.io.read_elem(file["uns/haystack"]) if "uns/haystack" in file else {},
        )
