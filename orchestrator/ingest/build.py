"""From the file of an atlas to its folder: counts by group, profiles, and the catalog entry.

The matrix is never loaded whole: a sample of its rows is checked for raw counts, and its rows are rewritten by group, block by block. The
catalog stores the number of cells of each group; the job reads `counts.h5`, `groups.npz` and `profiles.h5`. The file is not changed.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py

from orchestrator.atlas.atlas import GROUPS_FILE, AtlasUnusable, GroupIndex, profile_groups
from orchestrator.atlas.counts import COUNTS_FILE, write_grouped
from orchestrator.ingest.count_matrix import counts_matrix
from orchestrator.ingest.entry import dataset_entry
from orchestrator.ingest.genes import gene_symbols
from orchestrator.ingest.labels import Meaning, understand
from orchestrator.ingest.options import Options
from orchestrator.ingest.progress import Report, silent
from orchestrator.ingest.sources import read_source
from shared.catalog import folders
from shared.catalog.entries import DatasetEntry
from shared.catalog.folders import ENTRY_FILE
from shared.catalog.packing import pack
from shared.fields import utc_now
from shared.resolver import genes as known_genes

# Called with the name of the dataset, what its columns mean, and further facts in words.
Announce = Callable[[str, Meaning, Sequence[tuple[str, str]]], None]


@dataclass(frozen=True)
class Examined:
    """What is known of an atlas before its counts are rewritten."""

    dataset: str
    matrix: str
    genes: list[str]
    meaning: Meaning
    entry: DatasetEntry

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What the summary says beside the meaning of the columns."""
        known = sum(gene.upper() in known_genes.gene_symbols() for gene in self.genes)
        share = known / max(len(self.genes), 1)
        return [("counts", self.matrix), ("genes", f"{len(self.genes):,}, {share:.0%} of them known human symbols")]


def examine(dataset: str, path: Path, options: Options | None = None) -> Examined:
    """Return how an atlas is understood, without writing anything.

    Raises:
        AtlasUnusable: the atlas cannot be ingested; the message says what to do.
        CatalogFull: the atlas has too many groups.
    """
    options = options or Options()
    check_name(dataset)
    source = read_source(path)
    matrix = counts_matrix(path, len(source.obs))
    genes = gene_symbols(source.var)
    meaning = understand(source.obs, options)
    entry = dataset_entry(dataset, meaning, options, source.metadata, n_genes=len(genes))
    pack(entry)  # fails now, and not after hours of writing, if the catalog has no room for it
    return Examined(dataset, matrix, genes, meaning, entry)


def ingest(
    dataset: str,
    path: Path,
    atlas_root: Path,
    options: Options | None = None,
    report: Report = silent,
    announce: Announce | None = None,
) -> DatasetEntry:
    """Write a new version of an atlas below `atlas_root`, and return its catalog entry, which the caller stores.

    The file is no longer needed afterwards. Earlier versions stay as they are (`replacement.replace`).

    Args:
        announce: called with how the atlas is understood, before the work starts.

    Raises:
        AtlasUnusable: the atlas cannot be ingested; the message says what to do.
    """
    found = examine(dataset, path, options)
    if announce:
        announce(dataset, found.meaning, found.facts)
    entry = found.entry.model_copy(update={"atlas": folders.new_version(dataset, utc_now())})
    folder = atlas_root / entry.folder
    folder.mkdir(parents=True)
    index = GroupIndex(found.meaning.rows, found.genes)
    with h5py.File(path) as file:
        write_grouped(file[found.matrix], index.order, folder / COUNTS_FILE)
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
