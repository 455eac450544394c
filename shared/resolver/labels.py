"""From the labels of any dataset to the Cell Ontology and to canonical names, for the ingest.

A label is a whole name and means nothing else, so shorthand such as "MDC" or "mast" is understood here although it is too ambiguous for
running text (column `where` in `shared/data/cell_type_names.tsv`).
"""

from shared.catalog.entries import CellTypeEntry, ConditionEntry
from shared.catalog.normalize import compact, terms
from shared.catalog.ontology import cell_ontology
from shared.resolver.cell_names import label_names
from shared.resolver.controls import is_control
from shared.resolver.perturbation_names import reference_names


def cell_type_entry(label: str) -> CellTypeEntry:
    """Return the catalog entry of a cell-type label ("CD8_T", "CD14+ Monocytes", "MDC", ...).

    It has no Cell Ontology term if none fits or several fit equally.
    """
    found = label_names().find(terms(label))
    term = cell_ontology().term(found.cell_types[0]) if found and len(found.cell_types) == 1 else None
    term_id, term_label = (term.id, term.label) if term else (None, None)
    return CellTypeEntry(label=label, cell_ontology_id=term_id, cell_ontology_label=term_label)


def condition_entry(label: str) -> ConditionEntry:
    """Return the catalog entry of a condition label ("IFNg", "PBS", "venetoclax", "stim", ...).

    A label that the reference data knows gets its canonical name; any other label that is not a control stands for itself, with the kind
    "other".
    """
    if is_control(label):
        return ConditionEntry(label=label, perturbation=None, kind="control", is_control=True)
    names = reference_names()
    known = names.find(compact(label))
    if known and len(known.means) == 1 and (known.canonical or not known.needs_capitals or label.isupper()):
        name = known.means[0]
        return ConditionEntry(label=label, perturbation=name, kind=names.kind(name), is_control=False)
    return ConditionEntry(label=label, perturbation=label, kind="other", is_control=False)
