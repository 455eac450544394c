"""The answer in sentences, and the answers for genes that a question asks about."""

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.outputs import answer as answers
from orchestrator.outputs.answer import gene_answers
from orchestrator.search.search import SearchResult
from shared.catalog.interpretation import AskedGene, Direction, Relation
from shared.fields import Answer
from shared.resolver.interpretation import FEW_CELLS
from shared.runs.evidence import Confidence
from tests.support.orchestrator.search_results import FALLING, RISING, UNTESTED, make_interpretation, synthetic_result
from tests.support.orchestrator.trust import not_comparable, with_p_value

UP, DOWN, ANY, SAME = Direction.UP, Direction.DOWN, Direction.ANY, Direction.UNCHANGED
YES, NO, UNDECIDED = Answer.YES, Answer.NO, Answer.NOT_ENOUGH_EVIDENCE


def asking(*genes: tuple[str, Direction], related_only: bool = False) -> SearchResult:
    """Return a result of a question about these genes."""
    asked = [AskedGene(symbol=symbol, direction=direction) for symbol, direction in genes]
    return synthetic_result(interpretation=make_interpretation(genes=asked), related_only=related_only)


def headline(result: SearchResult) -> str:
    return " ".join(answers.headline(result))


def noise() -> str:
    """Return a gene that is tested and not called."""
    found = synthetic_result().best.differential
    return next(gene for i, gene in enumerate(found.genes) if found.statistic[i] and not found.is_de[i])


def test_the_answer_names_the_cells_that_were_used_and_the_genes_that_move_most() -> None:
    assert headline(synthetic_result()) == (
        "In mononuclear phagocytes, used for CD14-positive monocytes, IFN-gamma is predicted to raise 7 genes (most of all STAT1, "
        "IRF1, GBP1, CXCL10 and CXCL9) and to lower HBEGF, THBS1 and CD36; the gene set that rises most is interferon gamma response."
    )


def test_cells_of_the_type_in_question_stand_for_nothing_else() -> None:
    exact = make_interpretation(relation=Relation.EXACT)
    assert headline(synthetic_result(interpretation=exact)).startswith(
        "In CD14-positive monocytes, IFN-gamma is predicted to raise 7 genes"
    )


@pytest.mark.parametrize(("few", "power"), [(True, " There are only 24 query cells."), (False, "")])
def test_if_no_gene_is_called_no_gene_set_is_named_and_few_cells_are(few: bool, power: str) -> None:
    result = synthetic_result(scores=(1,), changed=False)
    best = replace(result.best, enrichment=synthetic_result().best.enrichment)  # significant gene sets all the same
    rows = result.query.rows if few else np.arange(FEW_CELLS)
    result = replace(result, best=best, query=replace(result.query, rows=rows))
    assert headline(result) == (
        f"In mononuclear phagocytes, used for CD14-positive monocytes, no gene is called changed under IFN-gamma.{power}"
    )


def test_if_no_gene_is_called_the_answer_says_what_the_evidence_shows_instead() -> None:
    nothing = synthetic_result(scores=(1,), changed=False)
    rises = with_p_value(nothing, 0.01)
    assert "The expected program rises as a whole (p = 0.010), but no single gene is certain." in headline(rises)
    assert "rises as a whole" not in headline(nothing)
    assert "come from different donors, so a response cannot be told from their differences" in headline(
        not_comparable()
    )


@pytest.mark.parametrize("changed", [True, False])
def test_the_headline_says_why_a_prediction_cannot_be_judged(changed: bool) -> None:
    result = synthetic_result(scores=(None,), changed=changed)
    why = "This prediction cannot be judged: 10 perturbed prompt cells, at least 30 are needed."
    assert answers.headline(result)[-1] == why
    assert result.confidence[0] in {Confidence.LOW, Confidence.NONE}
    assert "cannot be judged" not in headline(synthetic_result(changed=changed))


def test_a_perturbation_that_stands_in_is_named() -> None:
    words = headline(synthetic_result(related_only=True))
    assert words.startswith(
        "In mononuclear phagocytes, used for CD14-positive monocytes, IFN-beta (used for IFN-gamma) is predicted to raise"
    )


@pytest.mark.parametrize(
    ("gene", "direction", "answer"),
    [
        (RISING[0], UP, YES),
        (RISING[0], ANY, YES),
        (RISING[0], DOWN, NO),
        (FALLING[0], UP, NO),
        (FALLING[0], DOWN, YES),
        (FALLING[0], ANY, YES),
        (RISING[0], SAME, NO),
        (FALLING[0], SAME, NO),
        (noise(), UP, UNDECIDED),
        (noise(), SAME, UNDECIDED),
        (noise(), ANY, UNDECIDED),
        (UNTESTED, UP, UNDECIDED),
        ("NOSUCHGENE", DOWN, UNDECIDED),
    ],
)
def test_a_gene_is_answered_by_the_rule(gene: str, direction: Direction, answer: Answer) -> None:
    (found,) = gene_answers(asking((gene, direction)))
    assert (found.gene, found.direction, found.answer) == (gene, direction, answer)
    assert found.text.startswith({YES: "Yes: ", NO: "No: ", UNDECIDED: "Not enough evidence: "}[answer])
    assert gene in found.text


def test_an_answer_states_the_numbers_that_it_rests_on_and_the_cells() -> None:
    (found,) = gene_answers(asking((RISING[0], DOWN)))
    assert found.text == (
        "No: IFN-gamma is predicted to raise STAT1 in mononuclear phagocytes, used for CD14-positive monocytes "
        "(log2 fold change +3.40, adjusted p 1.0e−40)."
    )
    assert found.log2_fold_change == 3.4
    assert found.adjusted_p_value == pytest.approx(1e-40)


def test_what_was_not_measured_or_not_tested_has_no_numbers_and_says_so() -> None:
    missing, untested = gene_answers(asking(("NOSUCHGENE", UP), (UNTESTED, UP)))
    assert (missing.log2_fold_change, missing.adjusted_p_value) == (None, None)
    assert missing.text == "Not enough evidence: the atlas does not measure NOSUCHGENE."
    assert untested.adjusted_p_value is None
    assert untested.text == (
        "Not enough evidence: CD8A was not tested, because too few of the cells used (mononuclear phagocytes, for CD14-positive "
        "monocytes) express it."
    )


def test_a_gene_that_is_not_called_is_never_said_to_stay_the_same() -> None:
    result = asking((RISING[0], UP))
    found = result.best.differential
    uncalled = replace(found, is_de=found.is_de & False)
    summary = replace(result.best.summary, num_de_genes=0)
    (answer,) = gene_answers(replace(result, best=replace(result.best, differential=uncalled, summary=summary)))
    assert answer.answer is UNDECIDED
    assert "too small or too uncertain" in answer.text


def test_a_gene_asked_to_stay_the_same_gets_its_change_or_no_answer() -> None:
    changed, uncalled = gene_answers(asking((FALLING[0], SAME), (noise(), SAME)))
    assert changed.text.startswith(f"No: IFN-gamma is predicted to lower {FALLING[0]} in ")
    assert uncalled.text.endswith("; this does not show that it stays the same.")


def test_the_headline_answers_the_genes_first() -> None:
    words = headline(asking((RISING[0], UP), (FALLING[0], UP), related_only=True))
    assert words.startswith(
        "Yes: IFN-beta (used for IFN-gamma) is predicted to raise STAT1 in mononuclear phagocytes, used for"
    )
    assert "No: IFN-beta (used for IFN-gamma) is predicted to lower HBEGF" in words
    assert "Overall, IFN-beta (used for IFN-gamma) is predicted to raise 7 genes" in words
