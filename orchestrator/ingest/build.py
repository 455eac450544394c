"""From the file of an atlas to its folder: counts by group, profiles, and the catalog entry.

The matrix is never loaded whole: a sample of its rows is checked for raw counts, and its rows are rewritten by group, block by block. The
catalog stores the number of cells of each group; the job reads `counts.h5`, `groups.npz` and `profiles.h5`. The file is not changed.
"""

import re
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from orchestrator.atlas.atlas import GROUPS_FILE, AtlasUnusable, Group, GroupIndex, profile_groups
from orchestrator.atlas.counts import COUNTS_FILE, write_grouped
from orchestrator.ingest.count_matrix import counts_matrix
from orchestrator.ingest.entry import dataset_entry
from orchestrator.ingest.genes import gene_symbols
from orchestrator.ingest.labels import labeled
from orchestrator.ingest.options import Options
from orchestrator.ingest.progress import Report, silent
from orchestrator.ingest.sources import read_source
from shared.catalog import folders
from shared.catalog.entries import DatasetEntry
from shared.catalog.folders import ENTRY_FILE
from shared.catalog.packing import pack
from shared.fields import utc_now


def ingest(
    dataset: str, path: Path, atlas_root: Path, options: Options | None = None, report: Report = silent
) -> DatasetEntry:
    """Write a new version of an atlas below `atlas_root`, and return its catalog entry, which the caller stores.

    The file is no longer needed afterwards. Earlier versions stay as they are (`replacement.replace`).

    Raises:
        AtlasUnusable: the atlas cannot be ingested; the message says what to do.
        CatalogFull: the atlas has too many groups.
    """
    options = options or Options()
    check_name(dataset)
    source = read_source(path)
    matrix = counts_matrix(path, len(source.obs))
    genes = gene_symbols(source.var)
    cells = labeled(source.obs, options)
    grouped = cells.groupby(["donor", "cell_type", "condition"], observed=True, sort=True).indices
    positions = cells["row"].to_numpy()
    rows = {
        Group(*(str(label) for label in key)): np.sort(positions[members])
        for key, members in grouped.items()
        if isinstance(key, tuple)
    }
    entry = dataset_entry(dataset, rows, options, source.metadata, n_cells=len(cells), n_genes=len(genes))
    del source, cells, grouped, positions  # for a large atlas they take more memory than writing the counts does
    entry = entry.model_copy(update={"atlas": folders.new_version(dataset, utc_now())})
    pack(entry)  # fails now, and not after hours of writing, if the catalog has no room for it
    folder = atlas_root / entry.folder
    folder.mkdir(parents=True)
    index = GroupIndex(rows, genes)
    with h5py.File(path) as file:
        write_grouped(file[matrix], index.order, folder / COUNTS_FILE)
    index.save(folder / GROUPS_FILE)
    profile_groups(folder, partial(report, "profiling groups"))
    (folder / ENTRY_FILE).write_text(entry.model_dump_json(indent=1))
    return entry


def check_name(dataset: str) -> None:
    """Raise unless a dataset may have this name.

    Raises:
        AtlasUnusable: the name is not valid.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", dataset):
        raise AtlasUnusable(f"{dataset!r} is not a valid dataset name: use a-z, 0-9 and _, and start with a letter.")
