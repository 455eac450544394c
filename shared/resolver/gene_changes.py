"""Find the genes that a question says the cells have lost, cannot use, or have less or more of: "if STAT1 is off", "extra IRF1"."""

from collections.abc import Iterator
from typing import NamedTuple

from shared.catalog.interpretation import CaveatCode
from shared.resolver.cues import AUXILIARIES, LOSS
from shared.resolver.effects import is_effect
from shared.resolver.premises import ABLE, is_asked_whether, is_premise, is_supposed, is_unable
from shared.resolver.sentence import Sentence, starts

_REACH = 6
_PATHWAYS = frozenset(
    {
        "jak", "jaks", "stat", "stats", "mtor", "pi3k", "akt", "ras", "erk", "tlr", "tlrs", "sting", "cgas", "ikk", "notch", "wnt",
    }
)  # fmt: skip
# What a gene does in an answer: "if CXCL10 does not go up".
_MOVES = ("go", "chang", "rise", "rising", "increas", "decreas", "respon", "come", "react", "induc")
# Words between a gene and what it is: "STAT1 levels are low", "JAK2 is turned off".
_LINKING = frozenset(
    {
        "is", "was", "are", "were", "being", "has", "had", "been", "gets", "signal", "signaling", "signalling", "pathway", "pathways",
        "axis", "cascade", "then", "level", "levels", "expression", "activity", "protein", "gene", "very", "too", "turned", "switched",
        "shut", "kept", "completely", "partially", "in", "cells",
    }
)  # fmt: skip
_LESS = (
    "low", "reduc", "decreas", "diminish", "less", "little", "half", "halv", "weak", "off", "downregul", "subnormal", "quarter", "down",
    "dialed", "knocked",
)  # fmt: skip
_MORE = (
    "high",
    "elevat",
    "extra",
    "additional",
    "excess",
    "twice",
    "double",
    "overactive",
    "hyperactive",
    "cranked",
    "ramped",
    "raised",
    "boosted",
)
# Words between an amount and its gene: "half the normal amount of STAT1".
_AMOUNTS = frozenset(
    {
        "the", "a", "an", "of", "in", "normal", "usual", "amount", "amounts", "level", "levels", "expression", "activity", "copies", "copy",
        "as", "much", "than", "very",
    }
)  # fmt: skip
# Somebody does it: "if we remove IRF1", "after turning off JAK2".
_DOING = frozenset(
    {
        "i",
        "we",
        "you",
        "one",
        "they",
        "after",
        "before",
        "upon",
        "following",
        "if",
        "then",
        "when",
        "while",
        "let",
        "please",
        "and",
        "us",
    }
)
_TAKING = ("remov", "eliminat", "downregul", "reduc", "lower", "diminish", "decreas")
_TAKING_AWAY = (
    ("tak", "away"),
    ("turn", "off"),
    ("turn", "down"),
    ("switch", "off"),
    ("shut", "off"),
    ("shut", "down"),
    ("get", "rid"),
)
# "Does STAT1 loss affect ...?", "the effect of STAT1 loss on ...".
_AFFECTING = (
    "affect",
    "alter",
    "chang",
    "influenc",
    "impact",
    "modif",
    "matter",
    "weaken",
    "blunt",
    "impair",
    "prevent",
    "on",
)
_ADDING = ("upregul", "rais", "increas", "elevat", "boost")


class GeneChange(NamedTuple):
    """What the cells have, or have not, of a gene."""

    code: CaveatCode
    span: range  # the words that say so, with or without those of the gene
    gene: range


def find_gene_changes(sentence: Sentence) -> Iterator[GeneChange]:
    """Yield the changes of genes that a question takes for granted, not those that it asks about."""
    for gene in _named(sentence):
        if (span := _lost(sentence, gene)) or (span := _not_used(sentence, gene)):
            yield GeneChange(CaveatCode.KNOCKOUT, span, gene)
        for find in (_supposed, _had, _done):
            yield from find(sentence, gene)


def _named(sentence: Sentence) -> Iterator[range]:
    """Yield the words of each gene, and of pathways: "JAK signaling", "the JAK-STAT pathway", "mTOR"."""
    genes = [mention.span for mention in sentence.genes]
    yield from genes
    for index, key in enumerate(sentence.keys):
        agent = sentence.agent(index)
        is_free = not any(index in span for span in genes) and (agent is None or not agent.is_known)
        if key in _PATHWAYS and is_free and not sentence.is_cells(index):
            start = index - (index > 0 and sentence.keys[index - 1] in _PATHWAYS)
            yield range(start, index + 1)


def _lost(sentence: Sentence, gene: range) -> range | None:
    """Return the words after a gene that say that it is gone: "STAT1 was removed"."""
    if is_asked_whether(sentence, gene) and sentence.any_acts():
        return None
    if sentence.after(gene.stop, 1) == ["loss"] and starts(sentence.after(gene.stop + 1, 1), _AFFECTING):
        return range(gene.stop, gene.stop + 1)
    for place in range(gene.stop, min(gene.stop + 3, len(sentence.keys))):
        key = sentence.keys[place]
        if key.startswith((*LOSS, "missing", "gone")) and not is_effect(sentence, place):
            return range(gene.stop, place + 1)
        if key not in _LINKING:
            break
    return None


