"""Read in which direction a question expects a gene to change, from the verbs and nouns of its own clause."""

from collections.abc import Iterator, Sequence

from shared.catalog.interpretation import Direction
from shared.resolver.question import Question

_UP = (
    "increas", "induc", "upregul", "rais", "boost", "enhanc", "activat", "elevat", "stimulat", "promot", "trigger", "augment", "amplif",
    "driv", "erhoh", "aument",
)  # fmt: skip
_DOWN = (
    "decreas", "reduc", "downregul", "lower", "suppress", "inhibit", "repress", "silenc", "diminish", "block", "senk", "deplet", "abolish",
    "abrogat", "dampen", "attenuat", "quench", "extinguish", "shut", "weaken", "cut", "limit", "blunt", "prevent", "disappear", "vanish",
)  # fmt: skip
_UP_WORDS = frozenset({"up", "higher", "rise", "rises", "rising", "more"})
_DOWN_WORDS = frozenset(
    {
        "down", "less", "fewer", "fall", "falls", "falling", "drop", "drops", "loss", "lose", "loses", "losing", "lost", "off", "missing",
        "gone", "absent",
    }
)  # fmt: skip
# What genes are, not what happens to them: "inhibitory receptors such as PD-1".
_KINDS = ("inhibitor", "suppressor", "repressor", "activator")
# These ask for a change of either kind.
_EITHER = ("affect", "alter", "chang", "modulat", "influenc", "impact")
# "Do monocytes express CXCL10": up, unless another word says otherwise. The nouns say nothing.
_WEAKLY_UP = ("express", "produc", "secret", "releas", "make", "makes", "making")
_NOUNS = frozenset({"expression", "production", "secretion", "release"})
_UNCHANGED = frozenset(
    {
        "unchanged", "unaffected", "untouched", "unaltered", "constant", "fail", "fails", "failed", "failing", "not", "never", "nicht",
        "pas", "neither", "nor", "cannot", "unable",
    }
)  # fmt: skip
# "no increase of", "a lack of MX1 induction", "without raising": unchanged if a word for a change is near.
_NONE = frozenset({"no", "lack", "absence", "without"})
# "no MX1 induction" and "no effect on MX1", but not "no MX1 expression".
_CHANGES = (
    *_UP,
    *_DOWN,
    *_EITHER,
    "effect",
    "respon",
    "rise",
    "going",
    "making",
    "expressing",
    "touching",
    "turn",
    "switch",
)
# These keep cells from making something.
_PREVENTING = ("prevent", "stop", "hinder", "preclud", "keep")
_LEVELS = {"low": Direction.DOWN, "lower": Direction.DOWN, "high": Direction.UP, "higher": Direction.UP}
# Words between a gene and its level: "high levels of ISG15", "BCL6 expression low".
_OF_LEVELS = frozenset(
    {"of", "the", "level", "levels", "expression", "amounts", "stay", "stays", "remain", "remains", "very", "is", "are"}
)
_PARTICLES = {"on": Direction.UP, "up": Direction.UP, "off": Direction.DOWN, "down": Direction.DOWN}
_SWITCHING = ("switch", "turn")
# Words that leave a list of genes one list: "CXCL9, CXCL10 and STAT1".
_LISTING = frozenset({"and", "or", "nor", "as", "well", "both", "also", "und", "oder", "et", "ou", "y", "o"})
# Words that start another clause, if another gene stands beyond them.
_CONTRASTS = frozenset({"but", "while", "whereas", "yet", "though", "although", "without", "rather", "instead"})
_CONJUNCTIONS = _CONTRASTS | {"and"}
# "IL1B but not IL10", "IL1B rather than IL10".
_EXCLUDING = frozenset({("not",), ("rather", "than"), ("instead", "of")})
_LIGHT = frozenset({"the", "of", "a", "an", "any", "its", "this"})
_REACH = 5
# "stop CD4 T cells from making IL-2": the cells stand in between.
_FAR_REACH = 9


class Directions:
    """The directions that a question asks about.

    Args:
        genes: the words of each gene, in order.
    """

    def __init__(self, question: Question, genes: Sequence[range]) -> None:
        self._keys = [word.key for word in question.words]
        self._lists = list(_lists(self._keys, genes))

    def of(self, gene: range) -> Direction:
        """Return the direction of a gene; the words before it count before those after it, the nearest first."""
        place = next(index for index, each in enumerate(self._lists) if gene.start in each)
        listed = self._lists[place]
        before, after = self._before(place), self._after(place)
        if _is_excluded(before) or _is_denied(before, after):
            return Direction.UNCHANGED
        switches = any(key.startswith(_SWITCHING) for key in [*self._keys[: listed.start], *after])
        if switches and after[:1] and after[0] in _PARTICLES:  # "switch IL1B on and CD14 off"
            return _PARTICLES[after[0]]
        if (
            direction := _prevented(self._before(place, _FAR_REACH))
            or _nearest(before, after, switches=switches)
            or _level(before, after)
        ):
            return direction
        # "raise MX1 in monocytes and OAS1 in B cells": the verb of another gene.
        far = self._keys[max(0, gene.start - _REACH) : gene.start], self._keys[gene.stop : gene.stop + _REACH]
        return _nearest(*far, switches=switches) or _weakly_up(*far)

    def _before(self, place: int, reach: int = _REACH) -> list[str]:
        """Return the words of the same clause before a list of genes."""
        start, first = self._lists[place].start, 0
        if place:
            first = self._lists[place - 1].stop
            joints = [index for index in range(first, start) if self._keys[index] in _CONJUNCTIONS]
            first = joints[-1] if joints else first
        return self._keys[max(first, start - reach) : start]

    def _after(self, place: int) -> list[str]:
        """Return the words of the same clause after a list of genes."""
        start = self._lists[place].stop
        is_last = place + 1 == len(self._lists)
        stop = start + _REACH if is_last else min(self._lists[place + 1].start, start + _REACH)
        ends = _CONTRASTS if is_last else _CONJUNCTIONS
        words = self._keys[start:stop]
        return words[: next((index for index, key in enumerate(words) if key in ends), len(words))]


