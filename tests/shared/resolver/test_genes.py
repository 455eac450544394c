"""Genes that a question asks about."""

import pytest

from shared.resolver.genes import find_genes, gene_symbols
from shared.resolver.question import Question
from tests.support.readings import interpret


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
