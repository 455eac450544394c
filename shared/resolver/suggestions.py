"""Suggest answerable questions near to one that cannot be answered."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from heapq import nsmallest
from itertools import islice
from typing import Final

from shared.catalog.interpretation import CaveatCode, Interpretation
from shared.catalog.plans import MIN_QUERY_CELLS, control_cells, near_cell_types
from shared.catalog.reference import perturbations as reference_perturbations
from shared.catalog.view import CatalogView, cells_in
from shared.resolver.interpretation import Reading, cell_type_key, read

MAX_SUGGESTIONS: Final = 3
# A suggestion is read like any question; the most that are tried, so that a refusal stays fast.
_MOST_TRIED: Final = 6
# Perturbations that most users know come first among those of equal size.
_FAMILIAR: Final = ("IFN-gamma", "TNF-alpha", "IFN-beta", "IL-2", "IL-6", "IL-4", "IL-10", "TGF-beta1")


def suggest(reading: Reading, view: CatalogView) -> list[str]:
    """Return at most `MAX_SUGGESTIONS` questions that can be answered, nearest to the question first; none if it can be answered."""
    if reading.interpretation.answerable or not view.ingested:
        return []
    candidates = list(dict.fromkeys(_candidates(reading, view)))[:_MOST_TRIED]
    return list(islice((question for question in candidates if _is_answerable(question, view)), MAX_SUGGESTIONS))


@lru_cache(maxsize=1024)
def _is_answerable(question: str, view: CatalogView) -> bool:
    # Many refusals suggest the same questions, and reading one takes a millisecond.
    return read(question, view).interpretation.answerable


def _candidates(reading: Reading, view: CatalogView) -> Iterator[str]:
    """Yield questions: first the cells and the perturbations that are named, then what the atlases have instead."""
    cells, perturbations = _cells(reading, view), _perturbations(reading, view)
    for number in range(max(len(cells), len(perturbations))):
        for cell in cells[: number + 1]:
            for perturbation in perturbations[: number + 1]:
                if (
                    perturbation == perturbations[min(number, len(perturbations) - 1)]
                    or cell == cells[min(number, len(cells) - 1)]
                ):
                    yield f"How would {cell} respond to {perturbation}?"


def _cells(reading: Reading, view: CatalogView) -> list[str]:
    """Return the asked cells if they are available, else the nearest types of the atlases."""
    term = reading.resolution.cell_type
    if term and not reading.interpretation.has(CaveatCode.UNAVAILABLE_CELL_TYPE):
        written = term.matched_text
        is_plain = written.endswith(("cells", "cytes", "phages")) and not reading.interpretation.has(
            CaveatCode.UNKNOWN_WORDS
        )
        return [written if is_plain else _plural(term.name)]
    key = cell_type_key(term) if term else ""
    near = [
        (place, each.entry.cell_ontology_label)
        for entry in view.ingested
        for place, each in enumerate(near_cell_types(entry, key))
        if each.entry.cell_ontology_label and control_cells(entry, each.entry.label) >= MIN_QUERY_CELLS
    ]
    names = [label for _, label in sorted(near)]
    if not names:
        sizes = {
            each.cell_ontology_label: control_cells(entry, each.label)
            for entry in view.ingested
            for each in entry.cell_types
            if each.cell_ontology_label
        }
        names = sorted(sizes, key=lambda name: -sizes[name])
    return [_plural(name) for name in dict.fromkeys(names)][:MAX_SUGGESTIONS]


def _perturbations(reading: Reading, view: CatalogView) -> list[str]:
    """Return the named perturbations that the atlases have, else those related to them, else the ones with most cells."""
    sizes, largest = _sizes(view)
    named = [name for name in reading.named if name in sizes]
    known = reference_perturbations()
    families = {known[name].family for name in reading.named if name in known} - {None}
    relatives = [name for name in sizes if name in known and known[name].family in families] if families else []
    ranked = (
        named
        if len(named) > 1 or (named and not _wants_another(reading.interpretation))
        else [*named, *relatives, *largest]
    )
    return list(dict.fromkeys(ranked))[:MAX_SUGGESTIONS]


@lru_cache(maxsize=4)
def _sizes(view: CatalogView) -> tuple[Mapping[str, int], Sequence[str]]:
    """Return the number of cells of each perturbation of the atlases, and the largest perturbations, built once per view."""
    sizes = {
        name: cells_in(entry, conditions=labels)
        for entry in view.ingested
        for name, labels in entry.counts.labels.items()
    }

    def rank(name: str) -> tuple[int, int, str]:
        return -sizes[name], _FAMILIAR.index(name) if name in _FAMILIAR else len(_FAMILIAR), name

    return sizes, nsmallest(MAX_SUGGESTIONS + _MOST_TRIED, sizes, key=rank)


def _wants_another(interpretation: Interpretation) -> bool:
    """Return whether the named perturbation alone makes no answerable question."""
    return interpretation.has(CaveatCode.AMBIGUOUS_PERTURBATION)


def _plural(name: str) -> str:
    """Return a cell type in the plural: "monocytes", "CD8-positive T cells", "microglia"."""
    text = name.replace(", alpha-beta", "")
    return text if text.endswith(("s", "glia")) else f"{text}s"
