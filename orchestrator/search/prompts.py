"""Choose among candidate prompts, by expected accuracy and then by rank; no prompt is tried twice. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from orchestrator.atlas.atlas import Group
from orchestrator.evidence.grounding import Origin
from orchestrator.outputs.words import plural

RELEVANCE, QUALITY, DIVERSITY = 0.4, 0.3, 0.3
# Where the asked combination was measured, a mix with other cell types must be expected to be this much better: leaving out a donor tests
# fewer cells than there are, and only cells of the asked type show what only they do.
MIX_MARGIN = 0.1
# Expected correlations that differ by less are the same: of these prompts, the one with the highest rank is chosen.
TIE = 0.01
UNKNOWN = -2.0  # stands for an expected correlation that is not known


@dataclass(frozen=True)
class Prompt:
    """A candidate prompt."""

    strategy: str
    rationale: str  # why it was proposed, as a sentence; also why a mix is preferred to measured cells
    groups: tuple[Group, ...]  # the perturbed groups, sorted
    type_nearness: float  # 0..1, how near the cell types are to the target's
    perturbation_nearness: float  # 0..1; 1 for the target's perturbation, less for a related one
    quality: float  # 0..1, from the number of cells and the share of groups with matched controls
    drops_donor: bool = False  # leaves out a donor to show how much depends on it

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


def tier(prompt: Prompt, cell_type: str) -> int:
    """Return how directly a prompt answers the question: 0 with the asked combination itself, 2 with another perturbation."""
    return {Origin.EXACT: 0, Origin.CROSS_CELL_TYPE: 1, Origin.RELATED_PERTURBATION: 2}[prompt.origin(cell_type)]


def eligible(candidates: Sequence[Prompt], tried: Sequence[Prompt], cell_type: str) -> list[Prompt]:
    """Return the candidates among which `choose` chooses: untried ones that answer as directly as any; none without a donor is first."""
    done = {prompt.groups for prompt in tried}
    fresh = [prompt for prompt in candidates if prompt.groups not in done and (done or not prompt.drops_donor)]
    nearest = min((tier(prompt, cell_type) for prompt in fresh), default=0)
    return [prompt for prompt in fresh if tier(prompt, cell_type) == nearest]


def choose(
    candidates: Sequence[Prompt],
    tried: Sequence[Prompt],
    cell_type: str,
    estimate: Callable[[Prompt], float | None] = lambda _: None,
) -> Prompt | None:
    """Return the best candidate whose groups were not tried yet, the first among equals; None if all were tried.

    The score of a prediction has no influence: choosing what scores best would report a score that was sought for. For the same reason,
    a prompt without one of the donors is never the first: without the donor who disagrees, the others agree.

    Args:
        cell_type: label of the query cells' type.
        estimate: expected correlation with the true response; None if it is unknown.
    """
    fresh = eligible(candidates, tried, cell_type)
    if not fresh:
        return None
    measured = [prompt for prompt in fresh if {group.cell_type for group in prompt.groups} == {cell_type}]

    def expected(prompt: Prompt) -> float:
        known = estimate(prompt)
        return UNKNOWN if known is None else known + (MIX_MARGIN if prompt in measured else 0.0)

    most = max(expected(prompt) for prompt in fresh)
    alike = [prompt for prompt in fresh if expected(prompt) >= most - TIE]
    # Of prompts that are known to be equally good, the one with more groups: its uncertainty is better known.
    digits, groups = (2, 1) if most > UNKNOWN else (6, 0)
    ranks = [(round(rank(prompt, tried), digits), groups * len(prompt.groups)) for prompt in alike]
    best = alike[ranks.index(max(ranks))]
    if measured and best not in measured:
        found, own = estimate(best), estimate(measured[0])
        if found is not None and own is not None:
            why = (
                f"Expected to be more accurate than the measured {plural(cell_type)} alone: r with the true response {found:.2f} against "
                f"{own:.2f}."
            )
            return replace(best, rationale=f"{best.rationale} {why}")
    return best


def rank(prompt: Prompt, tried: Sequence[Prompt]) -> float:
    """Return the rank of a candidate, 0..1: 0.4 relevance, 0.3 quality, 0.3 diversity (difference from the most similar one tried)."""
    overlap = max((_overlap(prompt, other) for other in tried), default=0.0)
    return RELEVANCE * prompt.relevance + QUALITY * prompt.quality + DIVERSITY * (1.0 - overlap)


def _overlap(one: Prompt, other: Prompt) -> float:
    own, theirs = set(one.groups), set(other.groups)
    return len(own & theirs) / len(own | theirs)
