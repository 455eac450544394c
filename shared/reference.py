"""The three reference datasets and the perturbations they know, from the facts.

They are in the catalog so that a question can be understood before anybody ingests them: no counts of cells by type or condition are
known here, and none are made up. Sources and licences: `shared/facts/README.md`.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from shared import facts
from shared.catalog import CellTypeEntry, ConditionEntry, DatasetEntry
from shared.ontology import cell_ontology

_BRACKETED = re.compile(r"^(.*?)\s*\(([^()]*)\)$")
_SALTS = ("calcium", "furoate", "hydrochloride")
_NO_NAMES = frozenset({"hydrochloride", "prodrug"})


class ReferencePerturbation(NamedTuple):
    """A perturbation of the reference facts.

    Attributes:
        name: the name its dataset uses.
        kind: cytokine or compound.
        synonyms: other names, without those that differ only in case or hyphens.
        targets: genes that encode it (cytokines; none are known here for compounds).
        receptors: genes of its receptors.
        family: family of cytokines, None for compounds.
        functional_class: what it is known for, None for compounds.
    """

    name: str
    kind: str
    synonyms: tuple[str, ...]
    targets: tuple[str, ...] = ()
    receptors: tuple[str, ...] = ()
    family: str | None = None
    functional_class: str | None = None


@cache
def perturbations() -> dict[str, ReferencePerturbation]:
    """Every perturbation of the reference facts by its name."""
    known = [*_cytokines(), *_compounds()]
    return {perturbation.name: perturbation for perturbation in known}


@cache
def datasets() -> tuple[DatasetEntry, ...]:
    """The reference datasets as catalog entries that are not ingested."""
    return (_parse_pbmc(), _openproblems(), _tabula_sapiens())


def _cytokines() -> Iterable[ReferencePerturbation]:
    for row in facts.table("parse_pbmc_cytokines"):
        genes = _listed(row["genes"])
        yield ReferencePerturbation(
            name=row["name"],
            kind="cytokine",
            synonyms=_distinct(row["name"], [*(genes if len(genes) == 1 else ()), *_listed(row["synonyms"])]),
            targets=genes,
            receptors=_listed(row["receptor_genes"]),
            family=row["family"] or None,
            functional_class=row["functional_class"] or None,
        )


def _compounds() -> Iterable[ReferencePerturbation]:
    for row in facts.table("openproblems_compounds"):
        if row["role"] != "control":
            written = [row["sm_name"], *_listed(row["synonyms"])]
            names = [part for name in written for part in _parts(name)]
            yield ReferencePerturbation(row["sm_name"], "compound", _distinct(row["sm_name"], names))


def _parts(name: str) -> Iterable[str]:
    """The names inside one: "Ganetespib (STA-9090)" holds both, "Pitavastatin Calcium" holds the drug without its salt."""
    yield name
    if ";" in name:
        yield from name.split(";")
    if bracketed := _BRACKETED.match(name):
        yield from (part for part in bracketed.groups() if part not in _NO_NAMES)
    first, _, last = name.rpartition(" ")
    if first and last.lower() in _SALTS:
        yield first


def _distinct(name: str, names: Iterable[str]) -> tuple[str, ...]:
    kept = {_plain(name): name}
    for other in names:
        kept.setdefault(_plain(other), other)
    return tuple(list(kept.values())[1:])


def _plain(name: str) -> str:
    return name.lower().replace("-", " ")


def _listed(cell: str) -> tuple[str, ...]:
    return tuple(filter(None, cell.split("|")))


def _cell_type(label: str, term_id: str) -> CellTypeEntry:
    term = cell_ontology().term(term_id)
    return CellTypeEntry(label=label, cell_ontology_id=term_id, cell_ontology_label=term.label if term else None)


def _parse_pbmc() -> DatasetEntry:
    about = facts.document("parse_pbmc_meta")
    conditions = [
        ConditionEntry(label=row["name"], perturbation=row["name"], kind="cytokine", is_control=False)
        for row in facts.table("parse_pbmc_cytokines")
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
        cell_types=[_cell_type(row["label"], row["cl_id"]) for row in facts.table("parse_pbmc_cell_types")],
        conditions=[*conditions, control],
    )


def _openproblems() -> DatasetEntry:
    about = facts.document("openproblems_meta")
    conditions = [
        ConditionEntry(label=row["sm_name"], perturbation=None, kind="control", is_control=True)
        if row["role"] == "control"
        else ConditionEntry(label=row["sm_name"], perturbation=row["sm_name"], kind="compound", is_control=False)
        for row in facts.table("openproblems_compounds")
    ]
    return DatasetEntry(
        name="openproblems",
        title=about["title"],
        description="Human PBMC of 3 donors, 24 h with one of 146 compounds or dimethyl sulfoxide.",
        licence=about["license"],
        source="GEO GSE279945; openproblems-bio/task_perturbation_prediction",
        ingested=False,
        donors=about["donors"],
        cell_types=[_cell_type(row["label"], row["cl_id"]) for row in facts.table("openproblems_cell_types")],
        conditions=conditions,
    )


def _tabula_sapiens() -> DatasetEntry:
    size = facts.document("tabula_sapiens_meta")["v2"]
    tissues = [row["tissue"].replace("_", " ").lower() for row in facts.table("tabula_sapiens_tissues")]
    return DatasetEntry(
        name="tabula_sapiens",
        title="Tabula Sapiens 2: cells of 28 human tissues",
        description=f"Unperturbed human cells of {len(tissues)} tissues: {', '.join(tissues)}.",
        licence="See the Tabula Sapiens project; its code is BSD-3",
        source="czbiohub-sf/tabula-sapiens",
        ingested=False,
        n_cells=size["n_cells_total"],
        n_genes=size["n_genes"],
        cell_types=[_cell_type(row["cell_type"], row["cl_id"]) for row in facts.table("tabula_sapiens_cell_types")],
    )
