"""Tell perturbations that a question lists among genes, which cells make, from those that it gives the cells: "lower GZMB and IFNG"."""

from collections.abc import Collection, Iterator, Sequence, Set

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
# "Which of GZMB and IFNG ...?"
_SOME = frozenset({"which", "any", "all", "some", "none", "both", "most"})
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


def listed_with_genes(keys: Sequence[str], agents: Sequence[range], genes: Sequence[range]) -> Iterator[range]:
    """Yield the agents that stand in a list of genes that the cells make.

    Args:
        keys: the folded words of the question.
        agents: words of each agent of the catalog.
        genes: words of each gene that is no such agent.
    """
    if not genes:
        return
    known, made = set(agents), set(genes)
    for listed in _lists(keys, sorted(known | made, key=lambda span: span.start)):
        if made.isdisjoint(listed):
            continue
        # "After IFN-gamma, CXCL10 and TNF rise."
        is_given = _is_given(keys, listed[0].start)
        first = 1 if is_given and listed[0] in known and listed[0] not in made else len(listed) if is_given else 0
        yield from (span for span in listed[first:] if span in known and not _is_subject(keys, span, made))


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


def _lists(keys: Sequence[str], spans: Sequence[range]) -> Iterator[list[range]]:
    """Yield the agents and genes of each list."""
    listed: list[range] = []
    for span in spans:
        if listed and not LISTING.issuperset(keys[listed[-1].stop : span.start]):
            yield listed
            listed = []
        listed.append(span)
    if listed:
        yield listed


def _is_given(keys: Sequence[str], start: int) -> bool:
    before = list(keys[max(0, start - 3) : start])
    while before and before[-1] in {"the", "both"}:
        before.pop()
    if before[-1:] == ["to"] and before[-2:-1] and before[-2].startswith(_DONE):
        return False  # "What happens to IFNG?"
    if not before or before[-1] not in _GIVEN:
        return False
    is_part = before[-1] == "of" and before[-2:-1] != [] and (before[-2].startswith(_AMOUNTS) or before[-2] in _SOME)
    return not is_part


def _is_subject(keys: Sequence[str], agent: range, genes: Set[range]) -> bool:
    """Return whether an agent acts itself: "IL-2 raises GZMB, and TNF lowers it"."""
    following = keys[agent.stop + 1 : agent.stop + 2]
    is_gene = range(agent.stop + 1, agent.stop + 2) in genes and keys[agent.stop] not in LISTING
    return following in (["it"], ["them"], ["these"]) or is_gene
