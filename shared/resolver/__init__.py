"""From free text to an interpretation of a question. Pure: the same question and catalog give the same answer.

Names: `resolve` chooses among those that `mentions` finds. `lexicon` holds all of them (`cell_names`, `perturbation_names`, `receptors`)
and corrects misspellings; `roles` reads from the words around a name what it does in the question. `controls` and `labels` read the labels
of datasets.

Meaning: `parse` finds `context` terms, `genes`, `agents`, `manipulations` (with `absences`, `gene_changes`,
`premises` and `effects`) and `causes`.
`interpretation` puts them together with the cells of the catalog: `asked_cells`, `asked_perturbation`, `ignored`, each with its `caveats`.
`suggestions` finds questions that can be answered. `validation` checks whether the catalog has matched controls.
"""

from shared.resolver.question import Resolution
from shared.resolver.resolve import resolve

__all__ = ["Resolution", "resolve"]
