"""From free text to cell type and perturbation, against the catalog. Pure: the same question and catalog give the same answer.

`meaning` decides between what `phrases` finds; `lexicon` holds the names (`cell_names`, `perturbation_names`, `receptors`), `context`
reads the part that a name plays from the words around it, and `spelling` forgives slips.
"""

from shared.resolver.question import Resolution
from shared.resolver.resolve import resolve

__all__ = ["Resolution", "resolve"]
