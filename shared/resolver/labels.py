"""From the labels of any dataset to the Cell Ontology and to canonical names, for the ingest.

A label is a whole name and means nothing else, so shorthand such as "MDC" or "mast" is understood here although it is too ambiguous for
running text (column `where` in `shared/data/cell_type_names.tsv`).
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from shared.catalog.entries import CellTypeEntry, ConditionEntry
from shared.catalog.exposure import full_name, take_exposure
from shared.catalog.normalize import compact, split, terms
from shared.catalog.ontology import cell_ontology
from shared.resolver.cell_names import label_names
from shared.resolver.controls import is_control
from shared.resolver.guides import Modality, targets_of
from shared.resolver.perturbation_names import reference_names, variant_names

# The kind of a condition in which several perturbations act together.
COMBINATION: Final = "combination"
GENE: Final = "gene"
OTHER: Final = "other"
# These always join perturbations, the others only names that are known.
_JOINED: Final = re.compile(r"\s*[+&]\s*|[\s_]+(?:and|plus|AND|with|combined with|together with)[\s_]+")
_MAYBE_JOINED: Final = re.compile(r"\s*[/,;|]\s*|\s*(?:__|_x_|\sx\s)\s*")
_WORDS: Final = frozenset({"and", "plus", "with", "combo", "combination", "x", "n", "co"})
_SUFFIXES: Final = re.compile(
    r"[\s_\-]+(?:stim(?:ulated|ulation)?|treated|treatment|trt|only|alone|cells?|rep(?:licate)?[\s_\-]?\d+|exposed)$",
    re.IGNORECASE,
)
# The number of a cluster of a cell type: "CD14 Mono_2", "B_1". "B-1" is a kind of B cell, as "B1" is.
_CLUSTER: Final = re.compile(r"(?:(?<=\w\w)[\s_.\-]+|(?<=^[BT])[\s_.]+|(?<=^T)-)\d{1,2}$")
_RECOMBINANT: Final = re.compile(r"^(?:rh|hr|rm|h|m)(?=[A-Z])")
_PREFIXES: Final = re.compile(r"^(?:stim(?:ulated)?|treated|recombinant|rh|hr)[\s_\-]+(?:with[\s_\-]+)?", re.IGNORECASE)


def cell_type_entry(label: str, term_id: str | None = None) -> CellTypeEntry:
    """Return the catalog entry of a cell-type label ("CD8_T", "CD14+ Monocytes", "MDC", ...).

    It has no Cell Ontology term if none fits or several fit equally.

    Args:
        term_id: the Cell Ontology id that the dataset gives; ignored if the ontology lacks it.
    """
    term = cell_ontology().term(term_id or label.strip().replace("_", ":"))
    if term is None:
        names = label_names()
        found = names.find(terms(_CLUSTER.sub("", label))) or names.find(terms(label))
        term = cell_ontology().term(found.cell_types[0]) if found and len(found.cell_types) == 1 else None
    term_id, term_label = (term.id, term.label) if term else (None, None)
    return CellTypeEntry(label=label, cell_ontology_id=term_id, cell_ontology_label=term_label)


def condition_entry(label: str, guides: Modality | None = None) -> ConditionEntry:
    """Return the catalog entry of a condition label ("IFNg", "PBS", "IFNb_10ng+TNF", "sgKLF1-2", "stim", ...).

    A label that the reference data knows gets its canonical name, and a combination the names of its members; any other label that is not
    a control stands for itself, with the kind "other".

    Args:
        guides: what the guides of a screen do; None if the label is not from a column of guides.
    """
    if is_control(label):
        return ConditionEntry(label=label, perturbation=None, kind="control", is_control=True)
    known = None if guides else reference_name(label)
    if known:
        return _entry(label, (known,), _kind(known))
    if targets := targets_of(label, is_screen=guides is not None):
        action = targets.modality or guides or Modality.KNOCKOUT
        name = f"{' + '.join(targets.genes)} {action}"
        return _entry(label, targets.genes, GENE).model_copy(update={"perturbation": name})
    exposed = take_exposure(label)
    if not exposed.agent or is_control(exposed.agent):
        return _entry(label, (label,), OTHER)
    names = _members(exposed.agent)
    kind = COMBINATION if len(names) > 1 else _kind(names[0])
    entry = _entry(label, names if len(names) > 1 or kind != OTHER or exposed.dose or exposed.time else (label,), kind)
    return entry.model_copy(update={"dose": exposed.dose, "time": exposed.time})


def told_apart(conditions: Sequence[ConditionEntry]) -> list[ConditionEntry]:
    """Return the conditions of a dataset with one name for each dose and time of a perturbation, if it has several."""
    exposures: dict[str, set[tuple[str | None, str | None]]] = defaultdict(set)
    for each in conditions:
        if each.perturbation and not each.is_control:
            exposures[each.agent or each.perturbation].add((each.dose, each.time))
    return [_named(each, exposures) for each in conditions]


def reference_name(label: str) -> str | None:
    """Return the canonical name of the only perturbation of the reference data that a label names, or None."""
    if variant := variant_names().get(compact(label)):
        return variant  # cells under IFN-alpha2 are no cells under IFN-alpha1
    known = reference_names().find(compact(label))
    if known and len(known.means) == 1 and (known.canonical or not known.needs_capitals or label.isupper()):
        return known.means[0]
    recombinant = _RECOMBINANT.sub("", label)
    return reference_name(recombinant) if recombinant != label else None


def _named(entry: ConditionEntry, exposures: dict[str, set[tuple[str | None, str | None]]]) -> ConditionEntry:
    agent = entry.agent or entry.perturbation
    if entry.is_control or agent is None or len(exposures[agent]) == 1:
        return entry
    doses, times = zip(*exposures[agent], strict=True)
    dose = entry.dose if len(set(doses)) > 1 else None
    time = entry.time if len(set(times)) > 1 else None
    name = full_name(agent, dose, time)
    return entry if name == agent else entry.model_copy(update={"perturbation": name, "agent": agent})


def _entry(label: str, members: Sequence[str], kind: str) -> ConditionEntry:
    return ConditionEntry(
        label=label,
        perturbation=" + ".join(members),
        kind=kind,
        is_control=False,
        members=list(members) if len(members) > 1 or kind == GENE else [],
    )


def _kind(name: str) -> str:
    names = reference_names()
    found = names.find(compact(name))
    name = found.means[0] if found and found.variant else name
    return names.kind(name) if names.has(name) else OTHER


def _members(text: str) -> tuple[str, ...]:
    """Return the names of what acts in a condition, in one order whatever the order of the label; one for a single perturbation."""
    text = _SUFFIXES.sub("", _PREFIXES.sub("", text)) or text
    if known := reference_name(text):
        return (known,)
    parts = [part for part in _JOINED.split(text) if part]
    if len(parts) > 1:
        return _ordered([name for part in parts if not is_control(part) for name in _members(part)]) or (text,)
    for named in (_all_known(_MAYBE_JOINED.split(text)), _all_known(_segments(text))):
        if len(named) > 1:
            return _ordered(named)
    return (_gene_part(text) or text,)


def _gene_part(text: str) -> str | None:
    """Return what was done to a gene beside another perturbation: "sgSTAT1" in "sgSTAT1+IFN-beta"."""
    targets = targets_of(text)
    return f"{' + '.join(targets.genes)} {targets.modality or Modality.KNOCKOUT}" if targets else None


def _all_known(parts: Sequence[str]) -> list[str]:
    """Return the canonical names of all parts but controls, or nothing if one is unknown."""
    named = [reference_name(part) for part in parts if not is_control(part)]
    return [name for name in named if name] if all(named) else []


def _segments(text: str) -> list[str]:
    """Split a label at the words of known names: "IFNb_TNFa" has two. Return it whole if a word is part of none."""
    words = split(text)
    found: list[str] = []
    place = 0
    while place < len(words):
        if words[place].key in _WORDS and found:
            place += 1
            continue
        end = next(_ends_of_names(text, place), None)
        if end is None:
            return [text]
        found.append(text[words[place].start : words[end - 1].end])
        place = end
    return found


def _ends_of_names(text: str, start: int) -> Iterator[int]:
    """Yield the ends of the known names that start at a word, longest first."""
    words = split(text)
    for end in range(len(words), start, -1):
        piece = text[words[start].start : words[end - 1].end]
        if reference_name(piece) or is_control(piece):
            yield end


def _ordered(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names), key=lambda name: (name.casefold(), name)))
