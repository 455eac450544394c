"""The three reference datasets and their perturbations, from the reference data.

The catalog lists them so that questions can be understood before a dataset is ingested. Sources and licenses: `shared/data/README.md`.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Final, NamedTuple

from shared import data
from shared.catalog.entries import DatasetEntry

# Building the entries is slow, so they are generated once: `make derived`.
DATASETS: Final = "reference_datasets"
VARIANT: Final = "~"  # before the meaning of a close variant, in the table of names
# Two ways to write one subtype: of the protein, and of its gene.
_SUBTYPE: Final = ("IFN-alpha", "IFNA")
_BRACKETED = re.compile(r"^(.*?)\s*\(([^()]*)\)$")
_SALTS = ("calcium", "furoate", "hydrochloride")
_NO_NAMES = frozenset({"hydrochloride", "prodrug"})


class ReferencePerturbation(NamedTuple):
    """A perturbation of the reference data."""

    name: str  # the name in its dataset
    kind: str  # cytokine or compound
    synonyms: tuple[str, ...]  # other names, without those that differ only in case or hyphens
    targets: tuple[str, ...] = ()  # genes that encode it (cytokines only; unknown for compounds)
    receptors: tuple[str, ...] = ()  # genes of its receptors
    family: str | None = None  # cytokine family, None for compounds
    functional_class: str | None = None  # main function, None for compounds
    variant_of: str | None = None  # the perturbation of the reference data that it is a close variant of


@cache
def perturbations() -> dict[str, ReferencePerturbation]:
    """Return the perturbations of the reference data by name."""
    return {perturbation.name: perturbation for perturbation in (*_cytokines(), *_compounds())}


@cache
def variants() -> dict[str, ReferencePerturbation]:
    """Return the close variants of these perturbations by name, such as IFN-alpha2: they share receptors and class with their relative."""
    found: dict[str, ReferencePerturbation] = {}
    protein, gene = _SUBTYPE
    for row in data.table("perturbation_names"):
        parent = row["means"].removeprefix(VARIANT)
        if parent == row["means"]:
            continue
        number = row["name"].removeprefix(protein).removeprefix(gene)
        is_subtype = number != row["name"] and number[:1].isdigit()
        name = f"{protein}{number}" if is_subtype else row["name"]
        synonyms = (f"{gene}{number}",) if is_subtype else ()
        genes = (f"{gene}{number.rstrip('abc')}",) if is_subtype else ()
        found[name] = perturbations()[parent]._replace(name=name, synonyms=synonyms, targets=genes, variant_of=parent)
    return found


def known_perturbation(name: str) -> ReferencePerturbation | None:
    """Return a perturbation of the reference data or a variant of one, by its name; None if it is unknown."""
    return perturbations().get(name) or variants().get(name)


@cache
def datasets() -> tuple[DatasetEntry, ...]:
    """Return the generated catalog entries of the reference datasets, which are not ingested."""
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
    """Yield the names inside a name: both parts of "Ganetespib (STA-9090)", and "Pitavastatin Calcium" without its salt."""
    yield name
    if ";" in name:
        yield from name.split(";")
    if bracketed := _BRACKETED.match(name):
        yield from (part for part in bracketed.groups() if part not in _NO_NAMES)
    first, _, last = name.rpartition(" ")
    if first and last.lower() in _SALTS:
        yield first


def _distinct(name: str, names: Iterable[str]) -> tuple[str, ...]:
    distinct = {_plain(name): name}
    for other in names:
        distinct.setdefault(_plain(other), other)
    return tuple(list(distinct.values())[1:])


def _plain(name: str) -> str:
    return name.lower().replace("-", " ")


def _listed(cell: str) -> tuple[str, ...]:
    return tuple(filter(None, cell.split("|")))
