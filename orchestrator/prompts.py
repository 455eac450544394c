"""Which cells a prediction is shown: candidates by strategy, ranked, never the same prompt twice. Pure.

A prompt is a set of groups (donor, cell type, condition) of perturbed cells. Strategies are functions from what is asked and what the
atlas has to candidates; a new strategy is one more function in `STRATEGIES`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.atlas import Group
from orchestrator.config import JobConfig

RELEVANCE, QUALITY, DIVERSITY = 0.4, 0.3, 0.3
ENOUGH_CELLS = 100
"""Perturbed cells at which a prompt's size is as good as it gets."""
UNRELATED = 12
"""The distance that a cell type without a lineage in common counts as."""
MOST_NEIGHBOURS = 4


@dataclass(frozen=True)
class Neighbour:
    """A cell type of the atlas and its distance from the asked one in Cell Ontology edges; None where they share no lineage."""

    cell_type: str
    distance: int | None


@dataclass(frozen=True)
class Asked:
    """What prompts are sought for.

    Attributes:
        query_type: the cell type of the query cells.
        neighbours: all other cell types of the atlas, nearest first.
        conditions: the labels of the asked perturbation.
        controls: the labels of control conditions.
    """

    query_type: str
    neighbours: tuple[Neighbour, ...]
    conditions: tuple[str, ...]
    controls: tuple[str, ...]


@dataclass(frozen=True)
class Prompt:
    """A candidate, with why it was proposed.

    Attributes:
        strategy: direct or ontology.
        rationale: a sentence.
        groups: the perturbed groups, sorted.
        relevance: 0..1, how near the groups are to what is asked.
        quality: 0..1, from the number of cells and the share of groups with matched controls.
    """

    strategy: str
    rationale: str
    groups: tuple[Group, ...]
    relevance: float
    quality: float


Strategy = Callable[[Asked, "Supply"], Iterator[Prompt]]


class Supply:
    """The groups of the atlas that are large enough to be used.

    Args:
        sizes: group to number of cells.
        asked: what prompts are sought for.
        config: the limits.
    """

    def __init__(self, sizes: Mapping[Group, int], asked: Asked, config: JobConfig) -> None:
        self._sizes = sizes
        self._asked = asked
        self._config = config

    def perturbed(self, cell_type: str) -> list[Group]:
        """The usable groups of a cell type under the asked perturbation, sorted."""
        return sorted(
            group
            for group, size in self._sizes.items()
            if group.cell_type == cell_type
            and group.condition in self._asked.conditions
            and size >= self._config.min_group_cells
        )

    def controls(self, group: Group) -> list[Group]:
        """The control groups of the same donor and cell type."""
        matched = [Group(group.donor, group.cell_type, control) for control in self._asked.controls]
        return [control for control in matched if self._sizes.get(control, 0) >= self._config.min_group_cells]

    def quality(self, groups: Sequence[Group]) -> float:
        """0..1: half for the number of cells, half for the share of groups with matched controls."""
        cells = sum(min(self._sizes[group], self._config.max_group_cells) for group in groups)
        matched = sum(bool(self.controls(group)) for group in groups) / len(groups)
        return 0.5 * min(1.0, cells / ENOUGH_CELLS) + 0.5 * matched


def candidates(asked: Asked, supply: Supply) -> list[Prompt]:
    """All prompts of all strategies; each set of groups once, by the first strategy that proposes it."""
    found: dict[tuple[Group, ...], Prompt] = {}
    for strategy in STRATEGIES:
        for prompt in strategy(asked, supply):
            found.setdefault(prompt.groups, prompt)
    return list(found.values())


def choose(proposed: Sequence[Prompt], tried: Sequence[Prompt]) -> Prompt | None:
    """The best prompt that was not tried yet, or None when all were.

    Ranked by 0.4 relevance, 0.3 quality and 0.3 diversity: how much a prompt differs from the most similar one tried.
    """
    done = {prompt.groups for prompt in tried}
    fresh = [prompt for prompt in proposed if prompt.groups not in done]
    return max(fresh, key=lambda prompt: (rank(prompt, tried), -proposed.index(prompt)), default=None)


def rank(prompt: Prompt, tried: Sequence[Prompt]) -> float:
    """What `choose` ranks by, 0..1."""
    overlap = max((_overlap(prompt, other) for other in tried), default=0.0)
    return RELEVANCE * prompt.relevance + QUALITY * prompt.quality + DIVERSITY * (1.0 - overlap)


def direct(asked: Asked, supply: Supply) -> Iterator[Prompt]:
    """Same perturbation, same cell type: all donors together, then without each donor in turn."""
    groups = supply.perturbed(asked.query_type)
    if not groups:
        return
    quality = supply.quality(groups)
    donors = sorted({group.donor for group in groups})
    told = f"{asked.query_type} cells under the asked perturbation"
    yield Prompt("direct", f"{told}, all {len(donors)} donor(s).", tuple(groups), 1.0, quality)
    if len(donors) > 1:
        for donor in donors:
            rest = tuple(group for group in groups if group.donor != donor)
            yield Prompt("direct", f"{told}, without donor {donor}.", rest, 1.0, supply.quality(rest))


def ontology(asked: Asked, supply: Supply) -> Iterator[Prompt]:
    """Same perturbation, the nearest other cell types: together with all nearer ones, then each alone."""
    together = supply.perturbed(asked.query_type)
    names = [asked.query_type] if together else []
    distances = [0] * len(together)
    usable = [(near, groups) for near in asked.neighbours if (groups := supply.perturbed(near.cell_type))]
    for near, groups in usable[:MOST_NEIGHBOURS]:
        distance = UNRELATED if near.distance is None else near.distance
        far = "no lineage in common" if near.distance is None else f"{near.distance} step(s) away in the Cell Ontology"
        own = tuple(groups)
        yield Prompt(
            "ontology",
            f"{near.cell_type} cells ({far}) under the asked perturbation.",
            own,
            _closeness([distance]),
            supply.quality(own),
        )
        together, names, distances = together + groups, [*names, near.cell_type], distances + [distance] * len(groups)
        if len(names) > 1:
            mixed = tuple(sorted(together))
            rationale = f"{' and '.join(names)} cells together under the asked perturbation, weighted by their likeness to the query."
            yield Prompt("ontology", rationale, mixed, _closeness(distances), supply.quality(mixed))


STRATEGIES: tuple[Strategy, ...] = (direct, ontology)


def _closeness(distances: Sequence[int]) -> float:
    return sum(1.0 / (1.0 + distance) for distance in distances) / len(distances)


def _overlap(one: Prompt, other: Prompt) -> float:
    mine, theirs = set(one.groups), set(other.groups)
    return len(mine & theirs) / len(mine | theirs)