def _lists(keys: Sequence[str], genes: Sequence[range]) -> Iterator[range]:
    """Yield the words of each list of genes: "CXCL9, CXCL10 and STAT1" is one, "CXCL9 but not CXCL8" are two."""
    listed: range | None = None
    for gene in genes:
        if listed and _LISTING.issuperset(keys[listed.stop : gene.start]):
            listed = range(listed.start, max(gene.stop, listed.stop))
        else:
            if listed:
                yield listed
            listed = gene
    if listed:
        yield listed


def _is_excluded(before: Sequence[str]) -> bool:
    """Return whether a contrast leaves the genes out: "IL1B but not IL10"."""
    return any(tuple(before[-len(words) :]) == words for words in _EXCLUDING) and len(before) > 1


def _is_denied(before: Sequence[str], after: Sequence[str]) -> bool:
    """Return whether a clause says that nothing happens: "not raise", "unchanged", "no increase of", "a lack of MX1 induction"."""
    words = [*before, *after]
    for index, key in enumerate(words):
        following, preceding = words[index + 1 : index + 2], words[max(0, index - 1) : index]
        is_negation = key in _UNCHANGED or (key == "t" and preceding[0:1] != [] and preceding[0].endswith("n"))
        # "IFN-gamma but not TNF raises CXCL10" sets two causes apart.
        is_contrast = key == "not" and preceding == ["but"] and not any(map(_said, following))
        if is_negation and not is_contrast and following != ["only"] and preceding != ["or"]:
            return True
    denied = [index for index, key in enumerate(before) if key in _NONE]
    if not denied:
        return False
    beside = [] if before[denied[-1]] == "without" else after[:2]
    return any(key.startswith(_CHANGES) for key in [*before[denied[-1] + 1 :], *beside])


def _prevented(before: Sequence[str]) -> Direction | None:
    """Return down if cells are kept from making the genes: "stop monocytes from expressing", "prevent the induction of"."""
    places = [index for index, key in enumerate(before) if key.startswith(_PREVENTING)]
    if not places:
        return None
    between = before[places[-1] + 1 :]
    if before[places[-1]].startswith("keep") and "from" not in between:
        return None
    is_loss = any(_said(key) is Direction.DOWN for key in between)
    return Direction.UNCHANGED if is_loss else Direction.DOWN


def _nearest(before: Sequence[str], after: Sequence[str], *, switches: bool) -> Direction | None:
    """Return what the nearest word says, both kinds ("suppress or increase") as any, or None if none says anything."""
    near = [*reversed(before), *after]
    found = [(place, said) for place, key in enumerate(near) if (said := _said(key, switches=switches))]
    if not found:
        return None
    place, direction = found[0]
    for further, other in found[1:]:
        between = near[place + 1 : further]
        if between == ["or"] and other is not direction:
            return Direction.ANY
        is_verb_of = further < len(before) and place < len(before) and between and _LIGHT.issuperset(between)
        if is_verb_of and direction is Direction.UP and other is Direction.DOWN:
            return Direction.DOWN  # "block the induction of"
    return direction


def _said(key: str, *, switches: bool = False) -> Direction | None:
    """Return the direction that a word says, or None."""
    if key.startswith(_KINDS):
        return None
    if key.startswith(_DOWN) or key in _DOWN_WORDS:
        return Direction.DOWN
    if key.startswith(_UP) or key in _UP_WORDS or (switches and key == "on"):
        return Direction.UP
    return Direction.ANY if key.startswith(_EITHER) else None


def _level(before: Sequence[str], after: Sequence[str]) -> Direction | None:
    """Return the direction of a level beside the genes: "lead to high ISG15", "keep BCL6 low"."""
    for words in (reversed(before), after):
        beside = next((key for key in words if key not in _OF_LEVELS), "")
        if beside in _LEVELS:
            return _LEVELS[beside]
    return None


def _weakly_up(before: Sequence[str], after: Sequence[str]) -> Direction:
    """Return up if the cells make the gene ("do monocytes express CXCL10"), else any."""
    is_made = any(key.startswith(_WEAKLY_UP) and key not in _NOUNS for key in [*before, *after])
    return Direction.UP if is_made else Direction.ANY
