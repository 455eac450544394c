"""Tell perturbations that a question lists among genes, which cells make, from those that it gives the cells: "lower GZMB and IFNG"."""

from collections.abc import Collection, Iterator, Sequence

# Words within one list of genes: "CXCL9, CXCL10 and STAT1", "IL1B but not IL10".
LISTING = frozenset(
    {"and", "or", "nor", "but", "not", "as", "well", "both", "also", "neither", "und", "oder", "et", "y"}
)
# Words before something that the cells get.
_GIVEN = frozenset(
    {"to", "with", "by", "after", "upon", "under", "following", "plus", "given", "add", "adding", "of", "on"}
)
# "levels of GZMB and IFNG", but not "effect of".
_AMOUNTS = (
    "level", "expression", "production", "secretion", "release", "amount", "induction", "upregulation", "downregulation", "increase",
    "decrease", "loss", "transcript", "mrna", "reduction", "rise", "drop", "synthesis", "output",
)  # fmt: skip
# "happens to IFNG", "What does IL-2 do to IFNG".
_DONE = ("happen", "occur", "do", "did")
_BEING = frozenset({"is", "are", "was", "were"})
_MOVING = frozenset({"go", "goes", "rise", "rises", "fall", "falls", "up", "down", "drop", "drops"})
_MOVED = frozenset(
    {
        "higher", "lower", "less", "more", "up", "down", "elevated", "increased", "reduced", "decreased", "induced", "missing", "gone",
        "absent", "lost", "expressed", "unchanged",
    }
)  # fmt: skip
_UNDER = frozenset({"after", "with", "by", "under", "upon", "following", "to"})


def is_among_genes(keys: Sequence[str], agent: range, agents: Collection[range], genes: Collection[range]) -> bool:
    """Return whether an agent is one of a list of genes that the cells make.

    Args:
        keys: the folded words of the question.
        agents: words of each agent.
        genes: words of each gene that is no agent of the catalog.
    """
    earlier = list(_neighbors(keys, agent, [*agents, *genes], -1))
    listed = [*reversed(earlier), agent, *_neighbors(keys, agent, [*agents, *genes], 1)]
    if not any(each in genes for each in listed):
        return False
    first = listed[0]
    if not _is_given(keys, first.start) or _is_subject(keys, agent, genes):
        return not _is_subject(keys, agent, genes)
    # "After IFN-gamma, CXCL10 and TNF rise."
    return first != agent and first in agents and first not in genes


def is_moving(keys: Sequence[str], agent: range, agents: Collection[range]) -> bool:
    """Return whether an agent is what moves when another one is given: "Is IFNG higher after IL-2?", "IL10 goes down with IL-4"."""
    following = keys[agent.stop : agent.stop + 2]
    moves = (
        following[:1] != [] and following[0] in _MOVING and not (following[1:] and following[1].startswith("regulat"))
    )
    is_asked = agent.start > 0 and keys[agent.start - 1] in _BEING
    is_moved = is_asked and following[:1] != [] and following[0] in _MOVED
    return (moves or is_moved) and any(
        other.start > agent.stop and not _UNDER.isdisjoint(keys[max(agent.stop, other.start - 2) : other.start])
        for other in agents
    )


def _neighbors(keys: Sequence[str], span: range, others: Collection[range], step: int) -> Iterator[range]:
    """Yield what is listed before (step -1) or after (step 1) something, the nearest first."""
    while True:
        place = span.start - 1 if step < 0 else span.stop
        while 0 <= place < len(keys) and keys[place] in LISTING:
            place += step
        found = next((other for other in others if place in other), None)
        if found is None:
            return
        yield found
        span = found


def _is_given(keys: Sequence[str], start: int) -> bool:
    before = list(keys[max(0, start - 3) : start])
    while before and before[-1] in {"the", "both"}:
        before.pop()
    if before[-1:] == ["to"] and before[-2:-1] and before[-2].startswith(_DONE):
        return False  # "What happens to IFNG?"
    if not before or before[-1] not in _GIVEN:
        return False
    return not (before[-1] == "of" and before[-2:-1] and before[-2].startswith(_AMOUNTS))


def _is_subject(keys: Sequence[str], agent: range, genes: Collection[range]) -> bool:
    """Return whether an agent acts itself: "IL-2 raises GZMB, and TNF lowers it"."""
    following = keys[agent.stop + 1 : agent.stop + 2]
    is_gene = any(agent.stop + 1 == gene.start for gene in genes) and keys[agent.stop] not in LISTING
    return following in (["it"], ["them"], ["these"]) or is_gene
