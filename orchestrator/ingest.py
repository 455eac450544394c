"""Add an `.h5ad` of any size to the catalog: `python -m orchestrator.ingest DATASET PATH.h5ad`.

The matrix is never loaded whole: a sample of its rows is checked for raw counts, and its rows are rewritten by group, block by block. The
catalog stores the number of cells of each group; the job reads `counts.h5`, `groups.npz` and `profiles.h5`. The `.h5ad` is not changed.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd

from orchestrator.atlas.atlas import GROUPS_FILE, AtlasUnusable, Group, GroupIndex, profile_groups
from orchestrator.atlas.counts import COUNTS_FILE, read_rows, write_grouped
from shared.catalog.entries import ENTRY_FILE, DatasetEntry, GroupCount
from shared.errors import HaystackError
from shared.resolver import labels

CELL_TYPE_COLUMNS = (
    "cell_type",
    "cell_types",
    "celltype",
    "cell_ontology_class",
    "cluster_id",
    "cell_type_annotations",
)
CONDITION_COLUMNS = ("condition", "cytokine", "perturbation", "sm_name", "treatment", "group_id", "stim")
DONOR_COLUMNS = ("donor", "donor_id", "sample_id", "patient", "ind")
# Parts of sample names that name a condition.
CONDITION_WORDS = frozenset(
    [
        "baseline",
        "control",
        "ctl",
        "ctr",
        "ctrl",
        "mock",
        "naive",
        "post",
        "pre",
        "stim",
        "stimulated",
        "treated",
        "trt",
        "unstim",
        "unstimulated",
        "untreated",
        "untr",
        "veh",
        "vehicle",
    ]
)
SYMBOL_COLUMNS = ("gene_symbol", "gene_symbols", "gene_name", "feature_name", "symbol")
MATRICES = ("X", "layers/counts", "layers/raw_counts")
SAMPLED_ROWS = 200
ONE_DONOR = "all donors"


@dataclass(frozen=True)
class Description:
    """How to read and present an atlas; None: use the value in the file (`uns["haystack"]`), or guess."""

    cell_type_column: str | None = None
    condition_column: str | None = None
    donor_column: str | None = None
    controls: tuple[str, ...] = ()
    title: str | None = None
    description: str | None = None
    licence: str | None = None
    source: str | None = None
    semi_synthetic: bool | None = None


def ingest(dataset: str, path: Path, atlas_root: Path, description: Description | None = None) -> DatasetEntry:
    """Write an atlas into its folder below `atlas_root`, and return its catalog entry, which the caller stores.

    The `.h5ad` is no longer needed afterwards.

    Raises:
        AtlasUnusable: the atlas cannot be ingested; the message says what to do.
    """
    description = description or Description()
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", dataset):
        raise AtlasUnusable(f"{dataset!r} is not a valid dataset name: use a-z, 0-9 and _, and start with a letter.")
    if not path.is_file():
        raise AtlasUnusable(f"There is no file {path}.")
    try:
        file = h5py.File(path)
    except OSError as error:
        raise AtlasUnusable(f"{path} cannot be opened as .h5ad: {error}.") from error
    with file:
        obs = ad.io.read_elem(file["obs"])
        matrix = _counts_matrix(file, len(obs))
        genes = _gene_symbols(ad.io.read_elem(file["var"]))
        metadata = ad.io.read_elem(file["uns/haystack"]) if "uns/haystack" in file else {}
    cells = _labeled(obs, description)
    grouped = cells.groupby(["donor", "cell_type", "condition"], observed=True, sort=True).indices
    positions = cells["row"].to_numpy()
    rows = {
        Group(*(str(label) for label in key)): np.sort(positions[members])
        for key, members in grouped.items()
        if isinstance(key, tuple)
    }
    entry = _entry(dataset, rows, description, metadata, n_cells=len(cells), n_genes=len(genes))
    del obs, cells, grouped, positions  # for a large atlas they take more memory than writing the counts does
    folder = atlas_root / dataset
    folder.mkdir(parents=True, exist_ok=True)
    index = GroupIndex(rows, genes)
    with h5py.File(path) as file:
        write_grouped(file[matrix], index.order, folder / COUNTS_FILE)
    index.save(folder / GROUPS_FILE)
    profile_groups(folder)
    (folder / ENTRY_FILE).write_text(entry.model_dump_json(indent=1))
    return entry


def _counts_matrix(file: h5py.File, n_cells: int) -> str:
    """Return the path of the first matrix that holds whole counts as CSR."""
    errors = []
    for name in MATRICES:
        if name not in file:
            continue
        matrix = file[name]
        encoding = matrix.attrs.get("encoding-type", "array")
        if encoding != "csr_matrix":
            errors.append(
                f"{name} is a {encoding}, but a csr_matrix is needed (convert it with scipy.sparse.csr_matrix)"
            )
            continue
        rows = np.unique(np.linspace(0, n_cells - 1, SAMPLED_ROWS).astype(np.int64))
        sample = read_rows(matrix, rows, int(matrix.attrs["shape"][1])).data
        if not len(sample):
            errors.append(f"{name} is empty in all sampled rows")
        elif sample.min() < 0 or np.abs(sample - np.rint(sample)).max() > 1e-3:
            errors.append(f"{name} holds values that are not counts (normalized or log-transformed?)")
        else:
            return name
    raise AtlasUnusable(
        f"No raw counts found: {'; '.join(errors) or 'the file has no matrix'}. Store integer counts in X or layers['counts'] as CSR."
    )


def _gene_symbols(var: pd.DataFrame) -> list[str]:
    """Return unique gene symbols: a symbol column if the index holds Ensembl ids, else the index."""
    index = var.index.astype(str)
    if len(index) and index.str.fullmatch(r"ENS[A-Z]*G\d+(\.\d+)?").mean() > 0.5:
        named = next((column for column in SYMBOL_COLUMNS if column in var), None)
        if named is None:
            raise AtlasUnusable(f"var holds only Ensembl ids. Add gene symbols in one of: {', '.join(SYMBOL_COLUMNS)}.")
        index = pd.Index(var[named].astype(str))
    return [str(gene) for gene in ad.utils.make_index_unique(pd.Index(index))]


def _labeled(obs: pd.DataFrame, description: Description) -> pd.DataFrame:
    """Return row, donor, cell type and condition of every cell that has all labels, as categories."""
    cell_type = _column(obs, description.cell_type_column, CELL_TYPE_COLUMNS, "--cell-type-column")
    condition = _column(obs, description.condition_column, CONDITION_COLUMNS, "--condition-column")
    if description.donor_column or any(name in obs for name in DONOR_COLUMNS):
        donor = obs[_column(obs, description.donor_column, DONOR_COLUMNS, "--donor-column")]
    else:
        print(
            f"no donor column found ({', '.join(DONOR_COLUMNS)}): all cells are treated as one donor", file=sys.stderr
        )
        donor = pd.Series(ONE_DONOR, index=obs.index)
    parts = {"donor": donor, "cell_type": obs[cell_type], "condition": obs[condition]}
    cells = pd.DataFrame({name: pd.Categorical(part) for name, part in parts.items()})
    cells["row"] = np.arange(len(cells), dtype=np.int64)
    complete = cells.dropna()
    joined = donors_without_condition(complete["donor"].astype(str), complete["condition"].astype(str))
    if joined is not None:
        example = complete["donor"].iloc[0]
        print(
            f"donor labels contain the condition: {joined.iloc[0]} is used for {example}, so that controls are found",
            file=sys.stderr,
        )
        complete = complete.assign(donor=pd.Categorical(joined))
    if len(complete) < len(cells):
        print(f"{len(cells) - len(complete)} cells with a missing label were skipped", file=sys.stderr)
    return complete


def donors_without_condition(donor: "pd.Series[str]", condition: "pd.Series[str]") -> "pd.Series[str] | None":
    """Return donors without the part that names the condition, as in ctrl101 and stim101; None if there is no such part.

    Sample names often take the place of donors. Taken as they are, no donor has both conditions, and no control matches.
    """
    pairs = pd.DataFrame({"donor": donor, "condition": condition}).drop_duplicates()
    if pairs["donor"].duplicated().any():  # a donor has several conditions, as it should be
        return None
    parts = {label: re.findall(r"[^\W\d_]+|\d+", label) for label in pairs["donor"]}
    if len({len(tokens) for tokens in parts.values()}) != 1:
        return None
    by_condition = {
        str(name): [parts[label] for label in labels] for name, labels in pairs.groupby("condition")["donor"]
    }
    kept = [
        place
        for place in range(len(next(iter(parts.values()))))
        if not _names_the_condition({name: {own[place] for own in labels} for name, labels in by_condition.items()})
    ]
    shorter = {label: "-".join(tokens[place] for place in kept) for label, tokens in parts.items()}
    n_conditions = pairs.assign(donor=pairs["donor"].map(shorter)).groupby("donor")["condition"].nunique()
    shared = n_conditions[n_conditions > 1]
    return donor.map(shorter) if kept and len(shared) * 2 >= len(n_conditions) else None


def _names_the_condition(values: Mapping[str, set[str]]) -> bool:
    """Return whether a part of the donor labels has one value in each condition, another one elsewhere, and one is known to name it."""
    if any(len(each) != 1 for each in values.values()) or len(set().union(*values.values())) == 1:
        return False
    found = {name.casefold(): next(iter(each)).casefold() for name, each in values.items()}
    return any(value in CONDITION_WORDS or (value.isalpha() and value in name) for name, value in found.items())


def _column(obs: pd.DataFrame, given: str | None, known: Sequence[str], option: str) -> str:
    names = (given,) if given else known
    found = next((name for name in names if name in obs), None)
    if found is None:
        raise AtlasUnusable(
            f"obs has no column {' or '.join(names)}. Name one with {option}; available: {', '.join(map(str, obs.columns))}."
        )
    return found


def _entry(
    dataset: str,
    rows: dict[Group, np.ndarray],
    description: Description,
    metadata: dict[str, Any],
    *,
    n_cells: int,
    n_genes: int,
) -> DatasetEntry:
    donors = sorted({group.donor for group in rows})
    conditions = [labels.condition_entry(label) for label in sorted({group.condition for group in rows})]
    conditions = [
        entry.model_copy(update={"perturbation": None, "kind": "control", "is_control": True})
        if entry.label in description.controls
        else entry
        for entry in conditions
    ]
    if not any(entry.is_control for entry in conditions):
        raise AtlasUnusable(
            "No condition is recognized as a control. Name one with --control; available: "
            f"{', '.join(entry.label for entry in conditions)}."
        )
    counts: dict[tuple[str, str], list[int]] = {}
    for group, members in rows.items():
        by_donor = counts.setdefault((group.cell_type, group.condition), [0] * len(donors))
        by_donor[donors.index(group.donor)] = len(members)
    semi_synthetic = description.semi_synthetic
    return DatasetEntry(
        name=dataset,
        title=description.title or str(metadata.get("title", dataset)),
        description=description.description or str(metadata.get("description", "")),
        licence=description.licence or str(metadata.get("licence", "not stated")),
        source=description.source or str(metadata.get("source", "not stated")),
        ingested=True,
        semi_synthetic=bool(metadata.get("semi_synthetic", False)) if semi_synthetic is None else semi_synthetic,
        atlas=dataset,
        n_cells=n_cells,
        n_genes=n_genes,
        donors=donors,
        cell_types=[labels.cell_type_entry(label) for label in sorted({group.cell_type for group in rows})],
        conditions=conditions,
        groups=[
            GroupCount(cell_type=cell_type, condition=condition, cells=sum(by_donor), donors=by_donor)
            for (cell_type, condition), by_donor in sorted(counts.items())
        ],
    )


OPTIONS = {
    "cell-type-column": "obs column of the cell types",
    "condition-column": "obs column of the conditions",
    "donor-column": "obs column of the donors",
    "title": "title of the dataset",
    "description": "description of the dataset",
    "licence": "license of the dataset",
    "source": "source of the dataset",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line: return 0 if the dataset is in the catalog, 1 if it cannot be ingested; exit with 2 on wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m orchestrator.ingest",
        description="Add an atlas to the catalog.",
        epilog="Options that are not given are read from uns['haystack'] of the file, or guessed.",
    )
    parser.add_argument("dataset", help="name of the dataset: a-z, 0-9 and _, starting with a letter")
    parser.add_argument("path", type=Path, metavar="PATH.h5ad", help="the atlas, with raw counts as CSR")
    for name, text in OPTIONS.items():
        parser.add_argument(f"--{name}", help=text)
    parser.add_argument(
        "--control", action="append", default=[], metavar="LABEL", help="a control condition; repeatable"
    )
    parser.add_argument(
        "--semi-synthetic", action="store_true", default=None, help="mark the dataset as semi-synthetic everywhere"
    )
    given = parser.parse_args(arguments)
    options = {name: value for name, value in vars(given).items() if name not in {"dataset", "path", "control"}}
    from shared import wiring  # noqa: PLC0415  # loads the adapters, which a wrong command line need not wait for

    try:
        settings = wiring.container().settings
        description = Description(controls=tuple(given.control), **options)
        entry = ingest(given.dataset, given.path, settings.atlas_root, description)
        asyncio.run(wiring.container().catalog.put(entry))
    except (AtlasUnusable, HaystackError) as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{entry.name}: {entry.n_cells} cells × {entry.n_genes} genes, {len(entry.donors)} donors, "
        f"{len(entry.cell_types)} cell types, {len(entry.conditions)} conditions"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
