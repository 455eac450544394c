"""The direction in which a question expects a gene to change."""

import pytest

from shared.catalog.interpretation import Direction
from tests.support.readings import codes, interpret

UP, DOWN, ANY, SAME = Direction.UP, Direction.DOWN, Direction.ANY, Direction.UNCHANGED


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
        ("Does IFN-beta leave GAPDH untouched in B cells?", [("GAPDH", SAME)]),
        ("PD-1+ CD8 T cells with IL-2", []),
        # Regression: a gene after "but not" was dropped, and its direction was that of the gene before it.
        ("Does TNF increase IL1B but not IL10 in monocytes?", [("IL1B", UP), ("IL10", SAME)]),
        ("Does IFN-gamma induce CXCL9 but not CXCL8 in monocytes?", [("CXCL9", UP), ("CXCL8", SAME)]),
        ("Does TNF not change IL10 but increase IL1B in monocytes?", [("IL10", SAME), ("IL1B", UP)]),
        ("Does IL-2 increase GZMB, but leave PRF1 unchanged, in NK cells?", [("GZMB", UP), ("PRF1", SAME)]),
        ("Does IFN-beta raise MX1 without raising IL1B in monocytes?", [("MX1", UP), ("IL1B", SAME)]),
        ("Does IFN-gamma turn CXCL10 on without turning IL10 on in monocytes?", [("CXCL10", UP), ("IL10", SAME)]),
        ("Does IFN-beta not only raise MX1 but also OAS1 in B cells?", [("MX1", UP), ("OAS1", UP)]),
        ("Does IFN-gamma but not TNF raise CXCL10 in monocytes?", [("CXCL10", UP)]),
        ("Does IFN-beta induce MX1 or not in B cells?", [("MX1", UP)]),
        # Regression: what does not happen was read as what happens.
        ("Is there no increase of MX1 in B cells after IFN-beta?", [("MX1", SAME)]),
        ("Is there a lack of MX1 induction in B cells after IFN-beta?", [("MX1", SAME)]),
        ("Neither MX1 nor OAS1 goes up in B cells with IFN-beta, right?", [("MX1", SAME), ("OAS1", SAME)]),
        ("Does IFN-beta have no effect on GAPDH in B cells?", [("GAPDH", SAME)]),
        ("Does IFN-beta stop monocytes from expressing IL1B?", [("IL1B", DOWN)]),
        ("Does TGF-beta stop CD4 T cells from making IL-2 and IFN-gamma?", [("IL2", DOWN), ("IFNG", DOWN)]),
        ("Does TGF-beta prevent GZMB expression in NK cells?", [("GZMB", DOWN)]),
        ("Does TGF-beta block the induction of GZMB in NK cells?", [("GZMB", DOWN)]),
        ("Is PRF1 lost in NK cells after TGF-beta?", [("PRF1", DOWN)]),
        # Regression: only the genes near the verb had its direction.
        ("Does TGF-beta lower the expression of GZMB and PRF1 in NK cells?", [("GZMB", DOWN), ("PRF1", DOWN)]),
        (
            "Does IFN-gamma raise the levels of CXCL9, MX1 and STAT1 in monocytes?",
            [("CXCL9", UP), ("MX1", UP), ("STAT1", UP)],
        ),
        ("Does MX1 rise and CD74 fall in B cells with IFN-beta?", [("MX1", UP), ("CD74", DOWN)]),
        # Regression: levels had no direction.
        ("Does IL-6 keep BCL6 low in CD4 T cells?", [("BCL6", DOWN)]),
        ("Does IFN-beta lead to high ISG15 in B cells?", [("ISG15", UP)]),
        ("What does low IL-2 do to MYC in CD8 T cells?", [("MYC", ANY)]),
        # Regression: what genes are ("inhibitory") was read as what happens to them.
        (
            "Does IFN-beta raise inhibitory receptors such as PD-1 and LAG-3 on CD8 T cells?",
            [("PDCD1", UP), ("LAG3", UP)],
        ),
        ("How would monocytes respond to IFN-gamma?", []),
    ],
)
def test_the_asked_genes_have_a_symbol_and_a_direction(question: str, expected: list[tuple[str, Direction]]) -> None:
    found = interpret(question)
    assert found.answerable
    assert [(gene.symbol, gene.direction) for gene in found.genes] == expected


def test_regression_nor_is_a_plain_word() -> None:
    assert codes("Neither MX1 nor OAS1 goes up in B cells with IFN-beta, right?") == set()
