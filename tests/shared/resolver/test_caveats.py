"""The sentences that users read about a question."""

import pytest

from shared.catalog.interpretation import BLOCKING, CaveatCode, Relation, UsedCells
from shared.catalog.schemas import MatchedTerm
from shared.resolver import caveats
from tests.support.readings import interpret

CD14 = MatchedTerm(name="CD14-positive monocyte", matched_text="CD14 monos", match="synonym", kind="cell_type")
MDC = UsedCells(
    label="MDC",
    name="mononuclear phagocyte",
    cell_ontology_id="CL:0000113",
    relation=Relation.SUPERTYPE,
    distance=2,
    cells=143,
)
SENTENCES = [
    (
        "How would CD8 T cells respond to adalimumab?",
        "The question is about inhibition (adalimumab). A run predicts what adding a perturbation does.",
    ),
    (
        "IFNAR1-/- NK cells and IFN-beta",
        "The question is about cells with a missing or changed gene (IFNAR1-/-), which no ingested atlas contains.",
    ),
    (
        "siRNA against STAT1 in NK cells",
        "The question is about a knockdown (siRNA against STAT1), which no ingested atlas contains.",
    ),
    (
        "NK cells without IL-2",
        "The question is about cells without a perturbation (without IL-2). A run predicts what adding one does.",
    ),
    (
        "IL-2 in murine NK cells",
        "The question is about another species (murine); the ingested atlases contain human cells.",
    ),
    (
        "IL-2 plus IL-6 in NK cells",
        "The question combines IL-2 and IL-6. No atlas has cells treated with all of them: ask about one at a time.",
    ),
    (
        "IL-2, IL-6 and TNF together in NK cells",
        "The question combines IL-2, IL-6 and TNF-alpha. No atlas has cells treated with all of them: ask about one at a time.",
    ),
    (
        "Do NK cells respond more to IL-2 or to IL-6?",
        "The question asks about IL-2 and IL-6. A run answers for one perturbation; ask one question for each.",
    ),
    ("How would NK cells respond to LPS?", "The question names LPS, which no ingested atlas contains."),
    (
        "How would NK cells respond to IL-17A?",
        "No ingested atlas has cells treated with IL-17A, although the catalog knows it.",
    ),
    ("How would NK cells respond to cytokines?", "“cytokines” names many perturbations. Name one of them."),
    ("What do NK cells look like?", "The question names no perturbation."),
    ("What does TNF do?", "The question names no known cell type."),
    (
        "IL-2 (10 ng/ml) on NK cells",
        "The dose (10 ng/ml) is not taken into account: the answer is for the dose of the atlas.",
    ),
    ("frobnicated NK cells and IL-2", "“frobnicated” was not understood and is not taken into account."),
    ("IL-2 in NK cells and CD8 T cells", "The answer is for NK cells only; ask another question for CD8 T cells."),
    (
        "CD14 monocytes and IFN-gamma",
        "The atlas has too few cells labeled CD14-positive monocyte. The answer is for MDC (mononuclear phagocyte), a supertype of it.",
    ),
    (
        "T cells and IFN-gamma",
        "The atlas has too few cells labeled T cell. The answer is for CD8_T (CD8-positive, alpha-beta T cell), a subtype of it. "
        "Other subtypes in the atlas: CD4_T, Treg, gdT.",
    ),
    (
        "PBMCs and IFN-gamma",
        "“PBMCs” names a mixture of cell types. The answer is for CD8_T (CD8-positive, alpha-beta T cell), the most frequent of them in "
        "the atlas.",
    ),
    (
        "NK cells and IL-2",
        "The atlas has 37 control cells of NK and 37 under IL-2: estimates from so few cells vary a lot.",
    ),
    (
        "How would NK cells respond to IL-2?",
        "The perturbed cells of demo_immune_semisynthetic are simulated: the answer shows how the service works, not biology.",
    ),
]


@pytest.mark.parametrize(("question", "sentence"), SENTENCES, ids=[question for question, _ in SENTENCES])
def test_a_user_reads_one_sentence_for_each_caveat(question: str, sentence: str) -> None:
    assert sentence in [caveat.detail for caveat in interpret(question).caveats]


def test_a_missing_cell_type_names_the_nearest_that_are_available() -> None:
    (sentence,) = interpret("How would neutrophils respond to IFN-gamma?").reasons
    assert sentence.startswith(
        "No ingested atlas with IFN-gamma has at least 10 control cells of neutrophil, of a subtype, or of a close supertype."
    )
    assert "The nearest available types are " in sentence
    assert "MDC (mononuclear phagocyte)" in sentence


def test_no_text_calls_a_stand_in_the_asked_type() -> None:
    said = caveats.stand_in(CD14, MDC, ["DC"])
    assert said.text == "CD14 monos"
    assert "is for MDC (mononuclear phagocyte), a supertype" in said.detail
    assert "DC." not in said.detail.removesuffix(".")  # further types are listed only beside a subtype


@pytest.mark.parametrize("code", CaveatCode)
def test_the_code_alone_says_whether_a_caveat_blocks(code: CaveatCode) -> None:
    assert caveats.caveat(code, "", "Why.").blocking == (code in BLOCKING)


def test_cells_whose_label_is_their_name_are_named_once() -> None:
    assert caveats.cells(MDC) == "MDC (mononuclear phagocyte)"
    assert caveats.cells(MDC.model_copy(update={"label": "mononuclear phagocyte"})) == "mononuclear phagocyte"
