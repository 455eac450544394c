"""Genes that a question asks about, and in which direction."""

import pytest

from shared.catalog.interpretation import Direction
from shared.resolver.genes import find_genes, gene_symbols
from shared.resolver.question import Question
from tests.support.readings import interpret

UP, DOWN, ANY = Direction.UP, Direction.DOWN, Direction.ANY


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Does IFN-gamma increase CXCL10 in monocytes?", [("CXCL10", UP)]),
        ("Does TGF-beta reduce GZMB in NK cells?", [("GZMB", DOWN)]),
        ("What does IL-2 do to MYC in CD8 T cells?", [("MYC", ANY)]),
        ("Is STAT1 turned on by IFN-beta in B cells?", [("STAT1", UP)]),
        ("Do GZMB and PRF1 go down in NK cells with TGF-beta?", [("GZMB", DOWN), ("PRF1", DOWN)]),
        ("Does IFN-gamma raise HLA-DRA in monocytes?", [("HLA-DRA", UP)]),
        ("Does TNF induce IL-6 in monocytes?", [("IL6", UP)]),
        ("Does TNF lower granzyme B in CD8 T cells?", [("GZMB", DOWN)]),
        ("Which genes does IFN-gamma change in monocytes?", []),
        # Regression: "expression" stood for up.
        ("Does IFN-gamma block the expression of CCL2 in monocytes?", [("CCL2", DOWN)]),
        ("Is the expression of CCL2 reduced by IFN-gamma in monocytes?", [("CCL2", DOWN)]),
        ("Is CCL2 expression lower in monocytes after IFN-gamma?", [("CCL2", DOWN)]),
        ("Does IL-6 make CD4 T cells express fewer STAT1 transcripts?", [("STAT1", DOWN)]),
        ("Will adding TGF-beta abolish GZMB expression in CD8 T cells?", [("GZMB", DOWN)]),
        ("Do monocytes make CXCL10 go down after IFN-gamma?", [("CXCL10", DOWN)]),
        ("Do monocytes express CXCL10 after IFN-gamma?", [("CXCL10", UP)]),
        ("Does IFN-gamma affect CCL2 expression in monocytes?", [("CCL2", ANY)]),
        ("Does TNF suppress or increase NFKBIA in monocytes?", [("NFKBIA", ANY)]),
        ("Does IFN-gamma increase CXCL10 and decrease CCL2 in monocytes?", [("CXCL10", UP), ("CCL2", DOWN)]),
        ("What does IL-4 do to B cells, with emphasis on FCER2?", [("FCER2", ANY)]),
        ("Does TNF switch IL1B on and CD14 off in monocytes?", [("IL1B", UP), ("CD14", DOWN)]),
        ("Does IFN-beta leave GAPDH untouched in B cells?", [("GAPDH", Direction.UNCHANGED)]),
        ("PD-1+ CD8 T cells with IL-2", []),
        ("How would monocytes respond to IFN-gamma?", []),
    ],
)
def test_the_asked_genes_have_a_symbol_and_a_direction(question: str, expected: list[tuple[str, Direction]]) -> None:
    found = interpret(question)
    assert found.answerable
    assert [(gene.symbol, gene.direction) for gene in found.genes] == expected


def test_a_gene_is_listed_once() -> None:
    assert len(interpret("Does IFN-gamma induce CXCL10 in monocytes? I mean: induce CXCL10").genes) == 1


def test_the_target_of_a_manipulation_is_not_asked_about() -> None:
    assert interpret("Knockout of STAT1 in monocytes, and IFN-gamma").genes == []


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("CXCL10, IFIT1 and MX1", ["CXCL10", "IFIT1", "MX1"]),
        ("HLA-A and PD-L1", ["HLA-A", "CD274"]),
        ("was set by the cat", []),
        ("WAS SET BY THE CAT", []),
        ("CD8+ T cells", []),
        ("NOTAGENE1", []),
    ],
)
def test_symbols_count_in_capitals_and_markers_do_not(text: str, symbols: list[str]) -> None:
    assert [gene.symbol for gene in find_genes(Question.of(text), ())] == symbols


def test_words_that_name_something_else_are_no_genes() -> None:
    question = Question.of("EGF and MYC")
    assert [gene.symbol for gene in find_genes(question, {0})] == ["MYC"]


def test_many_genes_are_known() -> None:
    assert len(gene_symbols()) > 10_000
    assert {"CD14", "IFNG", "STAT1"} <= gene_symbols()
