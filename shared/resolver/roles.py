"""What the words around a name say of its part in the question: the cause that is asked about, or something else.

"Does IL-12 raise IFN-gamma production in IL-2-cultured NK cells?" names three cytokines and asks about one.
"""

from collections.abc import Sequence
from enum import IntEnum

from shared.catalog.normalize import Word
from shared.resolver.question import Question


class Part(IntEnum):
    """The part a named perturbation plays; the higher, the likelier it is what the question is about."""

    OPPOSED = -1  # "anti-TNF", "IL-6 inhibitor": something was done, but not this
    NO_CAUSE = 0  # a receptor, a product, a marker, a thing that is absent
    BACKGROUND = 1  # what the cells were kept in before, or a family whose member may be named too
    NAMED = 2  # named, nothing more
    ASKED = 3  # "respond to ...", "treated with ...", "effect of ..."


_CUES = (
    "respon", "treat", "stimul", "expos", "effect", "impact", "influence", "add", "perturb", "incubat", "upon", "challeng", "react",
    "sensitiv", "receiv", "administ", "action", "dose", "dosing", "supplement", "chang", "happen", "given", "behav", "adapt", "alter",
    "transform", "shift", "affected", "activated", "hit",
)  # fmt: skip
LINKS = frozenset(
    {"to", "with", "by", "of", "upon", "after", "following", "under", "on", "plus", "and", "or", "versus", "vs", "for"}
)
_READ_OUT_NOUNS = frozenset(
    {
        "producing", "secreting", "expressing", "production", "secretion", "expression", "release", "releasing", "level", "levels",
        "positive", "negative", "mrna", "transcript", "transcripts", "reporter", "promoter", "locus", "output", "synthesis",
        "secreted", "produced", "receptor", "receptors", "r", "r1", "r2", "ra", "rb", "producers", "competent",
    }
)  # fmt: skip
_READ_OUT_VERBS = ("secret", "produc", "express", "releas", "suppress", "increas", "decreas", "reduc", "enhanc", "boost", "upregulat",
                   "downregulat", "induc", "make", "rais", "lower", "bind")  # fmt: skip
_READ_OUT_OF = (
    "secretion",
    "production",
    "expression",
    "release",
    "level",
    "amount",
    "output",
    "synthesis",
    "concentration",
)
_OPPOSED_AFTER = (
    "inhibit", "antagonis", "blockade", "block", "antibod", "neutrali", "knockout", "knockdown", "ko", "deficien", "depriv", "deplet",
    "withdraw", "antisense", "null", "crispr",
)  # fmt: skip
_SIGNAL = frozenset(
    {"receptor", "r", "signaling", "signalling", "pathway", "axis"}
)  # "IL-6 receptor signalling blockade"
_OPPOSED_BEFORE = frozenset({"anti", "blocking", "neutralizing", "neutralising", "inhibiting", "antagonizing", "non"})
_ABSENT = frozenset({"without", "lacking", "excluding", "except", "not", "no", "minus", "lack"})
_BACKGROUND = (
    "cultur",
    "differentiat",
    "polari",
    "deriv",
    "expand",
    "pretreat",
    "matur",
    "condition",
    "maintain",
    "primed",
    "activated",
)
_DOES = ("treat", "stimul", "expos", "induc", "affect", "influenc", "alter", "impact", "modulat", "chang", "activat", "respon",
         "challeng", "effect", "therap", *_OPPOSED_AFTER)  # fmt: skip
_EVENTS = frozenset({"upon", "after", "following"})
_WINDOW = 9
_REACH = 3


def part_of(question: Question, start: int, end: int, *, before_cell_type: bool) -> Part:
    """The part of a name in its question.

    Args:
        question: the question.
        start: index of the name's first word.
        end: index behind its last word.
        before_cell_type: whether a cell type follows at once; a CD molecule there is a marker of it ("CD70 B cells").
    """
    before = [word.key for word in question.words[max(0, start - _WINDOW) : start]]
    after = [word.key for word in question.words[end : end + 3]]
    if after[:1] == ["protein"]:  # "IL-6 protein" is IL-6, "IL-6 protein levels" are not
        after = after[1:]
    if _is_marker(question, start, end, before_cell_type=before_cell_type):
        return Part.NO_CAUSE
    if (before[-1:] and before[-1] in _OPPOSED_BEFORE) or _opposed_by(after):
        return Part.OPPOSED
    if _is_read_out(before, after):
        return Part.NO_CAUSE
    if before[-2:] == ["presence", "of"] or after[:1] == ["family"] or (after and after[0].startswith(_BACKGROUND)):
        return Part.BACKGROUND
    return Part.ASKED if _cued(before) else Part.NAMED


def asked_for(question: Question, known: frozenset[int], common: frozenset[str]) -> list[Word]:
    """Words in the place of a perturbation that nothing known stands for: "stress" in "respond to oxidative stress".

    Args:
        question: the question.
        known: indexes of words that something was recognised in.
        common: words that name nothing.
    """
    words = question.words
    found = []
    for index, word in enumerate(words):
        if index in known or word.key in common or word.key.isdigit():
            continue
        before = [w.key for w in words[max(0, index - _WINDOW) : index]]
        after = words[index + 1].key if index + 1 < len(words) else ""
        linked = not LINKS.isdisjoint(before[-_REACH:]) and _cued(before)
        if linked or not _EVENTS.isdisjoint(before[-_REACH:]) or after.startswith(_DOES):
            found.append(word)
    return found


def _is_marker(question: Question, start: int, end: int, *, before_cell_type: bool) -> bool:
    """Whether the name only marks cells: "CD40L+", or a CD molecule right before a cell type."""
    name = question.words[start].key
    return question.after(end) in {"+", "⁺"} or (before_cell_type and name.startswith("cd") and name[2:3].isdigit())


def _is_read_out(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether the name is what the cells make or lack, or a part of a receptor's name."""
    made = bool(after) and after[0] in _READ_OUT_NOUNS
    maker = bool(before) and (before[-1] in _ABSENT or before[-1].startswith(_READ_OUT_VERBS))
    amount = len(before) > 1 and before[-1] == "of" and before[-2].startswith(_READ_OUT_OF)
    return made or maker or amount


def _opposed_by(after: Sequence[str]) -> bool:
    return bool(after) and (after[0].startswith(_OPPOSED_AFTER) or (after[0] in _SIGNAL and _opposed_by(after[1:])))


def _cued(before: Sequence[str]) -> bool:
    """Whether a cue and a link lead up to the name: "respond to", "effects of", "treated for 24 h with"."""
    for place in range(len(before) - 1, -1, -1):
        if before[place].startswith(_CUES):
            return any(key in LINKS for key in before[place:])
    return False
