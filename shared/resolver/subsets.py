"""Find the words that name some of the cells of a type: by a marker, a product or what they recognize: "CD57-bright NK cells"."""

import re
from typing import Final

from shared.resolver.cues import AUXILIARIES
from shared.resolver.mentions import Mention
from shared.resolver.parse import Parsed
from shared.resolver.roles import Role

# Amounts of a marker that make cells a subset of their type.
LEVELS: Final = frozenset(
    {
        "low", "lo", "high", "hi", "bright", "dim", "int", "intermediate", "negative", "neg", "positive", "pos", "rich", "poor",
        "expressing",
    }
)  # fmt: skip
# "IL-10-producing B cells", "NK cells making IFN-gamma".
_MAKING: Final = frozenset({"producing", "secreting", "expressing", "making", "releasing"})
_MAKE: Final = ("produc", "secret", "express", "make", "releas")
# "EBV-specific CD8 T cells".
_RECOGNIZING: Final = frozenset({"specific", "reactive"})
# A marker and its level in one word: "PD1hi", the "1high" of "PD-1high", "CD28null".
_IN_ONE_WORD: Final = re.compile(
    r"(?:[A-Za-z]*\d\w*|[A-Z][A-Z0-9]+)(?:hi|high|lo|low|bright|dim|int|neg|pos)|CD\d+null"
)
_MARKER: Final = re.compile(r"CD\d|[A-Z]{2}")
_WITH: Final = frozenset({"with", "having"})
_HAVING: Final = _WITH | {"have", "has", "had"}
_BEING: Final = frozenset({"are", "is"})
_AMOUNTS: Final = LEVELS | {"little"}
_RELATIVE: Final = frozenset({"that", "which", "who"})
_OF_LEVELS: Final = frozenset(
    {"a", "the", "very", "level", "levels", "expression", "of", "surface", "for", "are", "is"}
)
# "Are monocytes expressing CXCL10?", "Are there monocytes that express CXCL10?" and "does it make NK cells that ..." ask about it.
_ASKED_BEFORE: Final = frozenset({"are", "is", "were", "was", "there"})
_YIELDING: Final = (
    "mak",
    "yield",
    "generat",
    "creat",
    "induc",
    "giv",
    "produc",
    "increas",
    "rais",
    "lower",
    "decreas",
    "reduc",
    "more",
)


def subset(parsed: Parsed) -> range:
    """Return the words that name a subset of the cells; an empty range if there are none."""
    subjects = parsed.found.subjects
    return (_before(parsed, subjects[0]) or _after(parsed, subjects[0])) if subjects else range(0)


def subset_text(parsed: Parsed, span: range) -> str:
    """Return the words of a subset as written, with the sign of a marker: "CD69+"."""
    question = parsed.found.question
    return question.piece(span.start, span.stop) + (
        question.after(span.stop) if question.after(span.stop) in {"+", "⁺", "-", "⁻"} else ""
    )


def _before(parsed: Parsed, cells: Mention) -> range:
    """Return the words of all subsets named right before the cells: "HLA-DR low", "EBV-specific", "CD69+"."""
    keys = [word.key for word in parsed.found.question.words]
    end = cells.start + (keys[cells.start] in LEVELS)
    start = end
    while (place := _one_before(parsed, start)) < start:
        start = place
    return range(start, end) if start < end else range(0)


def _one_before(parsed: Parsed, end: int) -> int:
    """Return where the subset named by the words that end there starts; `end` itself without one."""
    if not end:
        return end
    question, last = parsed.found.question, end - 1
    key, first = question.words[last].key, _tied(parsed, last)
    sign = question.gap(end)[:1] if end < len(question.words) else ""
    is_signed = sign in {"+", "⁺"} and (key[:1].isalpha() or first < last)
    is_negative = sign in {"-", "⁻"} and question.gap(end)[1:2] == " " and _is_marker(parsed, first)
    is_named = key in _RECOGNIZING and first < last
    given = {index for agent in parsed.agents if agent not in parsed.causes.readouts for index in agent.span}
    given -= {index for agent in parsed.agents if agent.role <= Role.READOUT for index in agent.span}
    if not given.isdisjoint(range(first, end)):
        return end  # "IL2+NK cells" is NK cells with IL-2
    if is_signed or is_negative or is_named or _IN_ONE_WORD.fullmatch(question.piece(first, end).replace("-", "")):
        return end if _is_known_cells(parsed, last) else first
    if key in LEVELS and key not in _MAKING:
        first = first if first < last else _tied(parsed, last - 1) if last else last
        return first if first < last and (_is_marker(parsed, first) or _is_made(parsed, first, last)) else end
    if key in _MAKING and last:
        first = first if first < last else _tied(parsed, last - 1)
        is_asked = first > 0 and question.words[first - 1].key.startswith(_YIELDING)
        is_product = _is_made(parsed, first, last) or (key == "expressing" and _is_marker(parsed, first))
        return first if is_product and not is_asked else end
    return end


