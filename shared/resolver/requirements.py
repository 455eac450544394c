"""Find the genes of which a question asks whether cells need them: "Is JAK1 required?", "Does IFN-gamma act through STAT1?"."""

from collections.abc import Iterator

from shared.resolver.sentence import Sentence

_NEEDED = ("requir", "necess", "essential", "dispensab", "indispensab", "mediat", "needed", "depend", "reli")
_NEEDING = ("requir", "need", "depend", "independen", "rely", "relies", "relian", "mediated", "driven")
_ACTING = ("act", "work", "signal", "function", "occur", "happen", "go", "run", "operate", "proceed")
_IMPORTANT = ("important", "critical", "crucial", "vital", "central", "key")
_PARTS = ("role", "importance", "contribution", "necessity", "requirement", "involvement")
_PREPOSITIONS = frozenset({"on", "upon", "of", "by", "via", "through", "for", "the", "to"})
# Words between a gene and what is said of it: "is STAT1 signaling really required".
_BETWEEN = frozenset(
    {
        "is", "are", "was", "be", "being", "does", "do", "the", "a", "an", "gene", "protein", "signaling", "signalling", "pathway",
        "activity", "really", "truly", "strictly", "absolutely", "also", "that", "itself", "play", "have", "what", "any", "not",
    }
)  # fmt: skip
# "I need CXCL10 values."
_PEOPLE = frozenset({"i", "we", "you", "to", "would", "might"})
_GENES = frozenset({"gene", "genes", "target", "targets", "transcripts", "program", "programs", "signature"})
_REACH = 4


def find_requirements(sentence: Sentence) -> Iterator[tuple[range, range]]:
    """Yield the words that ask whether a gene is needed, and those of the gene."""
    for gene in _named(sentence):
        span = _said_after(sentence, gene) or _said_before(sentence, gene)
        if span and not _names_genes(sentence, span):
            yield span, gene


def _named(sentence: Sentence) -> Iterator[range]:
    """Yield the words of each gene, and of each perturbation of the catalog beside another one: "due to autocrine IFN-beta"."""
    yield from (mention.span for mention in sentence.genes)
    acting = [agent.span for agent in sentence.agents if sentence.acts(agent.start)]
    if len(acting) > 1:
        yield from acting


def _names_genes(sentence: Sentence, span: range) -> bool:
    """Return whether the words only tell which genes are meant: "STAT1-dependent genes", "genes that depend on STAT1"."""
    before = [key for key in sentence.before(span.start, 3) if key not in _PREPOSITIONS | _BETWEEN]
    return bool(_GENES & {*sentence.after(span.stop, 1), *before[-1:]})


def _said_after(sentence: Sentence, gene: range) -> range:
    """Return the words after a gene: "is STAT1 required", "STAT1-dependent", "what role does STAT1 play"; an empty range without."""
    for place in range(gene.stop, min(gene.stop + _REACH, len(sentence.keys))):
        key = sentence.keys[place]
        if sentence.breaks(place - 1, place):
            break
        is_driven = key == "driven" and place == gene.stop and sentence.question.gap(place) == "-"
        if key.startswith((*_NEEDED, "independen")) or is_driven:
            return range(gene.start, place + 1)
        is_asked = sentence.before(gene.start, 1) in (["is"], ["are"])
        if is_asked and (key == "behind" or sentence.after(place, 2) == ["responsible", "for"]):
            return range(gene.start, place + 1)
        if key.startswith(_IMPORTANT) and sentence.after(place + 1, 1) in (["for"], ["to"], ["in"]):
            return range(gene.start, place + 1)
        if key == "role" or (key == "s" and sentence.after(place + 1, 1) == ["role"]):
            return range(gene.start, place + 1)
        if key not in _BETWEEN:
            break
    return range(0)


def _said_before(sentence: Sentence, gene: range) -> range:
    """Return the words before a gene: "need STAT1", "depends on STAT1", "role of STAT1", "act through STAT1"; an empty range without."""
    place = gene.start - 1
    if sentence.before(gene.start, 1) in (["autocrine"], ["endogenous"], ["secreted"]):
        place -= 1
    while place >= 0 and gene.start - place <= _REACH and not sentence.breaks(place, gene.start):
        key, last = sentence.keys[place], sentence.before(gene.start, 1)
        is_needing = key.startswith(_NEEDING) and not set(sentence.before(place, 1)) & _PEOPLE
        # "A dose-dependent CXCL10 response" needs nothing.
        is_tied = key.startswith(("dependen", "independen", "mediated", "driven")) and place == gene.start - 1
        is_acting = key.startswith(_ACTING) and last in (["through"], ["via"])
        is_part = key.startswith(_PARTS) and not {"of", "does", "do", "for"}.isdisjoint(
            sentence.keys[place + 1 : gene.start]
        )
        is_due = key == "due" and sentence.keys[place + 1] == "to"
        is_important = key.startswith(_IMPORTANT) and sentence.before(place, 1) == ["how"]
        if (is_needing and not is_tied) or is_due or is_acting or is_part or is_important:
            return range(place, gene.stop)
        if key not in _PREPOSITIONS | _BETWEEN:
            break
        place -= 1
    return range(0)
