"""Which cells a prediction is shown: candidates are ranked, each score teaches the next choice, and none is tried twice. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from orchestrator.atlas import Group
from orchestrator.config import JobConfig
from orchestrator.evaluation import PATHWAYS, TARGETS, Origin
from shared.catalog.plans import Relative
from shared.runs.records import ScorePart

RELEVANCE, QUALITY, DIVERSITY = 0.4, 0.3, 0.3
SHARPER, SOFTER = 2.0, 0.5
"""Exponents on a nearness between 0 and 1: what a lesson asks for counts more, what it does not ask for counts less."""


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
        conditions: the labels of the asked perturbation; empty where the atlas has only relatives of it.
        controls: the labels of control conditions.
        relatives: perturbations that work like it, nearest first.
    """

    query_type: str
    neighbours: tuple[Neighbour, ...]
    conditions: tuple[str, ...]
    controls: tuple[str, ...]
    relatives: tuple[Relative, ...] = ()


@dataclass(frozen=True)
class Prompt:
    """A candidate, with why it was proposed.

    Attributes:
        strategy: the strategy that proposed it.
        rationale: a sentence; the one that was chosen also says what was learnt from the prompt before.
        groups: the perturbed groups, sorted.
        type_nearness: 0..1, how near the cell types are to the asked one.
        perturbation_nearness: 0..1; 1 for the asked perturbation, less for a relative.
        quality: 0..1, from the number of cells and the share of groups with matched controls.
    """

    strategy: str
    rationale: str
    groups: tuple[Group, ...]
    type_nearness: float
    perturbation_nearness: float
    quality: float

    @property
    def relevance(self) -> float:
        """0..1, how near the groups are to what is asked, in cell type and in perturbation."""
        return self.type_nearness * self.perturbation_nearness

    @property
    def inferred(self) -> bool:
        """Whether its cells are under a relative of the asked perturbation."""
        return self.perturbation_nearness < 1

    def origin(self, cell_type: str) -> Origin:
        """What a prediction for this cell type, by its label, is made from."""
        if self.inferred:
            return Origin.INFERRED
        return Origin.ASKED if any(group.cell_type == cell_type for group in self.groups) else Origin.CARRIED


class Lesson(StrEnum):
    """What the score of a prompt says about the next one."""

    NOTHING = ""
    NEARER_PERTURBATION = "the pathway part was the weak one, so prompts nearer in perturbation count more"
    NEARER_TYPE = "the target part was the weak one, so prompts nearer in cell type count more"
    MORE_CELLS = "few genes were called, so prompts with more cells and donors count more"


def lesson(parts: Sequence[ScorePart], num_de: int, config: JobConfig) -> Lesson:
    """What to learn from a scored prompt.

    Args:
        parts: the parts of its score; what could not be judged teaches nothing.
        num_de: how many genes were called differentially expressed.
        config: how many genes are few, and how good a part must be to be no weakness.
    """
    if num_de < config.few_de_genes:
        return Lesson.MORE_CELLS
    ways = {PATHWAYS: Lesson.NEARER_PERTURBATION, TARGETS: Lesson.NEARER_TYPE}
    weak = [(part.score, part.name) for part in parts if part.name in ways and part.score is not None]
    score, name = min(weak, default=(config.strong_part, ""))
    return ways[name] if score < config.strong_part else Lesson.NOTHING


def choose(proposed: Sequence[Prompt], tried: Sequence[Prompt], learnt: Lesson = Lesson.NOTHING) -> Prompt | None:
    """The best prompt whose groups were not tried yet, or None when all were.

    Args:
        proposed: the candidates; the earlier comes first among equals.
        tried: the prompts so far.
        learnt: what the last score said.
    """
    done = {prompt.groups for prompt in tried}
    fresh = [prompt for prompt in proposed if prompt.groups not in done]
    ranks = [rank(prompt, tried, learnt) for prompt in fresh]
    if not fresh:
        return None
    best = fresh[ranks.index(max(ranks))]
    return replace(best, rationale=f"{best.rationale} Chosen now: {learnt}.") if learnt else best


def rank(prompt: Prompt, tried: Sequence[Prompt], learnt: Lesson = Lesson.NOTHING) -> float:
    """What `choose` ranks by, 0..1: 0.4 relevance, 0.3 quality, 0.3 diversity (how much it differs from the most similar one tried)."""
    overlap = max((_overlap(prompt, other) for other in tried), default=0.0)
    types, perturbations, quality = prompt.type_nearness, prompt.perturbation_nearness, prompt.quality
    match learnt:
        case Lesson.NEARER_PERTURBATION:
            types, perturbations = types**SOFTER, perturbations**SHARPER
        case Lesson.NEARER_TYPE:
            types, perturbations = types**SHARPER, perturbations**SOFTER
        case Lesson.MORE_CELLS:
            types, quality = types**SOFTER, quality**SHARPER
    return RELEVANCE * types * perturbations + QUALITY * quality + DIVERSITY * (1.0 - overlap)


def _overlap(one: Prompt, other: Prompt) -> float:
    mine, theirs = set(one.groups), set(other.groups)
    return len(mine & theirs) / len(mine | theirs)
