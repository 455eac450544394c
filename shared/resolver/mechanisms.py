"""Find what a question takes for the mechanism of a response: "through STAT1", "Does STAT1 drive the response?", "which receptors mediate".

Whether it is the mechanism shows only in cells without it.
"""

from collections.abc import Iterator

from shared.resolver.cues import AUXILIARIES
from shared.resolver.sentence import Sentence, starts

_VIA = frozenset({"via", "through"})
# "by way of NF-kB", "by means of STAT1"
_WAYS = (["by", "way", "of"], ["by", "means", "of"])
# "B cells stimulated via CD40" names what the cells get; "walk me through STAT1" names what is read.
_GETTING = ("stimul", "activat", "trigger", "engag", "costimul", "ligat", "agonis", "crosslink", "treat")
_ME = frozenset({"me", "us"})
_CONTROLLING = (
    "drive", "control", "regulate", "govern", "determine", "orchestrate", "explain", "cause", "dictate", "shape", "trigger", "mediate",
    "underlie", "underpin", "coordinate",
)  # fmt: skip
_CHANGING = (
    "affect",
    "alter",
    "change",
    "influence",
    "modulate",
    "limit",
    "restrain",
    "induce",
    "raise",
    "lower",
    "increase",
    "reduce",
)
_RESPONSES = (
    "respon",
    "effect",
    "reaction",
    "action",
    "answer",
    "sensitiv",
    "induction",
    "upregulation",
    "downregulation",
    "outcome",
)
_LIGHT = frozenset(
    {"the", "a", "an", "this", "its", "their", "signaling", "activity", "pathway", "really", "also", "any", "all", "of"}
)
_WHICH = frozenset({"which", "what"})
_PARTS = frozenset(
    {
        "receptor", "receptors", "kinase", "kinases", "pathway", "pathways", "factor", "factors", "adaptor", "adaptors",
        "protein", "proteins", "molecule", "molecules", "regulator", "regulators", "signal", "signals", "mechanism", "mechanisms",
    }
)  # fmt: skip
_MEDIATING = (
    "mediat", "transmit", "transduc", "convey", "requir", "needed", "necessary", "essential", "responsible", "underl", "drive", "driving",
    "explain", "control", "relay",
)  # fmt: skip
_ASKED_OF_PARTS = frozenset(
    {"is", "are", "does", "do", "that", "the", "could", "would", "might", "signaling", "transcription"}
)
_BECAUSE = frozenset({"because", "since"})
_THEY = frozenset({"they", "it", "cells", "these"})
_MAKE = ("make", "produce", "secrete", "release", "express")
_REACH = 4


def find_mechanisms(sentence: Sentence) -> Iterator[tuple[range, range]]:
    """Yield the words that name a mechanism, and those of what is taken for it."""
    for index in range(len(sentence.keys)):
        if named := _through(sentence, index):
            start = index - starts(sentence.before(index, 1), ("act", "work", "signal", "function"))
            yield range(start, named.stop), named
        if span := _which_part(sentence, index):
            yield span, range(index + 1, index + 2)
        if named := _because(sentence, index):
            yield range(index, named.stop), named
    for gene in (mention.span for mention in sentence.genes):
        if span := _controls(sentence, gene):
            yield span, gene


def _through(sentence: Sentence, index: int) -> range:
    """Return what follows "via", "through" or "by way of" at an index; an empty range if it is no mechanism."""
    agent = sentence.agent(index)
    if not sentence.any_acts() or starts(sentence.before(index, 1), _GETTING):
        return range(0)
    if agent is not None and sentence.keys[index] in _VIA and agent.start == index:  # a receptor: "via TNFR2"
        others = (other for other in sentence.agents if other is not agent)
        is_plain = any(sentence.acts(other.start) for other in others)
        return agent.span if is_plain and not _is_read(sentence, index) else range(0)
    place = index + 3 if sentence.after(index, 3) in _WAYS else index + 1 if sentence.keys[index] in _VIA else 0
    while place and sentence.after(place, 1) == ["the"]:
        place += 1
    if not place or _is_read(sentence, index):
        return range(0)
    named = next((gene.span for gene in sentence.genes if gene.start == place), range(0))
    if named:
        return named
    # "through its receptor" names nothing in particular, "through TYK2" does.
    return range(place, place + 1) if sentence.is_gene(place) and not sentence.is_cells(place) else range(0)


def _is_read(sentence: Sentence, index: int) -> bool:
    before = sentence.before(index, 2)
    return not _ME.isdisjoint(before) or starts(before[-1:], ("walk", "sort", "look"))


def _which_part(sentence: Sentence, index: int) -> range:
    """Return the words of "which receptors mediate", "what kinase is required", "through which receptor"; an empty range without."""
    if sentence.keys[index] not in _WHICH or not sentence.any_acts():
        return range(0)
    place = index + 1
    while place < min(index + 2, len(sentence.keys)) and sentence.keys[place] not in _PARTS:
        place += 1
    if sentence.after(place, 1) == [] or sentence.keys[place] not in _PARTS:
        return range(0)
    if sentence.before(index, 1) and sentence.before(index, 1)[0] in {"through", "via"}:
        return range(index - 1, place + 1)
    end = place + 1
    while end < len(sentence.keys) and sentence.keys[end] in _ASKED_OF_PARTS:
        end += 1
    is_mediating = starts(sentence.after(end, 1), _MEDIATING) and sentence.keys[end] != "driven"
    return range(index, end + 1) if is_mediating else range(0)


def _because(sentence: Sentence, index: int) -> range:
    """Return what cells are said to make as the reason of a response: "because they make IFN-beta"; an empty range without."""
    if sentence.keys[index] not in _BECAUSE or not starts(sentence.after(index + 2, 1), _MAKE):
        return range(0)
    agent = sentence.agent(index + 3)
    is_theirs = sentence.keys[index + 1] in _THEY or sentence.is_cells(index + 1)
    named = [gene.span for gene in sentence.genes if gene.start == index + 3] + ([agent.span] if agent else [])
    return named[0] if is_theirs and named else range(0)


def _controls(sentence: Sentence, gene: range) -> range:
    """Return the words that ask whether a gene controls a response or another gene: "Does STAT1 drive the response?"."""
    place = gene.stop
    while sentence.after(place, 1) and sentence.keys[place] in {"signaling", "activity", "really", "also", "itself"}:
        place += 1
    verb = sentence.after(place, 1)
    is_subject = not AUXILIARIES.isdisjoint(sentence.before(gene.start, 1)) or (bool(verb) and verb[0].endswith("s"))
    if not is_subject or not starts(verb, (*_CONTROLLING, *_CHANGING)) or verb[0].endswith(("ed", "ing")):
        return range(0)
    for end in range(place + 1, min(place + 1 + _REACH, len(sentence.keys))):
        key = sentence.keys[end]
        if key.startswith(_RESPONSES) or any(other.start == end for other in sentence.genes):
            return range(gene.start, place + 1) if sentence.any_acts() else range(0)
        if key not in _LIGHT and sentence.agent(end) is None:
            break
    return range(0)
