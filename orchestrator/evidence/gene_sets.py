"""Gene sets, and the expected effects of perturbations. Read from files, never from the network."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from shared.catalog import reference

# The prefixes of the names of each collection's sets.
HALLMARK, REACTOME = "HALLMARK_", "REACTOME_"
# Reactome nests its sets: the smallest have too few genes to test, the largest say no more than "metabolism".
REACTOME_SIZES = range(10, 301)
# Words that join the word before them: "toll-like receptor", but "mediated by MAP kinases".
_JOINING = re.compile(
    r"(?<=\w) (mediated|dependent|dependant|independent|stimulated|induced|like|containing|linked|gated|coupled|rich|anchored)"
    r"(?! (?:an|by|from|to|with)\b)(?= )"
)


@dataclass(frozen=True)
class Expectation:
    """The expected effect of a perturbation."""

    program: str  # the signaling program, in words
    primary_sets: tuple[str, ...]  # Hallmark sets that should rise most; empty if no set fits the program
    secondary_sets: tuple[str, ...]  # Hallmark sets that should rise as well
    reactome_sets: tuple[str, ...]  # sets of genes that respond; most sets list signal carriers, which need not rise
    responders: tuple[str, ...]  # genes that are known to rise

    @property
    def gene_sets(self) -> tuple[str, ...]:
        """All sets that should rise, the most specific first."""
        return self.primary_sets + self.secondary_sets + self.reactome_sets


@cache
def expectations() -> Mapping[str, Expectation]:
    """Return the expectation of each perturbation, by canonical name (`data/expected_responses.tsv`)."""
    known: dict[str, Expectation] = {}
    with files("orchestrator").joinpath("data", "expected_responses.tsv").open(encoding="utf-8") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            expected = Expectation(
                program=row["program"],
                primary_sets=_names(row["primary_sets"]),
                secondary_sets=_names(row["secondary_sets"]),
                reactome_sets=_names(row["reactome_sets"]),
                responders=_names(row["responders"]),
            )
            known.update(dict.fromkeys(_names(row["perturbations"]), expected))
    variants = {name: known[each.variant_of] for name, each in reference.variants().items() if each.variant_of in known}
    return {**known, **variants}


def program_genes(perturbation: str) -> frozenset[str]:
    """Return the genes of the expected program of a perturbation: known responders and primary sets; empty if none is known."""
    expected = expectations().get(perturbation)
    if expected is None:
        return frozenset()
    return frozenset(expected.responders).union(*(hallmark()[name] for name in expected.primary_sets))


@cache
def hallmark() -> Mapping[str, frozenset[str]]:
    """Return the gene symbols of each Hallmark set (`data/hallmark_v7.5.1.gmt`)."""
    return _gene_sets("hallmark_v7.5.1.gmt")


@cache
def reactome() -> Mapping[str, frozenset[str]]:
    """Return the gene symbols of each Reactome set of `REACTOME_SIZES` genes (`data/reactome_v7.5.1.gmt`)."""
    sets = _gene_sets("reactome_v7.5.1.gmt")
    return {name: genes for name, genes in sets.items() if len(genes) in REACTOME_SIZES}


def readable(gene_set: str) -> str:
    """Return a gene set's name for people: `HALLMARK_TNFA_SIGNALING_VIA_NFKB` becomes `TNFA signaling via NFKB`."""
    words = gene_set.removeprefix(HALLMARK).removeprefix(REACTOME).replace("_", " ")
    spelled, pattern = _spellings()
    name = pattern.sub(lambda found: spelled.get(found[0]) or _in_case(found[0]), words)
    name = _JOINING.sub(r"-\1", name)
    return f"{name} (Reactome)" if gene_set.startswith(REACTOME) else name


def _in_case(word: str) -> str:
    return word if len(word) == 1 or any(c.isdigit() for c in word) else word.lower()


@cache
def _spellings() -> tuple[Mapping[str, str], re.Pattern[str]]:
    """Return the words whose case matters by their capitals, and a pattern of all words (`data/gene_set_words.txt`)."""
    lines = files("orchestrator").joinpath("data", "gene_set_words.txt").read_text(encoding="utf-8").splitlines()
    spelled = {re.sub(r"[^A-Z0-9]", " ", line.upper()): line for line in lines if line}
    longest_first = "|".join(sorted(spelled, key=len, reverse=True))
    return spelled, re.compile(rf"\b(?:{longest_first}|\S+)\b")


def _gene_sets(file: str) -> dict[str, frozenset[str]]:
    text = files("orchestrator").joinpath("data", file).read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line]
    return {name: frozenset(genes) for name, _, *genes in rows}


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split("|")) if text else ()
