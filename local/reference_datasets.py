"""Put the catalog entries of the reference datasets together: `python -m local.reference_datasets`, after the facts have changed.

No counts of cells by type or condition are known of them, and none are made up. The entries are kept beside the facts, because every
function that knows the catalog needs them for its first answer.
"""

import json
from pathlib import Path
from typing import Final

from shared import data
from shared.catalog import reference
from shared.catalog.entries import CellTypeEntry, ConditionEntry, DatasetEntry
from shared.catalog.ontology import cell_ontology

FILE: Final = Path(__file__).parent.parent / "shared" / "facts" / f"{reference.DATASETS}.json"


def as_json() -> str:
    """The entries, made anew; a line for each value, so that changes can be read."""
    entries = (_parse_pbmc(), _openproblems(), _tabula_sapiens())
    content = {"datasets": [entry.model_dump(mode="json") for entry in entries]}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), indent=0) + "\n"


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


if __name__ == "__main__":
    FILE.write_text(as_json(), encoding="utf-8")
    print(f"wrote {FILE}")
