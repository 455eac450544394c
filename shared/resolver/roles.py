"""The role of a name in a question, read from the words around it: the cause that the question asks about, or something else.

"Does IL-12 raise IFN-gamma production in IL-2-cultured NK cells?" names three cytokines and asks about one.
"""

from collections.abc import Sequence
from enum import IntEnum

from shared.catalog.normalize import Word
from shared.resolver.lexicon import common_words
from shared.resolver.question import Question


class Role(IntEnum):
    """The role of a named perturbation; the higher, the more likely the question is about it."""

    ANTAGONIST = -1  # "anti-TNF", "IL-6 inhibitor": something was done, but not this
    READOUT = 0  # a product, a receptor, a marker, something absent: not a cause
    BACKGROUND = 1  # the earlier culture of the cells, or a family whose member may be named too
    NAMED = 2  # named, nothing more
    CAUSE = 3  # "respond to ...", "treated with ...", "effect of ..."


LINKS = frozenset(
    {"to", "with", "by", "of", "upon", "after", "following", "under", "on", "plus", "and", "or", "versus", "vs", "for"}
)
_CUES = (
    "respon", "treat", "stimul", "expos", "effect", "impact", "influence", "add", "perturb", "incubat", "upon", "challeng", "react",
    "sensitiv", "receiv", "administ", "action", "dose", "dosing", "supplement", "chang", "happen", "given", "behav", "adapt", "alter",
    "transform", "shift", "affected", "activated", "hit",
)  # fmt: skip
_READOUT_NOUNS = frozenset(
    {
        "producing", "secreting", "expressing", "production", "secretion", "expression", "release", "releasing", "level", "levels",
        "positive", "negative", "mrna", "transcript", "transcripts", "reporter", "promoter", "locus", "output", "synthesis",
        "secreted", "produced", "replication", "receptor", "receptors", "r", "r1", "r2", "ra", "rb", "producers", "competent",
    }
)  # fmt: skip
_READOUT_VERBS = (
    "secret", "produc", "express", "releas", "suppress", "increas", "decreas", "reduc", "enhanc", "boost", "upregulat", "downregulat",
    "induc", "make", "making", "rais", "lower", "bind", "upregul", "turn", "transcrib", "display",
)  # fmt: skip
_AMOUNT_OF = ("secretion", "production", "expression", "release", "level", "amount", "output", "synthesis", "concentration")  # fmt: skip
_DOSED = frozenset(
    {
        "small",
        "tiny",
        "trace",
        "large",
        "minute",
        "increasing",
        "low",
        "high",
        "lower",
        "higher",
        "different",
        "various",
        "several",
        "rising",
        "two",
    }
)
_AMOUNTS = frozenset(
    {
        "more",
        "less",
        "much",
        "any",
        "higher",
        "its",
        "their",
        "own",
        "surface",
        "soluble",
        "even",
        "also",
        "or",
    }
)
_ANTAGONISM_AFTER = (
    "inhibit", "antagonis", "blockade", "block", "antibod", "neutrali", "knockout", "knockdown", "ko", "deficien", "depriv", "deplet",
    "withdraw", "antisense", "null", "crispr",
)  # fmt: skip
_ANTAGONISM_BEFORE = frozenset({"anti", "blocking", "neutralizing", "neutralising", "inhibiting", "antagonizing", "non"})  # fmt: skip
_SIGNAL = frozenset({"receptor", "r", "signaling", "signalling", "pathway", "axis"})  # "IL-6 receptor blockade"
_ABSENT = frozenset({"without", "lacking", "excluding", "except", "not", "no", "minus", "lack"})
_BACKGROUND = (
    "cultur", "differentiat", "polari", "deriv", "expand", "pretreat", "matur", "condition", "maintain", "primed", "activated",
)  # fmt: skip
_DOES = (
    "treat", "stimul", "expos", "induc", "affect", "influenc", "alter", "impact", "modulat", "chang", "activat", "respon", "challeng",
    "effect", "therap", *_ANTAGONISM_AFTER,
)  # fmt: skip
_EVENTS = frozenset({"upon", "after", "following"})
# Words that are never the name itself.
_PREFIXED = frozenset({"soluble", "killed", "inactivated", "attenuated"})
# Words between "respond to" and an unknown name.
FILLERS = _PREFIXED | {
    "my", "our", "your", "the", "a", "an", "new", "novel", "compound", "drug", "molecule", "small", "recombinant", "human", "cytokine",
    "called",
}  # fmt: skip
_WINDOW = 9
_REACH = 3


