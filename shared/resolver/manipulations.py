"""Read what a question says was done to the cells other than adding a perturbation.

Inhibition, knockout, knockdown, overexpression, and absence of a perturbation. `effects` tells the same words about what a perturbation
does.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from shared.catalog.interpretation import CaveatCode
from shared.resolver.absences import find_absences
from shared.resolver.agents import Agent, antibody_target
from shared.resolver.cues import (
    GENE_TRANSFER,
    GENOTYPE,
    INHIBITION,
    KNOCKDOWN,
    KNOCKDOWN_WORDS,
    KNOCKOUT,
    KNOCKOUT_WORDS,
    OVEREXPRESSION,
    SILENCING,
    WEAK_INHIBITION,
)
from shared.resolver.effects import READOUTS, is_effect
from shared.resolver.gene_changes import find_gene_changes
from shared.resolver.genes import GeneMention
from shared.resolver.mechanisms import find_mechanisms
from shared.resolver.question import Question
from shared.resolver.requirements import find_requirements
from shared.resolver.sentence import Sentence, starts

# Cues of two words: how each of them starts, and what they say.
_PAIRS: Final = (
    ("dominant", "negative", CaveatCode.KNOCKOUT),
    ("knock", "out", CaveatCode.KNOCKOUT),
    ("loss", "of", CaveatCode.KNOCKOUT),
    ("knock", "down", CaveatCode.KNOCKDOWN),
    ("rna", "interfer", CaveatCode.KNOCKDOWN),
    ("over", "express", CaveatCode.OVEREXPRESSION),
    ("forced", "express", CaveatCode.OVEREXPRESSION),
    ("ectopic", "express", CaveatCode.OVEREXPRESSION),
    ("gain", "of", CaveatCode.OVEREXPRESSION),
    ("opposite", "of", CaveatCode.INHIBITION),
    ("expression", "vector", CaveatCode.OVEREXPRESSION),
    ("expression", "plasmid", CaveatCode.OVEREXPRESSION),
    ("expression", "construct", CaveatCode.OVEREXPRESSION),
)
# Cues of two whole words: "a knockout in monocytes" is no knock-in.
_WHOLE_PAIRS: Final = {
    ("k", "o"): CaveatCode.KNOCKOUT,
    ("fl", "fl"): CaveatCode.KNOCKOUT,
    ("knock", "in"): CaveatCode.OVEREXPRESSION,
    ("knocked", "in"): CaveatCode.OVEREXPRESSION,
    ("knocking", "in"): CaveatCode.OVEREXPRESSION,
}
# "we knocked STAT3 out"
_KNOCKING: Final = frozenset({"knock", "knocked", "knocking", "knocks"})
_KNOCKED: Final = {"out": CaveatCode.KNOCKOUT, "down": CaveatCode.KNOCKDOWN, "in": CaveatCode.OVEREXPRESSION}
# Cues of one word: how it starts, and what it says; the first that fits counts.
_STARTS: Final = (
    (KNOCKDOWN, CaveatCode.KNOCKDOWN),
    (OVEREXPRESSION, CaveatCode.OVEREXPRESSION),
    (KNOCKOUT, CaveatCode.KNOCKOUT),
    ((*INHIBITION, *WEAK_INHIBITION), CaveatCode.INHIBITION),
)
_LACKS = frozenset({"lacking", "missing", "lack", "lacks", "no", "without", "minus", "ohne", "sans", "sin", "senza"})
_WORKING = frozenset({"a", "the", "any", "more", "functional", "working", "intact", "functioning"})
_OF_GENES = frozenset({"gene", "signaling", "activity", "function", "pathway"})
_HAVING = ("have", "has", "had", "express", "carry", "possess")
# A gene and what was done to it in one word: "STAT1KO", "siSTAT1", "JAKi".
_ONE_WORD: Final = (
    (re.compile(r"[A-Z][A-Z0-9]{2,}KO|(?!CD\d)[A-Z][A-Z0-9]{2,}null|(?:ko|sg)[A-Z][A-Z0-9]{2,}"), CaveatCode.KNOCKOUT),
    (re.compile(r"(?:si|sh)[A-Z][A-Z0-9]{2,}"), CaveatCode.KNOCKDOWN),
    (re.compile(r"[A-Z][A-Z0-9]{2,}i"), CaveatCode.INHIBITION),
)
_NULL = re.compile(r"\s?[\^({]*[-+\u2212\u2013\u207b]\s?[/\u2044]\s?[-\u2212\u2013\u207b][)}]*|\(-\)")
# Words between a cue and its target: "inhibition of the ...", "TNF signaling was blocked".
_BETWEEN = frozenset(
    {
        "of", "against", "to", "for", "targeting", "the", "with", "towards", "directed", "a", "an", "gene", "l", "d", "le", "la", "les",
        "il", "de", "von", "del", "der", "by", "up", "off",
    }
)  # fmt: skip
_BETWEEN_AFTER = frozenset(
    {
        "is", "was", "are", "were", "been", "be", "being", "gets", "got", "has", "signaling", "pathway", "receptor", "gene", "with",
        "by", "a", "the", "of",
    }
)  # fmt: skip
_REACH = 6
# An amino acid exchange: "JAK2 V617F".
_SUBSTITUTION = re.compile(r"[ACDEFGHIKLMNPQRSTVWY]\d{2,4}[ACDEFGHIKLMNPQRSTVWY*]")


class Manipulation(NamedTuple):
    """Something that a question says was done to the cells."""

    code: CaveatCode
    start: int  # index of the first word concerned
    end: int  # index after the last one
    targets: frozenset[int]  # indexes of the words that name its targets
    is_antibody: bool = False  # whether the words name an antibody against something that is no perturbation
    asks_need: bool = False  # whether the question asks if the cells need a gene, which shows only without it


def find_manipulations(
    question: Question,
    agents: Sequence[Agent] = (),
    genes: Sequence[GeneMention] = (),
    named: frozenset[int] = frozenset(),
    cells: Sequence[range] = (),
) -> list[Manipulation]:
    """Return the manipulations in a question, in order.

    Args:
        named: indexes of the words inside names, which are no cues ("leukemia inhibitory factor").
        cells: words of each cell type.
    """
    sentence = Sentence(question, agents, genes, named, cells)
    found = {
        *_cued(sentence),
        *_null_alleles(sentence),
        *_antibodies(sentence),
        *(_manipulation(CaveatCode.ABSENCE, cue, target) for cue, target in find_absences(sentence)),
        *(_manipulation(code, cue, target) for code, cue, target in find_gene_changes(sentence)),
        *(
            _manipulation(CaveatCode.KNOCKOUT, cue, gene)._replace(asks_need=True)
            for cue, gene in (*find_requirements(sentence), *find_mechanisms(sentence))
        ),
    }
    return _joined(sorted(found, key=lambda each: (each.start, each.end)))


def written(question: Question, manipulation: Manipulation) -> str:
    """Return the words of a manipulation as written, with the sign of a null allele: "IFNAR1-/-"."""
    end = question.words[manipulation.end - 1].end
    sign = _NULL.match(question.text, end)
    return question.piece(manipulation.start, manipulation.end) + (sign.group() if sign else "")


def manipulation_of(label: str) -> CaveatCode | None:
    """Return what a condition's label says was done: "STAT1_KO" is a knockout."""
    found = find_manipulations(Question.of(label))
    return found[0].code if found else None


