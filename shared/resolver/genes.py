"""Find the genes that a question asks about, and in which direction: "Does IFN-gamma increase CXCL10 in monocytes?"."""

from collections.abc import Collection, Iterator
from functools import cache
from typing import NamedTuple

from shared import data
from shared.catalog.interpretation import AskedGene
from shared.catalog.normalize import compact, split
from shared.catalog.reference import perturbations as reference_perturbations
from shared.resolver.causes import Causes
from shared.resolver.directions import Directions
from shared.resolver.question import Question

_MOST_WORDS = 3
# "STAT1 targets", "STAT1-dependent genes", "genes regulated by STAT1".
_OTHERS = frozenset({"target", "targets", "regulon", "signature", "module", "genes", "program", "programs"})
_TIED = ("depend", "driven", "mediated", "regulat", "controlled", "induc", "respons", "target", "pathway")


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


def is_symbol(text: str) -> bool:
    """Return whether a word names a gene in whatever capitals."""
    return text.upper() in gene_symbols() or compact(text) in _protein_names() or f"T{text.upper()}" in gene_symbols()


def asked_genes(question: Question, genes: Collection[GeneMention], causes: Causes) -> list[AskedGene]:
    """Return the genes whose change the question asks about, in order."""
    if not causes.asked:
        return []
    symbols = {(gene.start, gene.end): gene.symbol for gene in genes if not _names_others(question, gene)}
    known = reference_perturbations()
    for agent in causes.readouts:
        targets = known[agent.means[0]].targets if agent.means and agent.means[0] in known else ()
        if len(targets) == 1:
            symbols[agent.start, agent.end] = targets[0]
    spans = {range(*span): symbol for span, symbol in sorted(symbols.items())}
    directions = Directions(question, list(spans))
    found = (AskedGene(symbol=symbol, direction=directions.of(span)) for span, symbol in spans.items())
    return list(dict.fromkeys(found))


def _names_others(question: Question, gene: GeneMention) -> bool:
    """Return whether a gene only tells which other genes are meant: "STAT1 target genes", "targets of STAT1"."""
    keys = [word.key for word in question.words]
    before, after = keys[max(0, gene.start - 4) : gene.start], keys[gene.end : gene.end + 2]
    is_tied = after[1:] != [] and after[0].startswith(_TIED) and after[1] in _OTHERS
    is_of = before[-1:] in (["of"], ["by"], ["on"]) and not _OTHERS.isdisjoint(before[-3:-1])
    is_direct = after[:1] != [] and after[0] in _OTHERS and after[0] != "genes"  # not "the STAT1 and IRF1 genes"
    return is_direct or is_tied or is_of


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
