"""Rank candidate prompts: each score influences the next choice, and no prompt is tried twice. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from orchestrator.atlas.atlas import Group
from orchestrator.config import JobConfig
from orchestrator.evidence.grounding import PATHWAYS, TARGETS, Origin
from shared.runs.records import ScorePart

RELEVANCE, QUALITY, DIVERSITY = 0.4, 0.3, 0.3
# Exponents on values between 0 and 1: what a lesson emphasizes differs more between prompts, the rest differs less.
SHARPER, SOFTER = 2.0, 0.5


@dataclass(frozen=True)
class Prompt:
    """A candidate prompt."""

    strategy: str
    rationale: str  # why it was proposed, as a sentence; for a chosen prompt also the lesson of the previous score
    groups: tuple[Group, ...]  # the perturbed groups, sorted
    type_nearness: float  # 0..1, how near the cell types are to the target's
    perturbation_nearness: float  # 0..1; 1 for the target's perturbation, less for a related one
    quality: float  # 0..1, from the number of cells and the share of groups with matched controls

    @property
    def relevance(self) -> float:
        """0..1, how near the groups are to the target in cell type and perturbation."""
        return self.type_nearness * self.perturbation_nearness

    @property
    def related_only(self) -> bool:
        """Whether the cells are under a related perturbation instead of the target's."""
        return self.perturbation_nearness < 1

    def origin(self, cell_type: str) -> Origin:
        """Return the origin of a prediction for the cell type with this label."""
        if self.related_only:
            return Origin.RELATED_PERTURBATION
        same_type = any(group.cell_type == cell_type for group in self.groups)
        return Origin.EXACT if same_type else Origin.CROSS_CELL_TYPE


class Lesson(StrEnum):
    """What the score of a prompt implies for the next one."""

    NOTHING = ""
    NEARER_PERTURBATION = "the pathway part was the weakest, so prompts nearer in perturbation are preferred"
    NEARER_TYPE = "the target part was the weakest, so prompts nearer in cell type are preferred"
    MORE_CELLS = "few genes were called, so prompts with more cells and donors are preferred"


def lesson(parts: Sequence[ScorePart], num_de: int, config: JobConfig) -> Lesson:
    """Return the lesson of a prompt with these score parts and `num_de` called genes; parts without a score are ignored."""
    if num_de < config.few_de_genes:
        return Lesson.MORE_CELLS
    lessons = {PATHWAYS: Lesson.NEARER_PERTURBATION, TARGETS: Lesson.NEARER_TYPE}
    weak = [(part.score, part.name) for part in parts if part.name in lessons and part.score is not None]
    score, name = min(weak, default=(config.strong_part, ""))
    return lessons[name] if score < config.strong_part else Lesson.NOTHING


def choose(candidates: Sequence[Prompt], tried: Sequence[Prompt], learned: Lesson = Lesson.NOTHING) -> Prompt | None:
    """Return the best candidate whose groups were not tried yet, the first among equals; None if all were tried."""
    done = {prompt.groups for prompt in tried}
    fresh = [prompt for prompt in candidates if prompt.groups not in done]
    if not fresh:
        return None
    ranks = [rank(prompt, tried, learned) for prompt in fresh]
    best = fresh[ranks.index(max(ranks))]
    return replace(best, rationale=f"{best.rationale} Chosen because {learned}.") if learned else best


def rank(prompt: Prompt, tried: Sequence[Prompt], learned: Lesson = Lesson.NOTHING) -> float:
    """Return the rank of a candidate, 0..1: 0.4 relevance, 0.3 quality, 0.3 diversity (difference from the most similar one tried)."""
    overlap = max((_overlap(prompt, other) for other in tried), default=0.0)
    types, perturbations, quality = prompt.type_nearness, prompt.perturbation_nearness, prompt.quality
    match learned:
        case Lesson.NEARER_PERTURBATION:
            types, perturbations = types**SOFTER, perturbations**SHARPER
        case Lesson.NEARER_TYPE:
            types, perturbations = types**SHARPER, perturbations**SOFTER
        case Lesson.MORE_CELLS:
            types, quality = types**SOFTER, quality**SHARPER
    return RELEVANCE * types * perturbations + QUALITY * quality + DIVERSITY * (1.0 - overlap)


def _overlap(one: Prompt, other: Prompt) -> float:
    own, theirs = set(one.groups), set(other.groups)
    return len(own & theirs) / len(own | theirs)