def _joined(found: Sequence[Manipulation]) -> list[Manipulation]:
    """Join manipulations of one kind that touch: "CRISPR" and "knockout of IFNGR1" are one."""
    joined: list[Manipulation] = []
    for each in found:
        last = joined[-1] if joined else None
        if last and last.code is each.code and each.start <= last.end:
            targets, is_antibody = last.targets | each.targets, last.is_antibody and each.is_antibody
            joined[-1] = Manipulation(last.code, last.start, max(last.end, each.end), targets, is_antibody)
        else:
            joined.append(each)
    return joined


def _cued(sentence: Sentence) -> Iterator[Manipulation]:
    """Yield what a word says: "knockout", "siRNA", "inhibitor", "overexpression", ..."""
    index = 0
    while index < len(sentence.keys):
        code, length = (None, 1) if index in sentence.named else _cue(sentence, index)
        if code and not is_effect(sentence, index, length):
            targets = _targets(sentence, index, length)
            is_weak = code is CaveatCode.INHIBITION and sentence.keys[index].startswith(WEAK_INHIBITION)
            if not is_weak or any(map(sentence.agent, targets)):
                yield _manipulation(code, range(index, index + length), targets)
        index += length


def _cue(sentence: Sentence, index: int) -> tuple[CaveatCode | None, int]:
    """Return what the word at an index says was done, and the number of its words."""
    key = sentence.keys[index]
    if several := _several_words(sentence, index):
        return several
    if (
        (key in _LACKS and _is_lacked(sentence, index + 1))
        or _is_absent(sentence, index)
        or _is_genotype(sentence, index)
    ):
        return CaveatCode.KNOCKOUT, 1
    if _is_gene_transfer(sentence, index):
        return CaveatCode.OVEREXPRESSION, 1
    following_agent = sentence.agent(index + 1)
    is_killed_germ = key == "inactivated" and following_agent is not None and not following_agent.is_known
    if key == "inhibitory" or is_killed_germ:
        return None, 1
    found = next((code for beginnings, code in _STARTS if key.startswith(beginnings)), None)
    return found or _in_one_word(sentence, index), 1


