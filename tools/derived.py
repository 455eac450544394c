"""Write the data files that are derived from the facts: `python -m tools.derived [--check]`.

The files are stored next to the facts, because deriving them takes longer than anything else that a function does for its
first response. Write them again after a change of the facts or of the rules for names.

- `reference_datasets.json`: catalog entries of the reference datasets. Their numbers of cells by cell type and condition are
  unknown, so the entries have none.
- `context_index.tsv`: the terms of `context_terms.tsv` by folded phrase.
- `name_index.json` and the table of cell-type names: index of all recognized names.
"""

import json
from pathlib import Path
from typing import Final

from shared import data
from shared.catalog import reference
from shared.catalog.entries import CellTypeEntry, ConditionEntry, DatasetEntry
from shared.catalog.ontology import cell_ontology
from shared.resolver import cell_names, context, perturbation_names, receptors
from tools import generate

FACTS: Final = Path(data.__file__).parent


def reference_datasets() -> str:
    """Return the entries of the reference datasets as JSON, with a line per value for readable diffs."""
    entries = (_parse_pbmc(), _openproblems(), _tabula_sapiens())
    content = {"datasets": [entry.model_dump(mode="json") for entry in entries]}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), indent=0) + "\n"


def cell_type_names() -> str:
    """Return the table of cell-type names, sorted by character, as tab-separated text."""
    names = cell_names.index_reference_names().stored()
    lines = sorted("\t".join(row) for row in names.items())
    return "\n".join(["\t".join(cell_names.COLUMNS), *lines]) + "\n"


def context_index() -> str:
    """Return the index of terms beside names, sorted by character, as tab-separated text."""
    lines = sorted(f"{key}\t{entry.as_text()}" for key, entry in context.index_terms().items())
    return "\n".join(["\t".join(context.COLUMNS), *lines]) + "\n"


def name_index() -> str:
    """Return the rest of the index of names as JSON, with a line per entry for readable diffs."""
    content = {
        "vocabulary": sorted(cell_names.index_reference_names().vocabulary()),
        "labels": sorted(cell_names.index_reference_labels()),
        "perturbations": perturbation_names.index_reference_names().stored(),
        "receptors": receptors.index_receptor_names(),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True, indent=0) + "\n"


def _cell_type(label: str, term_id: str) -> CellTypeEntry:
    term = cell_ontology().term(term_id)
    return CellTypeEntry(label=label, cell_ontology_id=term_id, cell_ontology_label=term.label if term else None)


def _parse_pbmc() -> DatasetEntry:
    about = data.document("parse_pbmc_meta")
    conditions = [
        ConditionEntry(label=row["name"], perturbation=row["name"], kind="cytokine", is_control=False)
        for row in data.table("parse_pbmc_cytokines")
    ]
    control = ConditionEntry(label="PBS", perturbation=None, kind="control", is_control=True)
    return DatasetEntry(
        name="parse_pbmc",
        title=about["title"],
        description="Human PBMC of 12 donors, 24 h with one of 90 cytokines or PBS.",
        licence=about["license"],
        source="doi:10.64898/2025.12.12.693897",
        ingested=False,
        n_cells=about["n_cells"],
        n_genes=about["n_genes"],
        donors=about["donors"],
        cell_types=[_cell_type(row["label"], row["cl_id"]) for row in data.table("parse_pbmc_cell_types")],
        conditions=[*conditions, control],
    )


def _openproblems() -> DatasetEntry:
    about = data.document("openproblems_meta")
    conditions = [
        ConditionEntry(label=row["sm_name"], perturbation=None, kind="control", is_control=True)
        if row["role"] == "control"
        else ConditionEntry(label=row["sm_name"], perturbation=row["sm_name"], kind="compound", is_control=False)
        for row in data.table("openproblems_compounds")
    ]
    return DatasetEntry(
        name="openproblems",
        title=about["title"],
        description="Human PBMC of 3 donors, 24 h with one of 146 compounds or dimethyl sulfoxide.",
        licence=about["license"],
        source="GEO GSE279945; openproblems-bio/task_perturbation_prediction",
        ingested=False,
        donors=about["donors"],
        cell_types=[_cell_type(row["label"], row["cl_id"]) for row in data.table("openproblems_cell_types")],
        conditions=conditions,
    )


def _tabula_sapiens() -> DatasetEntry:
    size = data.document("tabula_sapiens_meta")["v2"]
    tissues = [row["tissue"].replace("_", " ").lower() for row in data.table("tabula_sapiens_tissues")]
    return DatasetEntry(
        name="tabula_sapiens",
        title="Tabula Sapiens 2: cells of 28 human tissues",
        description=f"Unperturbed human cells of {len(tissues)} tissues: {', '.join(tissues)}.",
        licence="See the Tabula Sapiens project; its code is BSD-3",
        source="czbiohub-sf/tabula-sapiens",
        ingested=False,
        n_cells=size["n_cells_total"],
        n_genes=size["n_genes"],
        cell_types=[_cell_type(row["cell_type"], row["cl_id"]) for row in data.table("tabula_sapiens_cell_types")],
    )


FILES: Final = {
    FACTS / f"{reference.DATASETS}.json": reference_datasets,
    FACTS / f"{cell_names.NAMES}.tsv": cell_type_names,
    FACTS / f"{context.INDEX}.tsv": context_index,
    FACTS / f"{data.INDEX}.json": name_index,
}

if __name__ == "__main__":
    generate(__doc__, FILES, make_target="derived")
