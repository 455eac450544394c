"""From the file of an atlas to its folder: counts by group, profiles, and the catalog entry.

The matrix is never loaded whole: all of its values are checked, and then its rows are rewritten by group, block by block. The
catalog stores the number of cells of each group; the job reads `counts.h5`, `groups.npz` and `profiles.h5`. The file is not changed.
"""

import re
import sys
from pathlib import Path

import numpy as np

from orchestrator.atlas.atlas import GROUPS_FILE, AtlasUnusable, Group, GroupIndex, profile_groups
from orchestrator.atlas.counts import COUNTS_FILE, write_grouped
from orchestrator.ingest.count_matrix import find_counts
from orchestrator.ingest.entry import dataset_entry
from orchestrator.ingest.formats import open_source
from orchestrator.ingest.genes import read_genes
from orchestrator.ingest.labels import labeled
from orchestrator.ingest.options import Options
from orchestrator.ingest.progress import Report, silent
from shared.catalog.entries import ENTRY_FILE, DatasetEntry


def ingest(
    dataset: str, path: Path, atlas_root: Path, options: Options | None = None, report: Report = silent
) -> DatasetEntry:
    """Write an atlas into its folder below `atlas_root`, and return its catalog entry, which the caller stores.

    The file is no longer needed afterwards.

    Raises:
        AtlasUnusable: the atlas cannot be ingested; the message says what to do.
    """
    options = options or Options()
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", dataset):
        raise AtlasUnusable(f"{dataset!r} is not a valid dataset name: use a-z, 0-9 and _, and start with a letter.")
    with open_source(path, options.cells, report) as source:
        obs = source.read_obs()
        n_cells = len(obs)
        cells = labeled(obs, options)
        grouped = cells.groupby(["donor", "cell_type", "condition"], observed=True, sort=True).indices
        positions = cells["row"].to_numpy()
        rows = {
            Group(*(str(label) for label in key)): np.sort(positions[members])
            for key, members in grouped.items()
            if isinstance(key, tuple)
        }
        n_labeled = len(cells)
        del obs, cells, grouped, positions  # for a large atlas they take more memory than writing the counts does
        counts = find_counts(
            source,
            n_cells,
            lambda var: read_genes(var, options.symbol_column, options.organism),
            options.layer,
            report,
        )
        for note in (*counts.notes, *counts.genes.notes):
            print(note, file=sys.stderr)
        n_genes = len(counts.genes.symbols)
        entry = dataset_entry(dataset, rows, options, dict(source.metadata), n_cells=n_labeled, n_genes=n_genes)
        folder = atlas_root / dataset
        folder.mkdir(parents=True, exist_ok=True)
        index = GroupIndex(rows, list(counts.genes.symbols))
        write_grouped(counts.blocks(report), counts.sizes, n_genes, index.order, folder / COUNTS_FILE)
    index.save(folder / GROUPS_FILE)
    profile_groups(folder)
    (folder / ENTRY_FILE).write_text(entry.model_dump_json(indent=1))
    return entry
