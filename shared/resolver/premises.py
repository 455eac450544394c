"""Tell what a question takes for granted ("if STAT1 ...", "monocytes that cannot ...") from what it asks ("when is STAT1 ...")."""

from shared.resolver.cues import UNABLE
from shared.resolver.sentence import Sentence, starts

ABLE = ("can", "could")
_SUPPOSING = frozenset(
    {
        "if", "when", "once", "suppose", "supposing", "assume", "assuming", "imagine", "should", "wenn", "falls", "si", "quand", "cuando",
    }
)  # fmt: skip
# Something was done to a gene "after" it: "after NF-kB was shut off".
_LATER = frozenset({"after", "with", "before"})
_RELATIVE = frozenset({"that", "which", "who", "whose", "where", "because", "since", "die", "qui", "que"})
_COPULAS = frozenset({"are", "is", "was", "were", "become", "becomes"})
_ASKING = _COPULAS | {"do", "does", "did", "why"}
_REACH = 6


def is_premise(sentence: Sentence, gene: range) -> bool:
    """Return whether a gene is the subject of a clause such as "if STAT1 ...", not of the question "when is CXCL10 ..."."""
    for place in range(gene.start - 1, max(gene.start - 4, -1), -1):
        key, is_next = sentence.keys[place], sentence.keys[place + 1 : gene.start] in ([], ["the"])
        if key in _SUPPOSING or (key in _LATER and is_next):
            return True
        if sentence.agent(place) or (key in _ASKING and is_next):
            return False
    return _is_stated(sentence, gene)


def is_asked_whether(sentence: Sentence, gene: range) -> bool:
    """Return whether a question asks what a gene is: "Is GZMB missing ...?", "Are GZMB and PRF1 gone ...?"."""
    for place in range(gene.start - 1, max(gene.start - _REACH, 0) - 1, -1):
        if sentence.keys[place] in _COPULAS | {"whether"}:
            return place == 0 or not sentence.is_cells(place - 1)
        if sentence.keys[place] not in {"and", "or", "the"} and not sentence.is_gene(place):
            return False
    return False


def _is_stated(sentence: Sentence, gene: range) -> bool:
    """Return whether a gene is the subject of a statement before the question: "STAT1 levels are low in my monocytes. How ...?"."""
    opens = gene.start == 0 or sentence.breaks(gene.start - 1, gene.start)
    following = sentence.after(gene.stop, 2)
    end = next((place for place in range(gene.stop, len(sentence.keys)) if sentence.breaks(place - 1, place)), None)
    return opens and end is not None and bool(_COPULAS & set(following))


def is_unable(sentence: Sentence, index: int) -> bool:
    """Return whether the words at an index deny an ability: "cannot", "can't", "could not", "no longer", "unable"."""
    key, before = sentence.keys[index], sentence.before(index, 1)
    is_denied = (sentence.negates(index) and starts(before, ABLE)) or (key == "longer" and before == ["no"])
    return key in UNABLE or is_denied


def is_supposed(sentence: Sentence, index: int) -> bool:
    """Return whether a word is said of the cells as they are ("monocytes unable to"), not asked ("are monocytes unable to")."""
    asking = _COPULAS if sentence.keys[index] in {"unable", "incapable"} else _ASKING
    for place in range(index - 1, max(index - _REACH, 0) - 1, -1):
        if sentence.agent(place):
            return False  # what a perturbation cannot do
        if sentence.keys[place] in _SUPPOSING | _RELATIVE:
            return True
        if sentence.keys[place] in asking:
            return False
    return sentence.is_cells(index - 1)
