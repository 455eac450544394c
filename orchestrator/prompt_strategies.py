"""The strategies that propose prompts: direct, ontology, mechanistic, donor. Pure.

A strategy is a function from what is asked and what the atlas has to candidates; a new strategy is one more function in `STRATEGIES`. The
asked combination is often not in the atlas. Then *direct* has nothing to propose, and the others answer from other cell types and from
perturbations that work alike.

Groups of many cell types together often predict better than the nearest type alone, because their average is less noisy and the predictor
weights them by likeness to the query (measured: docs/science.md). So such a mix is nearly as near as the nearest type in it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.atlas import Group
from orchestrator.config import JobConfig
from orchestrator.prompts import Asked, Prompt

HALF_CELLS = 100
"""Perturbed cells at which the number of cells is worth half of what it can be."""
UNRELATED = 12
"""The distance that a cell type without a lineage in common counts as."""
MOST_NEIGHBOURS, MOST_RELATIVES, MOST_DONORS = 4, 4, 4
NEAREST_SHARE = 0.75
"""How near a mix of cell types is: so much of the nearest one, the rest from the mean."""


class Supply:
    """The groups of the atlas that are large enough to be used.

    Args:
        sizes: group to number of cells.
        asked: what prompts are sought for.
        config: the limits.
    """

    def __init__(self, sizes: Mapping[Group, int], asked: Asked, config: JobConfig) -> None:
        self._sizes = {group: size for group, size in sizes.items() if size >= config.min_group_cells}
        self._asked = asked
        self._config = config

    def perturbed(self, cell_type: str, conditions: Sequence[str] | None = None) -> list[Group]:
        """The usable groups of a cell type in these conditions (without any: under the asked perturbation), sorted."""
        wanted = self._asked.conditions if conditions is None else conditions
        return sorted(group for group in self._sizes if group.cell_type == cell_type and group.condition in wanted)

    def controls(self, group: Group) -> list[Group]:
        """The control groups of the same donor and cell type."""
        matched = [Group(group.donor, group.cell_type, control) for control in self._asked.controls]
        return [control for control in matched if control in self._sizes]

    def query_donors(self) -> set[str]:
        """The donors who give query cells."""
        return {
            g.donor
            for g in self._sizes
            if g.cell_type == self._asked.query_type and g.condition in self._asked.controls
        }

    def quality(self, groups: Sequence[Group]) -> float:
        """0..1: half for the number of cells, half for the share of groups with matched controls."""
        cells = sum(min(self._sizes[group], self._config.max_group_cells) for group in groups)
        matched = sum(bool(self.controls(group)) for group in groups) / len(groups)
        return 0.5 * cells / (cells + HALF_CELLS) + 0.5 * matched


@dataclass(frozen=True)
class _Source:
    """The usable groups of one cell type, and how near it is."""

    cell_type: str
    nearness: float
    told: str
    groups: list[Group]


Strategy = Callable[[Asked, Supply], Iterator[Prompt]]


def candidates(asked: Asked, supply: Supply) -> list[Prompt]:
    """All prompts of all strategies; each set of groups once, by the first strategy that proposes it."""
    found: dict[tuple[Group, ...], Prompt] = {}
    for strategy in STRATEGIES:
        for prompt in strategy(asked, supply):
            found.setdefault(prompt.groups, prompt)
    return list(found.values())


def direct(asked: Asked, supply: Supply) -> Iterator[Prompt]:
    """Same perturbation, same cell type, all donors."""
    if groups := supply.perturbed(asked.query_type):
        donors = len({group.donor for group in groups})
        told = f"{asked.query_type} cells under the asked perturbation, all {donors} donor(s)."
        yield Prompt("direct", told, tuple(groups), 1.0, 1.0, supply.quality(groups))


def ontology(asked: Asked, supply: Supply) -> Iterator[Prompt]:
    """Same perturbation, other cell types: each of the nearest alone and with all nearer ones, then all cell types together."""
    sources = _sources(asked, supply, asked.conditions)
    others = [source for source in sources if source.cell_type != asked.query_type][:MOST_NEIGHBOURS]
    for near in others:
        rationale = f"{near.cell_type} cells ({near.told}) under the asked perturbation."
        yield Prompt("ontology", rationale, tuple(near.groups), near.nearness, 1.0, supply.quality(near.groups))
        mixed = sources[: sources.index(near) + 1]
        if len(mixed) > 1:
            yield _mix("ontology", mixed, "the asked perturbation", 1.0, supply)
    if len(sources) > 1:
        yield _mix("ontology", sources, "the asked perturbation", 1.0, supply)


def mechanistic(asked: Asked, supply: Supply) -> Iterator[Prompt]:
    """Perturbations that work like the asked one: in the same cell type, in the nearest one that has it, and in all together."""
    for relative in asked.relatives[:MOST_RELATIVES]:
        sources = _sources(asked, supply, relative.conditions)
        if not sources:
            continue
        near = sources[0]
        told = f"{relative.name}, which shares {relative.shared} with the asked perturbation"
        rationale = f"{near.cell_type} cells ({near.told}) under {told}."
        quality = supply.quality(near.groups)
        yield Prompt("mechanistic", rationale, tuple(near.groups), near.nearness, relative.nearness, quality)
        if len(sources) > 1:
            yield _mix("mechanistic", sources, told, relative.nearness, supply)


def donor(asked: Asked, supply: Supply) -> Iterator[Prompt]:
    """The best groups of the asked perturbation by donor: those with matched controls, those who give query cells, all but one."""
    sources = _sources(asked, supply, asked.conditions)
    if not sources:
        return
    base = sources[:1] if sources[0].cell_type == asked.query_type else sources
    groups = sorted(group for source in base for group in source.groups)
    kinds = base[0].cell_type if len(base) == 1 else "all cell types"
    nearness = _mixed_nearness(base)
    donors = sorted({group.donor for group in groups})
    own = supply.query_donors()
    chosen = [
        ("only donors with matched control cells", [group for group in groups if supply.controls(group)]),
        ("only the donors whose cells are the query", [group for group in groups if group.donor in own]),
        *(
            (f"without donor {left_out}", [group for group in groups if group.donor != left_out])
            for left_out in donors[:MOST_DONORS]
            if len(donors) > 1
        ),
    ]
    for which, kept in chosen:
        if kept and len(kept) < len(groups):
            rationale = f"{kinds} under the asked perturbation, {which}."
            yield Prompt("donor", rationale, tuple(kept), nearness, 1.0, supply.quality(kept))


STRATEGIES: tuple[Strategy, ...] = (direct, ontology, mechanistic, donor)


def _sources(asked: Asked, supply: Supply, conditions: Sequence[str]) -> list[_Source]:
    """The cell types that have usable groups in these conditions, nearest first."""
    found = [_Source(asked.query_type, 1.0, "the asked type", supply.perturbed(asked.query_type, conditions))]
    for near in asked.neighbours:
        distance = UNRELATED if near.distance is None else near.distance
        told = "no lineage in common" if near.distance is None else f"{near.distance} step(s) away in the Cell Ontology"
        groups = supply.perturbed(near.cell_type, conditions)
        found.append(_Source(near.cell_type, 1.0 / (1.0 + distance), told, groups))
    return [source for source in found if source.groups]


def _mix(strategy: str, sources: Sequence[_Source], perturbation: str, nearness: float, supply: Supply) -> Prompt:
    """The groups of several cell types together; the predictor weights them by likeness to the query."""
    names = [source.cell_type for source in sources]
    who = " and ".join(names) if len(names) <= MOST_NEIGHBOURS + 1 else f"{len(names)} cell types"
    rationale = f"{who} together under {perturbation}, weighted by their likeness to the query."
    groups = tuple(sorted(group for source in sources for group in source.groups))
    return Prompt(strategy, rationale, groups, _mixed_nearness(sources), nearness, supply.quality(groups))


def _mixed_nearness(sources: Sequence[_Source]) -> float:
    nearness = [source.nearness for source in sources]
    return NEAREST_SHARE * max(nearness) + (1 - NEAREST_SHARE) * sum(nearness) / len(nearness)
