"""The three reference datasets and the perturbations they know, from the facts.

They are in the catalog so that a question can be understood before anybody ingests them. Sources and licences: `shared/data/README.md`.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Final, NamedTuple

from shared import data
from shared.catalog.entries import DatasetEntry

DATASETS: Final = "reference_datasets"
"""Entries take long to put together, so that is done once: `python -m local.reference_datasets`."""
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
    """The reference datasets as catalog entries that are not ingested, as they are stored."""
    return tuple(map(DatasetEntry.from_stored, data.document(DATASETS)["datasets"]))


def _cytokines() -> Iterable[ReferencePerturbation]:
    for row in data.table("parse_pbmc_cytokines"):
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
    for row in data.table("openproblems_compounds"):
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
