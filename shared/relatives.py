"""Perturbations that work like the asked one, by what the reference facts know of receptors, targets and families. Pure.

They answer where no ingested atlas has the asked perturbation itself.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from shared.catalog import DatasetEntry
from shared.catalog_view import CatalogView, perturbation_labels
from shared.query_plan import QueryPlan, query_plans
from shared.reference import ReferencePerturbation, perturbations

SAME_RECEPTORS: Final = 0.15
"""How near a perturbation of the very same receptors (or targets) is; one that shares some of them is less near.

Low on purpose: cells under the asked perturbation, even of another type, are the better evidence, and should be asked first.
"""
SAME_CLASS: Final = 0.1
"""How near a perturbation of the same family and functional class is."""
SAME_FAMILY: Final = 0.05
NO_FAMILY: Final = frozenset({"other", "growth factor", "complement"})
"""Families of the facts that are drawers, not relations: their members need not work alike."""


class Relative(NamedTuple):
    """A perturbation of a dataset that works like the asked one.

    Attributes:
        name: its canonical name.
        conditions: its labels in the dataset.
        nearness: 0..1, how alike the two are; below 1.
        shared: what they have in common, in words.
    """

    name: str
    conditions: tuple[str, ...]
    nearness: float
    shared: str


def relatives(name: str, dataset: DatasetEntry) -> tuple[Relative, ...]:
    """The perturbations of a dataset that share receptors, targets or family with one, nearest first.

    Args:
        name: the asked perturbation's canonical name.
        dataset: where relatives are sought.
    """
    asked = perturbations().get(name)
    if asked is None:
        return ()
    names = {each.perturbation for each in dataset.conditions if each.perturbation and not each.is_control}
    found = []
    for other in names & perturbations().keys() - {name}:
        nearness, shared = _likeness(asked, perturbations()[other])
        if nearness:
            found.append(Relative(other, tuple(perturbation_labels(dataset, other)), nearness, shared))
    return tuple(sorted(found, key=lambda each: (-each.nearness, each.name)))


def relative_plan(view: CatalogView, perturbation: str, cell_type: str) -> QueryPlan | None:
    """The atlas that answers for a perturbation by the nearest relative it has cells under, or None.

    Args:
        view: the catalog.
        perturbation: canonical name of the asked one.
        cell_type: Cell Ontology id, or a label that has none.
    """
    best: tuple[float, QueryPlan] | None = None
    for entry in view.ingested:
        for relative in relatives(perturbation, entry):
            plans = [plan for plan in query_plans(view, relative.name, cell_type) if plan.dataset.name == entry.name]
            if plans and (best is None or relative.nearness > best[0]):
                best = (relative.nearness, plans[0])
    return best[1] if best else None


def _likeness(one: ReferencePerturbation, other: ReferencePerturbation) -> tuple[float, str]:
    """How near two perturbations are (0 where nothing is shared), and by what, in words."""
    ways = [(0.0, "")]
    for kind, mine, theirs in (("receptor", one.receptors, other.receptors), ("target", one.targets, other.targets)):
        if common := set(mine) & set(theirs):
            ways.append((SAME_RECEPTORS * len(common) / len({*mine, *theirs}), _counted(kind, common)))
    if one.family and one.family == other.family and one.family not in NO_FAMILY:
        alike = one.functional_class == other.functional_class
        ways.append((SAME_CLASS if alike else SAME_FAMILY, f"the {one.family} family"))
    return max(ways)


def _counted(kind: str, genes: Iterable[str]) -> str:
    names = sorted(genes)
    return f"the {kind}{'s' if len(names) > 1 else ''} {', '.join(names)}"
