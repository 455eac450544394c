"""From the file of an atlas to its folder: counts by group, profiles, and the catalog entry.

The matrix is never loaded whole: all of its values are checked, and then its rows are rewritten by group, block by block. The
catalog stores the number of cells of each group; the job reads `counts.h5`, `groups.npz` and `profiles.h5`. The file is not changed.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from orchestrator.atlas.atlas import GROUPS_FILE, AtlasUnusable, GroupIndex, profile_groups
from orchestrator.atlas.counts import COUNTS_FILE, write_grouped
from orchestrator.atlas.expression import SMALL_PANEL
from orchestrator.ingest.count_matrix import Counts, find_counts
from orchestrator.ingest.coverage import check_coverage, parts_of
from orchestrator.ingest.entry import dataset_entry
from orchestrator.ingest.formats import open_source
from orchestrator.ingest.genes import read_genes
from orchestrator.ingest.labels import understand
from orchestrator.ingest.meaning import Meaning
from orchestrator.ingest.options import Options
from orchestrator.ingest.progress import Report, silent
from orchestrator.ingest.species import about_file_species
from orchestrator.ingest.tally import Tally
from shared.catalog import folders
from shared.catalog.entries import DatasetEntry
from shared.catalog.folders import ENTRY_FILE
from shared.catalog.packing import pack
from shared.fields import utc_now

# Called with the name of the dataset, what its columns mean, and further facts in words.
Announce = Callable[[str, Meaning, Sequence[tuple[str, str]]], None]
_WARNING = "warning: "


@dataclass(frozen=True)
class Examined:
    """What is known of an atlas before its counts are rewritten."""

    dataset: str
    counts: Counts
    meaning: Meaning
    entry: DatasetEntry

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What the summary says beside the meaning of the columns."""
        counts, genes = self.counts, self.counts.genes
        few = f"warning: only {len(genes.symbols)} genes are measured: genes that rise make others appear to fall"
        notes = (*counts.notes, *genes.notes, *([few] if len(genes.symbols) < SMALL_PANEL else []))
        return [
            *(("WARNING", note.removeprefix(_WARNING)) for note in notes if note.startswith(_WARNING)),
            *(("note", note) for note in notes if not note.startswith(_WARNING)),
            ("counts", f"{counts.name} ({counts.layout})"),
            (
                "genes",
                f"{len(genes.symbols):,}, named by {genes.named_by}; {genes.known_share:.0%} of them known human symbols",
            ),
        ]


def examine(dataset: str, path: Path, options: Options | None = None, report: Report = silent) -> Examined:
    """Return how an atlas is understood, after checking all of its counts, without writing anything.

    Raises:
        AtlasUnusable: the atlas cannot be ingested; the message says what to do.
        CatalogFull: the atlas has too many groups.
    """
    with _examined(dataset, path, options or Options(), report) as found:
        return found


@contextmanager
def _examined(dataset: str, path: Path, options: Options, report: Report) -> Iterator[Examined]:
    """Yield how an atlas is understood; meanwhile its counts can be read."""
    check_name(dataset)
    with open_source(path, options.cells, report) as source:
        obs = source.read_obs()
        told = list(about_file_species(source.species, options.organism))
        n_cells, meaning = len(obs), understand(obs, options)
        meaning.about_columns += told
        del obs  # of a large atlas, it takes more memory than writing the counts does
        parts = parts_of(meaning)
        counts = find_counts(
            source,
            n_cells,
            lambda var: read_genes(var, options.symbol_column, options.organism),
            options.layer,
            report,
            parts=parts.of_cell,
        )
        check_coverage(counts.tally.sums, parts.names, counts.genes.symbols)
        meaning = _compared(meaning, counts.tally)
        entry = dataset_entry(dataset, meaning, options, dict(source.metadata), n_genes=len(counts.genes.symbols))
        pack(entry)  # fails now, and not after hours of writing, if the catalog has no room for it
        yield Examined(dataset, counts, meaning, entry)


def _compared(meaning: Meaning, tally: Tally) -> Meaning:
    """Return a meaning without cells that say nothing: those without counts, and copies, which are no measurements of their own.

    Raises:
        AtlasUnusable: too few are left.
    """
    filled = meaning.without(tally.sizes == 0, "no counts")
    found = filled.without(tally.copies, "copies of other cells")
    if copies := filled.n_cells - found.n_cells:
        told = f"COPIES: {copies:,} cells have exactly the counts of another cell and are left out, as they measure nothing new."
        found = replace(found, about_columns=[told, *found.about_columns])
    try:
        found.check_sizes()
    except AtlasUnusable as error:
        raise AtlasUnusable(f"{told} {error}" if copies else str(error)) from error
    return found


def ingest(
    dataset: str,
    path: Path,
    atlas_root: Path,
    options: Options | None = None,
    report: Report = silent,
    *,
    announce: Announce | None = None,
) -> DatasetEntry:
    """Write a new version of an atlas below `atlas_root`, and return its catalog entry, which the caller stores.

    The file is no longer needed afterwards. Earlier versions stay as they are (`replacement.replace`).

    Args:
        announce: called with how the atlas is understood, before anything is written.

    Raises:
        AtlasUnusable: the atlas cannot be ingested; the message says what to do.
    """
    with _examined(dataset, path, options or Options(), report) as found:
        if announce:
            announce(dataset, found.meaning, found.facts)
        entry = found.entry.model_copy(update={"atlas": folders.new_version(dataset, utc_now())})
        folder = atlas_root / entry.folder
        folder.mkdir(parents=True)
        counts = found.counts
        index = GroupIndex(found.meaning.rows, list(counts.genes.symbols))
        write_grouped(counts.blocks(report), counts.tally.sizes, len(index.genes), index.order, folder / COUNTS_FILE)
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
