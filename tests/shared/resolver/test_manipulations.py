"""What a question says was done to the cells other than adding a perturbation."""

import pytest

from shared.catalog.interpretation import CaveatCode
from shared.resolver.manipulations import manipulation_of, written
from tests.support.readings import codes, interpret, taken_apart

KNOCKOUTS = [
    "How do STAT1-null macrophages react?",
    "How do JAK1-deficient CD8 T cells respond to IFN-gamma?",
    "Response of Tregs from which IL2RA was deleted",
    "CD8 T cells whose TNFRSF1A was knocked out, given TNF",
    "Effect of a frameshift mutation in STAT1 on the response of monocytes to IFN-gamma",
    "What does IFN-beta do to Ifnar1 KO dendritic cells?",
    "B cells in which TP53 was disrupted with TALENs and TNF added",
    "How do SOCS1 knock-out NK cells respond to IL-2?",
    "IFNGR2−/− monocytes treated with IFN-gamma",
    "IFNAR1 (-/-) NK cells and IFN-beta",
    "NK cells lacking STAT3 exposed to IL-6",
    "Base-edited STAT3 in CD4 T cells and IL-6",
    "CRISPR knockout of IFNGR1 in monocytes",
    "monocytes with a dominant-negative STAT1 and IFN-gamma",
    "haploinsufficient SOCS1 in CD4 T cells treated with IL-2",
    "loss of STAT3 in NK cells and IL-6",
]
KNOCKDOWNS = [
    "STAT1 siRNA in monocytes treated with IFN-gamma",
    "What does silencing of SOCS3 do in CD8 T cells?",
    "shRNA-mediated depletion of JAK2 in NK cells given IL-6",
    "dendritic cells electroporated with siRNA against TNF",
    "CRISPRi of IRF1 in monocytes stimulated with IFN-gamma",
    "RNAi for NFKB1 in CD4 T cells and TNF",
    "Knocking down IFNAR2 in B cells before IFN-beta",
    "NK cells with reduced STAT4 expression by antisense oligonucleotides",
    "JAK1 KD in monocytes with IFN-gamma",
    "RNA interference against STAT1 in monocytes",
]
OVEREXPRESSIONS = [
    "CD8 T cells overexpressing IL-2",
    "FOXP3-transduced CD4 T cells with IL-2",
    "What happens when TNF is over-expressed in monocytes?",
    "Forced expression of TBX21 in NK cells",
    "T cells transfected with a plasmid encoding IFNB1",
    "CRISPRa of STAT3 in CD4 T cells",
    "Transgenic TNF in macrophages",
    "ectopic expression of SOCS1 in monocytes treated with IFN-gamma",
    "a TNF expression vector in dendritic cells",
]
INHIBITIONS = [
    "Effect of anti-TNF on monocytes",
    "How do CD4 T cells respond to an IL-6 receptor antagonist?",
    "What does tocilizumab do to B cells?",
    "Blocking TGF-beta in Tregs",
    "IFN-gamma neutralization in NK cells",
    "Monocytes under etanercept",
    "TNF antagonism in CD8 T cells",
    "What if TGF-beta signaling is shut off in NK cells?",
    "How do B cells look when IL-6 is blocked?",
    "neutralising antibodies to IFN-beta on monocytes",
    "a TRAIL-blocking antibody in NK cells",
    "interference with IL-6 trans-signaling in CD4 T cells",
    "IL-2 sequestration in Treg cultures",
    "CD8 T cells when TGFβ is suppressed",
    "IFN-gamma with ruxolitinib in monocytes",
    "an antibody against IL-6 in B cells",
    "inhibition of TNF with adalimumab in monocytes",
    "a TNF decoy in monocytes",
    "die TNF-Blockade in Monozyten",
]