def _several_words(sentence: Sentence, index: int) -> tuple[CaveatCode, int] | None:
    """Return what several words say was done, and their number: "loss of function", "knock in", "knocked STAT3 out"."""
    key, following, third = [*sentence.after(index, 3), "", ""][:3]
    for first, second, code in _PAIRS:
        if key.startswith(first) and following.startswith(second):
            return code, 2 + (third == "function")
    if pair := _WHOLE_PAIRS.get((key, following)):
        return pair, 2
    if key in _KNOCKING and third in _KNOCKED and sentence.is_gene(index + 1):
        return _KNOCKED[third], 3
    return None


def _in_one_word(sentence: Sentence, index: int) -> CaveatCode | None:
    """Return what a word says in which a gene and what was done to it are one: "STAT1KO", "siSTAT1", "JAKi"."""
    text = sentence.question.words[index].text
    if text == "KD" or sentence.keys[index] in KNOCKDOWN_WORDS:
        return CaveatCode.KNOCKDOWN
    if sentence.agent(index) or index in sentence.named:
        return None
    return next((code for pattern, code in _ONE_WORD if pattern.fullmatch(text)), None)


def _is_genotype(sentence: Sentence, index: int) -> bool:
    key = sentence.keys[index]
    is_substitution = bool(_SUBSTITUTION.fullmatch(sentence.question.words[index].text)) and not sentence.agent(index)
    return key in KNOCKOUT_WORDS or is_substitution or (key.startswith(GENOTYPE) and bool(_targets(sentence, index, 1)))


def _is_lacked(sentence: Sentence, index: int) -> bool:
    """Return whether a gene stands there, not what it makes: "no STAT1", but not "no CXCL10 production"."""
    lack = sentence.keys[index - 1]
    while sentence.keys[index : index + 1] and sentence.keys[index] in _WORKING:
        index += 1
    if index >= len(sentence.keys):
        return False
    named = next((gene.span for gene in sentence.genes if gene.start == index), range(index, index + 1))
    is_gene = len(named) > 1 or sentence.is_gene(index) or sentence.spells_gene(index)
    # "Is there no STAT1 activity?" asks, "monocytes without STAT1 activity" does not.
    products = READOUTS - {"gene"} if lack == "no" else READOUTS - _OF_GENES
    return is_gene and products.isdisjoint(sentence.after(named.stop, 1))


def _is_absent(sentence: Sentence, index: int) -> bool:
    """Return whether "in the absence of" a gene stands there."""
    words = [*sentence.before(index, 2), *sentence.after(index, 2)]
    is_absence = words == ["in", "the", "absence", "of"] and _is_lacked(sentence, index + 2)
    return is_absence and not starts(sentence.after(index + 3, 1), ("induc", "increas", "chang", "respon", "upregul"))


