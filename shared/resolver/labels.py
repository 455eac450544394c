"""From the labels of any dataset to the Cell Ontology and to canonical names; used when a dataset is ingested.

A label is taken as a whole and means nothing else than itself, so shorthand such as "MDC" or "mast" is understood here that would be
too bold in running text (`where` in `shared/data/cell_type_names.tsv`).
"""

from shared.catalog.entries import CellTypeEntry, ConditionEntry
from shared.catalog.normalize import compact, terms
from shared.catalog.ontology import cell_ontology
from shared.resolver.cell_names import label_names
from shared.resolver.controls import is_control
from shared.resolver.perturbation_names import reference_names


def cell_type_entry(label: str) -> CellTypeEntry:
    """The catalog entry of a cell-type label, with the Cell Ontology term that it stands for.

    Args:
        label: as the dataset writes it: "CD8_T", "CD14+ Monocytes", "MDC", ...

    Returns:
        The entry; without an ontology term where none fits or where several fit equally.
    """
    found = label_names().find(terms(label))
    term = cell_ontology().term(found.cell_types[0]) if found and len(found.cell_types) == 1 else None
    return CellTypeEntry(
        label=label,
        cell_ontology_id=term.id if term else None,
        cell_ontology_label=term.label if term else None,
    )


def condition_entry(label: str) -> ConditionEntry:
    """The catalog entry of a condition label, with the canonical name of its perturbation.

    Args:
        label: as the dataset writes it: "IFNg", "PBS", "venetoclax", "stim", ...

    Returns:
        A control entry for a control; an entry by the canonical name where the reference facts know the label; else the label itself,
        of kind "other".
    """
    if is_control(label):
        return ConditionEntry(label=label, perturbation=None, kind="control", is_control=True)
    names = reference_names()
    known = names.find(compact(label))
    if known and len(known.means) == 1 and (known.canonical or not known.needs_capitals or label.isupper()):
        name = known.means[0]
        return ConditionEntry(label=label, perturbation=name, kind=names.kind(name), is_control=False)
    return ConditionEntry(label=label, perturbation=label, kind="other", is_control=False)
