"""Find a question that a service can answer, from its own metadata, so that any atlas will do."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

PERTURBATIONS: Final = "/api/v1/metadata/perturbations"
CELL_TYPES: Final = "/api/v1/metadata/cell-types"
VALIDATION: Final = "/api/v1/runs/validate-control-strategy"
# The most frequent perturbations and cell types have the most cells, and are answered first.
PERTURBATIONS_TRIED: Final = 5
CELL_TYPES_TRIED: Final = 3

# Sends a request, and returns the JSON of a successful response.
Ask = Callable[..., Any]


def answerable(ask: Ask) -> str | None:
    """Return a question that the service can answer, or None if it knows none.

    Args:
        ask: sends a request: method, path, and `query` or `body`.
    """
    perturbations = _most_cells(ask("GET", PERTURBATIONS))[:PERTURBATIONS_TRIED]
    return next((found for each in perturbations for found in _about(ask, each)), None)


def _about(ask: Ask, perturbation: dict[str, Any]) -> Iterator[str]:
    """Yield the answerable questions about a perturbation."""
    for dataset in perturbation["datasets"]:
        for cells in _most_cells(ask("GET", CELL_TYPES, query={"dataset": dataset}))[:CELL_TYPES_TRIED]:
            question = f"How would {cells['name']} respond to {perturbation['name']}?"
            read = ask("POST", VALIDATION, body={"query": question})
            if read["interpretation"]["answerable"]:
                yield question
            # The service proposes only questions that it can answer.
            yield from read["suggestions"]


def _most_cells(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(entries, key=lambda each: each["cell_count"] or 0, reverse=True)