@pytest.mark.parametrize(
    ("code", "question"),
    [
        (code, question)
        for code, questions in (
            (CaveatCode.KNOCKOUT, KNOCKOUTS),
            (CaveatCode.KNOCKDOWN, KNOCKDOWNS),
            (CaveatCode.OVEREXPRESSION, OVEREXPRESSIONS),
            (CaveatCode.INHIBITION, INHIBITIONS),
        )
        for question in questions
    ],
)
def test_a_manipulation_is_told_by_its_words_and_refused(code: CaveatCode, question: str) -> None:
    found = interpret(question)
    assert found.has(code), found.caveats
    assert not found.answerable


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Does CRISPR knockout of IFNGR1 change monocytes?", ["CRISPR knockout of IFNGR1"]),
        ("IFNAR1-/- NK cells and IFN-beta", ["IFNAR1"]),
        ("STAT1 null monocytes", ["STAT1 null"]),
        ("monocytes with anti-TNF", ["anti-TNF"]),
        ("monocytes in which IL-6 was blocked", ["IL-6 was blocked"]),
        ("block IL-6 in monocytes. STAT1-deficient, too", ["block IL-6", "STAT1-deficient"]),
    ],
)
def test_a_manipulation_spans_its_cue_and_its_target(question: str, expected: list[str]) -> None:
    parsed = taken_apart(question)
    assert [parsed.piece(each) for each in parsed.manipulations] == expected


@pytest.mark.parametrize("sign", ["-/-", "−/−", "–/–", "+/-", " (-/-)", "(-/-)"])
def test_a_null_allele_is_told_with_its_sign(sign: str) -> None:
    parsed = taken_apart(f"IFNAR1{sign} NK cells and IFN-beta")
    assert [written(parsed.found.question, each) for each in parsed.manipulations] == [f"IFNAR1{sign}"]
    assert [each.code for each in parsed.manipulations] == [CaveatCode.KNOCKOUT]


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("STAT1_KO", CaveatCode.KNOCKOUT),
        ("IFNAR1-/-", CaveatCode.KNOCKOUT),
        ("STAT3 siRNA", CaveatCode.KNOCKDOWN),
        ("FOXP3_overexpression", CaveatCode.OVEREXPRESSION),
        ("anti-TNF", CaveatCode.INHIBITION),
        ("IFN-gamma", None),
        ("LIF (leukemia inhibitory factor)", None),
    ],
)
def test_the_label_of_a_condition_says_what_was_done(label: str, code: CaveatCode | None) -> None:
    assert manipulation_of(label) is code


@pytest.mark.parametrize(
    "question",
    [
        "How would monocytes respond to leukemia inhibitory factor?",
        "How would monocytes respond to macrophage migration inhibitory factor?",
    ],
)
def test_a_cue_inside_a_name_is_none(question: str) -> None:
    assert CaveatCode.INHIBITION not in codes(question)


@pytest.mark.parametrize(
    "missing",
    [
        "without MyD88", "without Myd88", "without p53", "without Bcl6", "without T-bet", "lacking MyD88", "missing p53", "without STAT1",
        "without STAT1 signaling", "without STAT1 activity", "without MYD88 signaling", "with no MyD88",
    ],
)  # fmt: skip
def test_regression_missing_genes_are_read_in_any_capitals_and_with_what_they_do(missing: str) -> None:
    question = f"How do monocytes {missing} respond to IFN-gamma?"
    assert codes(question) == {CaveatCode.KNOCKOUT}
    assert interpret(question).genes == []


@pytest.mark.parametrize("missing", ["STAT1", "Stat1", "T-bet", "STAT1 signaling"])
def test_regression_the_absence_of_a_gene_is_a_knockout(missing: str) -> None:
    assert codes(f"How do monocytes respond to IFN-gamma in the absence of {missing}?") == {CaveatCode.KNOCKOUT}


@pytest.mark.parametrize(
    "question",
    [
        "Is there an absence of MX1 in B cells after IFN-beta?",
        "Is there no STAT1 activity in monocytes after IFN-gamma?",
        "Does IFN-gamma act on monocytes without changing CXCL10 expression?",
        "How do monocytes respond to TNF without serum?",
        "How do monocytes respond to TNF without Ca2+?",
    ],
)
def test_what_is_asked_or_no_gene_is_not_missing(question: str) -> None:
    assert CaveatCode.KNOCKOUT not in codes(question)
    assert interpret(question).answerable