def role_of(question: Question, start: int, end: int, *, before_cell_type: bool) -> Role:
    """Return the role of a name in its question.

    Args:
        start: index of the name's first word.
        end: index after its last word.
        before_cell_type: whether a cell type follows immediately, which makes a CD molecule its marker ("CD70 B cells").
    """
    before = [word.key for word in question.words[max(0, start - _WINDOW) : start]]
    after = _same_phrase(question, end)
    if after[:1] == ["protein"]:  # "IL-6 protein" is IL-6, "IL-6 protein levels" are not
        after = after[1:]
    if _is_marker(question, start, end, before_cell_type=before_cell_type):
        return Role.READOUT
    if (before[-1:] and before[-1] in _ANTAGONISM_BEFORE) or _is_antagonized(after):
        return Role.ANTAGONIST
    if _is_readout(before, after):
        return Role.READOUT
    if before[-2:] == ["presence", "of"] or after[:1] == ["family"] or (after and after[0].startswith(_BACKGROUND)):
        return Role.BACKGROUND
    return Role.CAUSE if _is_cued(before) else Role.NAMED


def _same_phrase(question: Question, end: int) -> list[str]:
    """Return up to three words after a name that no bracket or end of a sentence sets apart."""
    keys: list[str] = []
    for index in range(end, min(end + 3, len(question.words))):
        if set(question.gap(index)) & set("(;:?!"):
            break
        keys.append(question.words[index].key)
    return keys


def unknown_causes(question: Question, known: frozenset[int]) -> list[Word]:
    """Return unknown words in the place of a perturbation: "stress" in "respond to oxidative stress".

    Args:
        known: indexes of recognized words.
    """
    words = question.words
    found = []
    for index, word in enumerate(words):
        if index in known or word.key in common_words() or word.key.isdigit() or word.key in _PREFIXED:
            continue
        before = [w.key for w in words[max(0, index - _WINDOW) : index] if w.key not in FILLERS]
        after = words[index + 1].key if index + 1 < len(words) else ""
        does = [w.key for w in words[index + 1 : index + 3]] == ["do", "to"]
        linked = not LINKS.isdisjoint(before[-_REACH:]) and _is_cued(before)
        if linked or not _EVENTS.isdisjoint(before[-_REACH:]) or after.startswith(_DOES) or does:
            found.append(word)
    return found


def _is_marker(question: Question, start: int, end: int, *, before_cell_type: bool) -> bool:
    """Return whether the name only marks cells: "CD40L+", or a CD molecule right before a cell type."""
    name = question.words[start].key
    return question.is_marker(end) or (before_cell_type and name.startswith("cd") and name[2:3].isdigit())


def _is_readout(before: Sequence[str], after: Sequence[str]) -> bool:
    """Return whether the name is something that the cells make or lack, or part of a receptor's name."""
    made = bool(after) and after[0] in _READOUT_NOUNS
    verb = next((key for key in reversed(before) if key not in _AMOUNTS), "")
    absent = bool(before) and before[-1] in _ABSENT and before[-2:-1] not in (["and"], ["or"], ["versus"], ["vs"])
    absent = absent or before[-2:] == ["how", "much"]
    maker = absent or (bool(before) and verb.startswith(_READOUT_VERBS))
    dosed = bool(before[-3:-2]) and before[-3] in _DOSED
    amount = len(before) > 1 and before[-1] == "of" and before[-2].startswith(_AMOUNT_OF) and not dosed
    return made or maker or amount


def _is_antagonized(after: Sequence[str]) -> bool:
    if not after:
        return False
    return after[0].startswith(_ANTAGONISM_AFTER) or (after[0] in _SIGNAL and _is_antagonized(after[1:]))


def _is_cued(before: Sequence[str]) -> bool:
    """Return whether a cue and a link lead up to the name: "respond to", "effects of", "treated for 24 h with"."""
    for place in range(len(before) - 1, -1, -1):
        if before[place].startswith(_CUES):
            return any(key in LINKS for key in before[place:])
    return False
