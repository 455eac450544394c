"""What is known beforehand of a perturbation's effect, and the gene sets that it is judged by. Read from files, never from the network."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

HALLMARK, REACTOME = "HALLMARK_", "REACTOME_"
"""What the names of the sets of a collection begin with."""
REACTOME_SIZES = range(10, 301)
"""Reactome nests its sets: the smallest are too few genes to judge, the largest say no more than "metabolism"."""


@dataclass(frozen=True)
class Expectation:
    """What a perturbation is expected to do.

    Attributes:
        programme: the signalling programme, in words.
        primary_sets: Hallmark sets that should rise most; empty where no set fits the programme.
        secondary_sets: Hallmark sets that should rise as well.
        reactome_sets: Reactome sets whose genes respond to it; most Reactome sets list what carries a signal, which need not rise.
        responders: genes that are known to rise.
    """

    programme: str
    primary_sets: tuple[str, ...]
    secondary_sets: tuple[str, ...]
    reactome_sets: tuple[str, ...]
    responders: tuple[str, ...]

    @property
    def gene_sets(self) -> tuple[str, ...]:
        """All sets that should rise, the most telling first."""
        return self.primary_sets + self.secondary_sets + self.reactome_sets


@cache
def expectations() -> Mapping[str, Expectation]:
    """Canonical perturbation name to what is expected of it (`facts/expected_responses.tsv`)."""
    known: dict[str, Expectation] = {}
    with files("orchestrator").joinpath("facts", "expected_responses.tsv").open(encoding="utf-8") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            expected = Expectation(
                programme=row["programme"],
                primary_sets=_names(row["primary_sets"]),
                secondary_sets=_names(row["secondary_sets"]),
                reactome_sets=_names(row["reactome_sets"]),
                responders=_names(row["responders"]),
            )
            known.update(dict.fromkeys(_names(row["perturbations"]), expected))
    return known


@cache
def hallmark() -> Mapping[str, frozenset[str]]:
    """The Hallmark gene sets: name to gene symbols (`facts/hallmark_v7.5.1.gmt`)."""
    return _gene_sets("hallmark_v7.5.1.gmt")


@cache
def reactome() -> Mapping[str, frozenset[str]]:
    """The Reactome gene sets of `REACTOME_SIZES` genes: name to gene symbols (`facts/reactome_v7.5.1.gmt`)."""
    sets = _gene_sets("reactome_v7.5.1.gmt")
    return {name: genes for name, genes in sets.items() if len(genes) in REACTOME_SIZES}


def _gene_sets(file: str) -> dict[str, frozenset[str]]:
    text = files("orchestrator").joinpath("facts", file).read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line]
    return {name: frozenset(genes) for name, _, *genes in rows}


def readable(gene_set: str) -> str:
    """A gene set's name for people: `HALLMARK_TNFA_SIGNALING_VIA_NFKB` is `TNFA signaling via NFKB`; a Reactome set is named as one."""
    words = gene_set.removeprefix(HALLMARK).removeprefix(REACTOME).split("_")
    name = " ".join(word if word in _ACRONYMS or any(c.isdigit() for c in word) else word.lower() for word in words)
    return f"{name} (Reactome)" if gene_set.startswith(REACTOME) else name


_ACRONYMS = frozenset({"AKT", "DN", "DNA", "JAK", "KRAS", "MTOR", "MYC", "NFKB", "PI3K", "TGF", "TNFA", "UV", "WNT"})


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split("|")) if text else ()