def _is_gene_transfer(sentence: Sentence, index: int) -> bool:
    """Return whether the word says that the cells got a gene, not a guide or hairpin RNA that takes one away."""
    key = sentence.keys[index]
    is_forced = key in {"forced", "engineered"} and "express" in sentence.after(index, 4)
    near = [*sentence.before(index, 2), *sentence.after(index, _REACH)]
    return (is_forced or key.startswith(GENE_TRANSFER)) and not starts(near, SILENCING)


def _null_alleles(sentence: Sentence) -> Iterator[Manipulation]:
    """Yield genotypes: "IFNAR1-/- NK cells", "STAT1 null"."""
    for index, word in enumerate(sentence.question.words):
        is_named = any(character.isalpha() for character in word.text)
        if (is_named and _NULL.match(sentence.question.text, word.end)) or word.text.startswith(("Δ", "∆")):
            yield _manipulation(CaveatCode.KNOCKOUT, range(index, index + 1), range(index, index + 1))
        lacks = {"not", "never", "longer"} & set(sentence.before(index, 3)) and starts(
            sentence.before(index, 1), _HAVING
        )
        if lacks and sentence.is_gene(index):
            yield _manipulation(CaveatCode.KNOCKOUT, range(index - 1, index + 1), range(index, index + 1))
        following = sentence.after(index + 1, 1)
        is_less = following == ["less"] and sentence.question.gap(index + 1) == "-"  # not "is IFNG less expressed"
        if (is_less or following in (["null"], ["nulls"])) and (word.text.isupper() or sentence.agent(index)):
            yield _manipulation(CaveatCode.KNOCKOUT, range(index, index + 2), range(index, index + 1))


def _antibodies(sentence: Sentence) -> Iterator[Manipulation]:
    """Yield antibodies against something: "anti-TNF", "antibody against IL-6"."""
    for index, key in enumerate(sentence.keys):
        target = antibody_target(sentence.question, index)
        is_named = index in sentence.named and sentence.agent(index) is None
        if target and not is_named and not any(_is_stimulus(sentence, each) for each in (index, *target)):
            agents = [agent for agent in map(sentence.agent, target) if agent]
            found = _manipulation(CaveatCode.INHIBITION, range(index, index + 1), target)
            yield found._replace(is_antibody=not any(agent.is_known for agent in agents))
        if key.startswith(("antibod", "autoantibod")) and index not in sentence.named:
            targets = _targets(sentence, index, 1)
            is_against = (
                starts(sentence.after(index + 1, 1), ("against", "to", "target", "for", "direct"))
                or targets.stop == index
            )
            if is_against and any(map(sentence.agent, targets)):
                yield _manipulation(CaveatCode.INHIBITION, range(index, index + 1), targets)


def _is_stimulus(sentence: Sentence, index: int) -> bool:
    """Return whether the word belongs to a known treatment, as the "anti" of "anti-CD3" does."""
    agent = sentence.agent(index)
    return agent is not None and agent.blocks is None and sentence.keys[agent.start] == "anti"


def _targets(sentence: Sentence, index: int, length: int) -> range:
    """Return the words that name the target of a cue: after it ("block IL-6"), else before it ("IL-6 blockade")."""
    keys, place = sentence.keys, index + length
    while place < min(index + length + 4, len(keys)) and keys[place] in _BETWEEN:
        place += 1
    found = _target(sentence, place, index, place)
    if not found:
        place = index - 1
        while place > max(index - 5, -1) and (keys[place] in _BETWEEN_AFTER or keys[place].isdigit()):
            place -= 1
        found = _target(sentence, place, place, index)
    return found


def _target(sentence: Sentence, place: int, start: int, stop: int) -> range:
    """Return the words of the agent or gene at a place, if no sentence ends in between; else an empty range."""
    if not 0 <= place < len(sentence.keys) or sentence.breaks(start, stop):
        return range(0)
    agent = sentence.agent(place)
    if agent:
        return agent.span
    if named := next((gene.span for gene in sentence.genes if gene.start == place), None):
        return named
    return range(place, place + 1) if sentence.is_gene(place) or sentence.spells_gene(place) else range(0)


def _manipulation(code: CaveatCode, cue: range, targets: range) -> Manipulation:
    indexes = sorted({*cue, *targets})
    return Manipulation(code, indexes[0], indexes[-1] + 1, frozenset(targets))