def _tied(parsed: Parsed, index: int) -> int:
    """Return the first of the words that hyphens tie to a word: "PD" for the "positive" of "PD-1-positive"."""
    words = parsed.found.question.words
    while index > 0 and (parsed.found.question.gap(index) in {"-", ""} or words[index - 1].key == "granzyme"):
        index -= 1
    return index


def _after(parsed: Parsed, cells: Mention) -> range:
    """Return the words of "monocytes with high CD14", "monocytes expressing CD163", "whose HLA-DR is low".

    In questions, the cells "have" what is asked.
    """
    keys = [word.key for word in parsed.found.question.words]
    before = keys[max(0, cells.start - 2) : cells.start]
    if not _ASKED_BEFORE.isdisjoint(before[-1:]) or any(key.startswith(_YIELDING) for key in before[-1:]):
        return range(0)
    if keys[cells.end : cells.end + 1] == ["whose"]:
        return _whose(parsed, cells, keys)
    is_relative = keys[cells.end : cells.end + 1] != [] and keys[cells.end] in _RELATIVE
    place = cells.end + is_relative
    if keys[cells.end - 1] in LEVELS and keys[cells.end : cells.end + 1] == ["for"]:
        place -= 1  # "CD8 T cells positive" is a name, too
    started = place
    having = _WITH if not is_relative and AUXILIARIES & set(keys[: cells.start]) else _HAVING
    verb, beyond = [*keys[place : place + 1], ""][0], keys[place + 1 : place + 3]
    is_level = not _AMOUNTS.isdisjoint(beyond) and (verb in having or (is_relative and verb in _BEING))
    if verb in _MAKING or (is_relative and verb.startswith(_MAKE)):
        place += 1
    elif is_level or (verb in LEVELS and beyond[:1] == ["for"]):
        place += 1
        while keys[place : place + 1] and keys[place] in _AMOUNTS | _OF_LEVELS:
            place += 1
    named = _product_at(parsed, place) if place >= cells.end + 1 and keys[place - 1] not in _RELATIVE else range(0)
    return range(min(cells.end, started), named.stop) if named else range(0)


def _whose(parsed: Parsed, cells: Mention, keys: list[str]) -> range:
    """Return the words of "whose HLA-DR is low"."""
    named = _product_at(parsed, cells.end + 1)
    place = named.stop
    while named and keys[place : place + 1] and keys[place] in _OF_LEVELS:
        place += 1
    return range(cells.end, place + 1) if named and keys[place : place + 1] and keys[place] in LEVELS else range(0)


def _product_at(parsed: Parsed, place: int) -> range:
    """Return the words of the gene or of the product of cells that starts there."""
    agents = (agent.span for agent in parsed.agents if agent.role is Role.READOUT)
    spans = (*(gene.span for gene in parsed.genes), *agents)
    return next((span for span in spans if span.start == place), range(0))


def _is_made(parsed: Parsed, first: int, end: int) -> bool:
    """Return whether the words from one to another are a gene, or a perturbation that the cells make."""
    agents = (agent.span for agent in parsed.agents if agent.role is Role.READOUT)
    spans = (*(gene.span for gene in parsed.genes), *agents)
    return any(span.stop == end and span.start >= first for span in spans)


def _is_marker(parsed: Parsed, index: int) -> bool:
    word = parsed.found.question.words[index]
    return bool(_MARKER.match(word.text)) and not any(index in agent.span for agent in parsed.agents)


def _is_known_cells(parsed: Parsed, index: int) -> bool:
    return any(index in mention.span for mention in parsed.found.cells)
