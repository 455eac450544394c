"""Find the genes that a question asks about, and in which direction: "Does IFN-gamma increase CXCL10 in monocytes?"."""

from collections.abc import Collection, Iterator
from functools import cache
from typing import NamedTuple

from shared import data
from shared.catalog.interpretation import AskedGene, Direction
from shared.catalog.normalize import compact, split
from shared.catalog.reference import perturbations as reference_perturbations
from shared.resolver.causes import Causes
from shared.resolver.question import Question

_UP = (
    "increas", "induc", "upregul", "rais", "boost", "enhanc", "activat", "elevat", "stimulat", "promot", "trigger", "augment", "amplif",
    "driv", "erhoh", "aument",
)  # fmt: skip
_DOWN = (
    "decreas", "reduc", "downregul", "lower", "suppress", "inhibit", "repress", "silenc", "diminish", "block", "senk", "deplet", "abolish",
    "abrogat", "dampen", "attenuat", "quench", "extinguish", "shut", "weaken", "cut", "limit", "blunt",
)  # fmt: skip
_UP_WORDS = frozenset({"up", "higher", "rise", "rises", "rising", "more"})
_DOWN_WORDS = frozenset({"down", "less", "fewer", "fall", "falls", "drop", "drops", "loss", "lose", "off"})
# These ask for a change of either kind.
_EITHER = ("affect", "alter", "chang", "modulat", "influenc", "impact")
# "Do monocytes express CXCL10": up, unless another word says otherwise. The nouns say nothing.
_WEAKLY_UP = ("express", "produc", "secret", "releas", "make", "makes")
_NOUNS = frozenset({"expression", "production", "secretion", "release"})
_UNCHANGED = frozenset(
    {
        "unchanged",
        "unaffected",
        "untouched",
        "unaltered",
        "constant",
        "fail",
        "fails",
        "failed",
        "not",
        "never",
        "nicht",
        "pas",
    }
)
_PARTICLES = {"on": Direction.UP, "up": Direction.UP, "off": Direction.DOWN, "down": Direction.DOWN}
_SWITCHING = ("switch", "turn")
_REACH = 5
_MOST_WORDS = 3


class GeneMention(NamedTuple):
    """A gene that a question names."""

    start: int  # index of its first word
    end: int  # index after its last word
    symbol: str

    @property
    def span(self) -> range:
        """The indexes of its words."""
        return range(self.start, self.end)


@cache
def gene_symbols() -> frozenset[str]:
    """Return known human gene symbols."""
    return data.words("gene_symbols") | {row["symbol"] for row in data.table("gene_names")}


@cache
def _protein_names() -> dict[str, str]:
    return {compact(row["name"]): row["symbol"] for row in data.table("gene_names")}


@cache
def _first_words() -> frozenset[str]:
    return frozenset(split(row["name"])[0].key for row in data.table("gene_names"))


def find_genes(question: Question, taken: Collection[int]) -> list[GeneMention]:
    """Return the genes and proteins that a question names, longest first at each place, without overlap.

    Args:
        taken: indexes of words that name something else.
    """
    found: list[GeneMention] = []
    place = 0
    while place < len(question.words):
        gene = next((gene for gene in _genes_at(question, place) if not set(taken) & set(gene.span)), None)
        if gene:
            found.append(gene)
        place = gene.end if gene else place + 1
    return found


def asked_genes(question: Question, genes: Collection[GeneMention], causes: Causes) -> list[AskedGene]:
    """Return the genes whose change the question asks about, in order."""
    if not causes.asked:
        return []
    symbols = {(gene.start, gene.end): gene.symbol for gene in genes}
    known = reference_perturbations()
    for agent in causes.readouts:
        targets = known[agent.means[0]].targets if agent.means and agent.means[0] in known else ()
        if len(targets) == 1:
            symbols[agent.start, agent.end] = targets[0]
    found = (
        AskedGene(symbol=symbol, direction=_direction(question, *span)) for span, symbol in sorted(symbols.items())
    )
    return list(dict.fromkeys(found))


def _genes_at(question: Question, start: int) -> Iterator[GeneMention]:
    """Yield the genes that start at a word, longest first."""
    words = question.words
    if not words[start].text[:1].isupper() and words[start].key not in _first_words():
        return
    for end in range(min(start + _MOST_WORDS, len(words)), start, -1):
        gaps = {question.gap(index) for index in range(start + 1, end)}
        if not gaps <= {"-", " ", "."}:
            continue
        text = question.piece(start, end)
        if question.is_marker(end) or (text.islower() and len(text) <= _MOST_WORDS):
            continue
        if symbol := _protein_names().get(compact(text)):
            yield GeneMention(start, end, symbol)
        elif " " not in gaps and len(text) > 1 and text == text.upper() and not question.all_caps:
            symbol = next((each for each in (text, text.replace("-", "")) if each in gene_symbols()), None)
            if symbol:
                yield GeneMention(start, end, symbol)


def _direction(question: Question, start: int, end: int) -> Direction:
    """Return the direction that the nearest verb asks about; the words before a gene count before those after it."""
    keys = [word.key for word in question.words]
    before, after = keys[max(0, start - _REACH) : start], keys[end : end + _REACH]
    if not _UNCHANGED.isdisjoint([*before, *after]):
        return Direction.UNCHANGED
    switches = any(key.startswith(_SWITCHING) for key in [*keys[:start], *after])
    if switches and after[:1] and after[0] in _PARTICLES:  # "switch IL1B on and CD14 off"
        return _PARTICLES[after[0]]
    near = [*reversed(before), *after]
    found = [(place, direction) for place, key in enumerate(near) if (direction := _said(key, switches=switches))]
    if not found:
        return Direction.UP if any(key.startswith(_WEAKLY_UP) and key not in _NOUNS for key in near) else Direction.ANY
    place, direction = found[0]
    others = [other for further, other in found[1:] if further == place + 2 and near[place + 1] == "or"]
    return direction if others in ([], [direction]) else Direction.ANY  # "suppress or increase"


def _said(key: str, *, switches: bool) -> Direction | None:
    """Return the direction that a word says, or None."""
    if key.startswith(_DOWN) or key in _DOWN_WORDS:
        return Direction.DOWN
    if key.startswith(_UP) or key in _UP_WORDS or (switches and key == "on"):
        return Direction.UP
    return Direction.ANY if key.startswith(_EITHER) else None