def _not_used(sentence: Sentence, gene: range) -> range | None:
    """Return the words that say that the cells cannot make or use a gene: "if STAT1 cannot bind", "unable to express STAT1"."""
    for place in range(gene.start - 1, max(gene.start - _REACH, 0) - 1, -1):
        if sentence.breaks(place, gene.start) or sentence.agent(place):
            break
        if is_unable(sentence, place) and is_supposed(sentence, place):
            return range(place - starts(sentence.before(place, 1), ABLE), gene.stop)
    if is_premise(sentence, gene):
        for place in range(gene.stop, min(gene.stop + 4, len(sentence.keys))):
            is_denied = is_unable(sentence, place) or sentence.negates(place)
            if is_denied and not is_effect(sentence, place) and not starts(sentence.after(place + 1, 2), _MOVES):
                end = place + 1 + (sentence.after(place + 1, 1) == ["be"])
                return range(gene.start, min(end + 1, len(sentence.keys)))
    return None


def _supposed(sentence: Sentence, gene: range) -> Iterator[GeneChange]:
    """Yield what a clause supposes of a gene: "once JAK2 is off", "when STAT1 levels are low"."""
    if not is_premise(sentence, gene):
        return
    for place in range(gene.stop, min(gene.stop + _REACH, len(sentence.keys))):
        code = _amount(sentence.keys[place])
        if code and not is_effect(sentence, place):
            yield GeneChange(code, range(gene.start, place + 1), gene)
        if sentence.keys[place] not in _LINKING and not sentence.is_cells(place):
            break


def _had(sentence: Sentence, gene: range) -> Iterator[GeneChange]:
    """Yield what the cells have of a gene: "monocytes with reduced STAT1", "give monocytes extra IRF1"."""
    for place in range(gene.start - 1, max(gene.start - _REACH, 0) - 1, -1):
        key = sentence.keys[place]
        # "Monocytes with high CD14" and "T cells with little CD28" are a part of these cells.
        is_level = key in {"high", "low"} or (key == "little" and sentence.keys[gene.start].startswith("cd"))
        if (code := _amount(key)) and not is_level:
            is_given = sentence.is_cells(place - 1) and starts(
                sentence.before(place, _REACH), ("giv", "suppl", "provid")
            )
            # "Do monocytes have higher STAT1?" asks, "monocytes with less STAT1" does not.
            has = (
                ["with", "having"]
                if AUXILIARIES & set(sentence.keys[:place])
                else ["with", "having", "have", "had", "has"]
            )
            is_had = sentence.before(place, 1) in [[each] for each in has] and sentence.is_cells(place - 2)
            if is_given or is_had:
                yield GeneChange(code, range(place, gene.start), gene)
            break
        if key not in _AMOUNTS:
            break


def _done(sentence: Sentence, gene: range) -> Iterator[GeneChange]:
    """Yield what somebody does to a gene: "if I remove IRF1", "turning off JAK2", "turn JAK2 off"."""
    for place in range(gene.start - 1, max(gene.start - 4, 0) - 1, -1):
        key = sentence.keys[place]
        if (code := _deed(sentence, place, gene)) and _is_somebodys(sentence, place):
            yield GeneChange(code, range(place, gene.stop), gene)
        if key not in _AMOUNTS and key not in {"off", "away", "down", "out", "rid"}:
            break


def _deed(sentence: Sentence, index: int, gene: range) -> CaveatCode | None:
    """Return what the verb at an index does to a gene, or None."""
    key = sentence.keys[index]
    if sentence.after(index + 1, 1) == ["of"] and not key.startswith(("remov", "eliminat")):
        return None  # a noun: "increase of CXCL10 after IFN-gamma"
    particles = [*sentence.after(index + 1, 1), *sentence.after(gene.stop, 1)]
    if key.startswith(_TAKING) or any(key.startswith(verb) and away in particles for verb, away in _TAKING_AWAY):
        return CaveatCode.KNOCKDOWN
    return CaveatCode.OVEREXPRESSION if key.startswith(_ADDING) else None


def _is_somebodys(sentence: Sentence, index: int) -> bool:
    """Return whether nothing but a person can be the subject of a verb: "remove IRF1 ..." opens the sentence, or follows "if we"."""
    key, before = sentence.keys[index], sentence.before(index, 1)
    if sentence.keys[index].endswith("ed") or (key.endswith("s") and not key.endswith("ss")):
        return False
    if not before or sentence.breaks(index - 1, index):
        return True
    is_shared = before[0] in {"and", "then"} and any(
        sentence.acts(place) for place in range(index)
    )  # "IFN-gamma ... and raise CXCL10"
    return before[0] in _DOING and not is_shared


def _amount(key: str) -> CaveatCode | None:
    """Return what a word for an amount means, or None."""
    if key.startswith(_LESS):
        return CaveatCode.KNOCKDOWN
    return CaveatCode.OVEREXPRESSION if key.startswith(_MORE) else None
