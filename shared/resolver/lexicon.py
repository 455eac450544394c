"""All names that a catalog knows, made once for each catalog."""

from functools import lru_cache
from typing import NamedTuple

from shared import facts
from shared.catalog_view import CatalogView
from shared.resolver import cell_names, perturbation_names
from shared.resolver.cell_names import CellTypeNames
from shared.resolver.perturbation_names import PerturbationNames
from shared.resolver.receptors import ReceptorNames, receptor_names
from shared.resolver.spelling import Spelling


class Lexicon(NamedTuple):
    """All names that a catalog knows.

    Attributes:
        cells: names of cell types.
        perturbations: names of perturbations.
        receptors: names of receptors and their ligands.
        labels: the compact forms of the datasets' cell-type labels, of reference datasets whatever is ingested.
        spelling: all words of all names.
    """

    cells: CellTypeNames
    perturbations: PerturbationNames
    receptors: ReceptorNames
    labels: frozenset[str]
    spelling: Spelling


@lru_cache(maxsize=4)
def lexicon(view: CatalogView) -> Lexicon:
    """The names that a view of the catalog knows; made once for each view."""
    cells = cell_names.names_with(view.ingested)
    perturbations = perturbation_names.names_with(view.ingested)
    return Lexicon(
        cells=cells,
        perturbations=perturbations,
        receptors=receptor_names(),
        labels=cell_names.labels_with(view.ingested),
        spelling=Spelling(perturbations.words(), cells.vocabulary(), common_words()),
    )


@lru_cache(maxsize=1)
def common_words() -> frozenset[str]:
    """Words of plain English that name nothing."""
    return facts.words("common_words")
