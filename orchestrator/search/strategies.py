"""The strategies that propose prompts: direct, ontology, mechanistic, donor. Pure.

A strategy maps the target and the available groups to candidates; a new strategy is one more function in `STRATEGIES`. Often the atlas
lacks the target combination. Then *direct* proposes nothing, and the others propose other cell types and related perturbations.

Several cell types together often predict better than the nearest type alone, because their average is less noisy and the predictor
weights them by similarity to the query (measured: docs/science.md). So such a mix ranks nearly as near as its nearest type.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.atlas.atlas import Group
from orchestrator.config import JobConfig
from orchestrator.outputs.words import plural
from orchestrator.prediction.transfer import MAX_WEIGHT_CELLS
from orchestrator.question.analysis import Target
from orchestrator.search.prompts import Prompt

HALF_CELLS = 100  # number of perturbed cells at which the cell part of the quality is half of its maximum
UNRELATED = 12  # the distance assigned to cell types without a common lineage
MAX_NEIGHBORS, MAX_RELATED, MAX_DONORS = 4, 4, 4
NEAREST_SHARE = 0.75  # weight of the nearest type in the nearness of a mix; the rest is the mean


class AvailableGroups:
    """The groups of the atlas that are large enough to be used, from the number of cells of each group."""

    def __init__(self, sizes: Mapping[Group, int], target: Target, config: JobConfig) -> None:
        self._sizes = {group: size for group, size in sizes.items() if size >= config.min_group_cells}
        self._target = target
        self._config = config

    def perturbed(self, cell_type: str, conditions: Sequence[str] | None = None) -> list[Group]:
        """Return the usable groups of a cell type in these conditions (default: those of the target), sorted."""
        wanted = self._target.conditions if conditions is None else conditions
        return sorted(group for group in self._sizes if group.cell_type == cell_type and group.condition in wanted)

    def controls(self, group: Group) -> list[Group]:
        """Return the control groups of the same donor and cell type."""
        matched = [
            Group(group.donor, group.cell_type, control) for control in self._target.controls_of(group.condition)
        ]
        return [control for control in matched if control in self._sizes]

    def query_donors(self) -> set[str]:
        """Return the donors of the query cells."""
        return {
            g.donor
            for g in self._sizes
            if g.cell_type == self._target.query_type and g.condition in self._target.controls
        }

    def quality(self, groups: Sequence[Group]) -> float:
        """Return 0..1: half for the number of cells, half for the share of groups with matched controls."""
        cells = sum(min(self._sizes[group], MAX_WEIGHT_CELLS) for group in groups)
        matched = sum(bool(self.controls(group)) for group in groups) / len(groups)
        return 0.5 * cells / (cells + HALF_CELLS) + 0.5 * matched


@dataclass(frozen=True)
class _Source:
    """The usable groups of one cell type, and its nearness to the target."""

    cell_type: str
    nearness: float
    relation: str
    groups: list[Group]


Strategy = Callable[[Target, AvailableGroups], Iterator[Prompt]]


def candidates(target: Target, available: AvailableGroups) -> list[Prompt]:
    """Return the prompts of all strategies; each set of groups once, from the first strategy that proposes it."""
    found: dict[tuple[Group, ...], Prompt] = {}
    for strategy in STRATEGIES:
        for prompt in strategy(target, available):
            found.setdefault(prompt.groups, prompt)
    return list(found.values())


def direct(target: Target, available: AvailableGroups) -> Iterator[Prompt]:
    """Propose the same perturbation in the same cell type, all donors."""
    if groups := available.perturbed(target.query_type):
        donors = len({group.donor for group in groups})
        rationale = f"{plural(target.query_type)} under {target.perturbation}, {donors} donor{'s' * (donors != 1)}."
        yield Prompt("direct", rationale, tuple(groups), 1.0, 1.0, available.quality(groups))


def ontology(target: Target, available: AvailableGroups) -> Iterator[Prompt]:
    """Propose the same perturbation in other cell types: each of the nearest alone and with all nearer ones, then all types together."""
    sources = _sources(target, available, target.conditions)
    others = [source for source in sources if source.cell_type != target.query_type][:MAX_NEIGHBORS]
    for near in others:
        yield _prompt("ontology", [near], target.perturbation, 1.0, available)
        mixed = sources[: sources.index(near) + 1]
        if len(mixed) > 1:
            yield _prompt("ontology", mixed, target.perturbation, 1.0, available)
    if len(sources) > 1:
        yield _prompt("ontology", sources, target.perturbation, 1.0, available)


def mechanistic(target: Target, available: AvailableGroups) -> Iterator[Prompt]:
    """Propose related perturbations: each in the nearest cell type that has it, and in all types together."""
    for related in target.related[:MAX_RELATED]:
        sources = _sources(target, available, related.conditions)
        if not sources:
            continue
        perturbation = f"{related.name}, which shares {related.shared} with {target.perturbation}"
        yield _prompt("mechanistic", sources[:1], perturbation, related.nearness, available)
        if len(sources) > 1:
            yield _prompt("mechanistic", sources, perturbation, related.nearness, available)


def donor(target: Target, available: AvailableGroups) -> Iterator[Prompt]:
    """Propose subsets of the best groups by donor: with matched controls, donors of the query cells, all donors but one."""
    sources = _sources(target, available, target.conditions)
    if not sources:
        return
    base = sources[:1] if sources[0].cell_type == target.query_type else sources
    groups = sorted(group for source in base for group in source.groups)
    types = base[0].cell_type if len(base) == 1 else "all cell types"
    nearness = _mixed_nearness(base)
    donors = sorted({group.donor for group in groups})
    query_donors = available.query_donors()
    subsets = [
        ("only donors with matched control cells", [group for group in groups if available.controls(group)], False),
        ("only the donors of the query cells", [group for group in groups if group.donor in query_donors], False),
        *(
            (f"without donor {left_out}", [group for group in groups if group.donor != left_out], True)
            for left_out in donors[:MAX_DONORS]
            if len(donors) > 1
        ),
    ]
    for which, subset, drops_donor in subsets:
        if subset and len(subset) < len(groups):
            rationale = f"{types} under {target.perturbation}, {which}."
            yield Prompt("donor", rationale, tuple(subset), nearness, 1.0, available.quality(subset), drops_donor)


STRATEGIES: tuple[Strategy, ...] = (direct, ontology, mechanistic, donor)


def _sources(target: Target, available: AvailableGroups, conditions: Sequence[str]) -> list[_Source]:
    """Return the cell types that have usable groups in these conditions, nearest first."""
    own_groups = available.perturbed(target.query_type, conditions)
    found = [_Source(target.query_type, 1.0, "the type of the query cells", own_groups)]
    for near in target.neighbors:
        distance = UNRELATED if near.distance is None else near.distance
        relation = (
            "no common lineage"
            if near.distance is None
            else f"{near.distance} step{'s' * (near.distance != 1)} away in the Cell Ontology"
        )
        groups = available.perturbed(near.cell_type, conditions)
        found.append(_Source(near.cell_type, 1.0 / (1.0 + distance), relation, groups))
    return [source for source in found if source.groups]


def _prompt(
    strategy: str, sources: Sequence[_Source], perturbation: str, nearness: float, available: AvailableGroups
) -> Prompt:
    """Return a prompt from the groups of these cell types; the predictor weights several by similarity to the query."""
    names = [source.cell_type for source in sources]
    if len(names) == 1:
        rationale = f"{plural(names[0])} ({sources[0].relation}) under {perturbation}."
    else:
        types = " and ".join(names) if len(names) <= MAX_NEIGHBORS + 1 else f"{len(names)} cell types"
        rationale = f"{types} together under {perturbation}, weighted by similarity to the query cells."
    groups = tuple(sorted(group for source in sources for group in source.groups))
    return Prompt(strategy, rationale, groups, _mixed_nearness(sources), nearness, available.quality(groups))


def _mixed_nearness(sources: Sequence[_Source]) -> float:
    nearness = [source.nearness for source in sources]
    if len(nearness) == 1:
        return nearness[0]
    return NEAREST_SHARE * max(nearness) + (1 - NEAREST_SHARE) * sum(nearness) / len(nearness)
