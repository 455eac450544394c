"""From free text to a cell type and a perturbation of the catalog. Pure: the same question and catalog give the same answer.

`resolve` chooses among the names that `mentions` finds. `lexicon` holds all names (`cell_names`, `perturbation_names`, `receptors`) and
corrects misspellings; `roles` reads from the surrounding words what a name does in the question. `validation` checks whether the catalog
has the cells for an answer. `controls` and `labels` read the labels of datasets.
"""

from shared.resolver.question import Resolution
from shared.resolver.resolve import resolve

__all__ = ["Resolution", "resolve"]
