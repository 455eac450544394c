"""The report as a file: text, figures, and well-formed HTML. Its behavior in a browser is tested in tests/browser."""

import html
import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from haystack_client.__main__ import app
from orchestrator.config import JobConfig
from orchestrator.evidence.accuracy import HeldOut
from orchestrator.outputs import figures, text, words
from orchestrator.outputs.evidence import accuracy_sentences
from orchestrator.outputs.report import write_report
from orchestrator.search.search import SearchResult
from shared.catalog.interpretation import CaveatCode, Relation
from shared.runs.evidence import Confidence
from shared.runs.schemas import CreateRunRequest
from tests.support.orchestrator.changes import make_response
from tests.support.orchestrator.search_results import (
    FALLING,
    N_GENES,
    RISING,
    caveat,
    differential,
    make_expected,
    make_interpretation,
    synthetic_result,
)
from tests.support.orchestrator.trust import (
    NOTE,
    not_comparable,
    result_of,
    unjudged,
    unknown_accuracy,
    with_accuracy,
    with_p_value,
)

VOID = {"meta", "input", "br"}
AWKWARD = "How's CD14 monocytes' $(response) to \"IFN-γ\" & `others`; <b>really</b>?\nNext line."


def page_of(result: SearchResult, folder: Path) -> str:
    return write_report(result, folder).read_text(encoding="utf-8")


def test_the_page_is_whole_small_and_fetches_nothing(tmp_path: Path) -> None:
    page = page_of(synthetic_result(), tmp_path)
    assert len(page.encode()) < 5_000_000
    assert unclosed(page) == []
    assert re.findall(r'(?:src|srcset|data|action|poster)\s*=\s*"|url\(|@import|<link|<iframe|<object', page) == []
    fetched = [address for address in re.findall(r'href="([^"]+)"', page) if not address.startswith("#")]
    assert all(address.startswith("https://www.") for address in fetched)
    assert "style=" not in page
    assert not re.search(r"\son[a-z]+\s*=", page.split("<body")[1].split("<script")[0])


def test_the_first_box_comes_before_the_answer_and_is_short_if_there_is_nothing_to_say(tmp_path: Path) -> None:
    dose = caveat(CaveatCode.DOSE, "100 ng/ml", "The atlas has one dose.")
    page = page_of(synthetic_result(interpretation=make_interpretation(caveats=[dose])), tmp_path)
    order = [page.index(part) for part in ("<h1>", "Read as", "dose (100 ng/ml)", "Cells used", 'class="answer ')]
    assert order == sorted(order)
    plain = make_interpretation(relation=Relation.EXACT).model_copy(update={"caveats": []})
    box = (
        page_of(synthetic_result(interpretation=plain), tmp_path)
        .partition('class="reading"')[2]
        .partition("</section>")
    )
    assert "<p>" not in box[0]
    assert "Not taken into account" not in box[0]


def test_the_page_names_the_cells_and_the_perturbation_that_were_used(tmp_path: Path) -> None:
    page = page_of(synthetic_result(related_only=True), tmp_path)
    assert "<title>IFN-beta in mononuclear phagocytes ·" in page
    assert "Genes on the right rise under IFN-beta" in page
    assert re.findall(r"(requested|asked) (cell )?(type|perturbation)", page) == []


def test_even_an_atlas_of_forty_thousand_genes_makes_a_page_under_five_megabytes(tmp_path: Path) -> None:
    result = synthetic_result()
    small, n = result.best.differential, 40_000
    rng = np.random.default_rng(0)
    many = replace(
        small,
        genes=tuple(f"ENSG{i:011d}.1" for i in range(n)),
        log2_fold_change=rng.normal(0, 0.9, n),
        standard_error=np.full(n, 0.1),
        statistic=rng.normal(0, 3, n),
        p_value=np.full(n, 1e-5),
        adjusted_p=rng.uniform(1e-30, 1e-3, n),
        is_de=np.arange(n) < 6000,
    )
    best = replace(result.best, differential=many, response=make_response(many, donors=50))
    page = page_of(replace(result, best=best), tmp_path)
    assert len(page.encode()) < 5_000_000
    assert page.count('class="dot none"') == figures.BACKGROUND_GENES


def test_the_page_contains_every_part_of_the_result(tmp_path: Path) -> None:
    result = synthetic_result(notes=("A caveat of this iteration.",))
    page = page_of(result, tmp_path)
    expected = [
        *result.notes,
        *(part.reason for part in result.best.summary.record.components),
        *(iteration.prompt.rationale for iteration in result.iterations),
        "not evaluated",
        "Grounding score 8 of 10; threshold 7",
        "known responder",
        "semi-synthetic",
        "Read as",
        "How do CD14-positive monocytes respond to IFN-gamma?",
        "MDC (mononuclear phagocyte), a supertype of CD14-positive monocyte, 143 control cells",
        "permutations of the treatment labels",
        result.question.dataset.description,
        "CL:0000113",
    ]
    assert [sentence for sentence in expected if sentence not in page] == []
    for name in ("random_seed", "max_adjusted_p", "scipy"):
        assert f"<dt>{name}</dt>" in page, name


def test_the_genes_stand_in_the_order_that_their_table_announces(tmp_path: Path) -> None:
    """Regression: genes stood in the order of another measure below a heading with a mark for descending fold changes."""
    result = synthetic_result()
    found = result.best.differential
    mixed = replace(
        result.best, differential=replace(found, effect=np.sign(found.effect) / (1.0 + np.abs(found.effect)))
    )
    page = page_of(replace(result, best=mixed), tmp_path)
    table = page[page.index("<h3>Top genes</h3>") :].partition("</table>")[0]
    assert 'aria-sort="descending"><button type="button">log2 fold change' in table
    shown = [float(row) for row in re.findall(r'</th><td class="n" data-value="([^"]+)"', table)]
    assert len(shown) == len(RISING) + len(FALLING)
    assert shown == sorted(shown, reverse=True)


def test_one_iteration_has_a_sentence_and_several_have_a_chart(tmp_path: Path) -> None:
    assert 'class="chart history"' in page_of(synthetic_result(), tmp_path)
    page = page_of(synthetic_result(scores=(8,)), tmp_path)
    assert 'class="chart history"' not in page
    assert "There was one iteration, with a score of 8." in page


def section(page: str, name: str) -> str:
    """Return the part of the page under a heading."""
    return page.partition(f'<section aria-labelledby="{name}">')[2].partition("</section>")[0]


def test_the_page_says_how_accurate_the_method_is_with_a_row_for_each_known_response(tmp_path: Path) -> None:
    result = synthetic_result()
    found = section(page_of(result, tmp_path), "accuracy")
    assert "How accurate is this method here?" in found
    assert [sentence for sentence in accuracy_sentences(result) if sentence not in found] == []
    rows = re.findall(r'<tr><th scope="row">(type \d)</th>(.*?)</tr>', found)
    assert [name for name, _ in rows] == ["type 1", "type 2", "type 3"]
    assert re.findall(r">([\d.]+)</td>", rows[0][1]) == ["100", "0.75", "0.70", "0.75", "0.40"]
    assert "Most similar type" in found


def test_known_donors_are_not_compared_with_a_most_similar_type(tmp_path: Path) -> None:
    expected = make_expected(n=2)
    tests = tuple(replace(test, nearest_pearson=None, nearest_error=None) for test in expected.tests)
    donors = replace(expected, held_out=HeldOut.DONORS, tests=tests, nearest_cell_type=None)
    found = section(page_of(with_accuracy(synthetic_result(), donors), tmp_path), "accuracy")
    assert "On the 2 donors where the answer is known" in found
    assert "Most similar type" not in found


def test_without_an_expected_accuracy_the_page_says_why_and_has_no_table_of_it(tmp_path: Path) -> None:
    found = section(page_of(unknown_accuracy(), tmp_path), "accuracy")
    assert "How accurate is this method here?" in found
    assert f"<p>{NOTE}</p>" in found
    assert "<table" not in found


@pytest.mark.parametrize("level", Confidence)
def test_the_confidence_gives_the_answer_its_class_and_its_last_sentence(tmp_path: Path, level: Confidence) -> None:
    result = result_of(level)
    page = page_of(result, tmp_path)
    answer = page.partition(f'<div class="answer {level}">')[2].partition("</div>")[0]
    confidence, reason = result.confidence
    assert confidence is level
    shown = html.escape(reason, quote=False)
    assert f"<strong>Confidence: {level}.</strong> {shown}</p>" in answer
    assert f'<div class="score {level}">' in page


def test_a_score_that_cannot_be_judged_is_not_shown_as_one(tmp_path: Path) -> None:
    """Regression: the page said "with a score of 1" beside "cannot be judged"."""
    page = page_of(unjudged(10), tmp_path)
    assert page.count("annot be judged: 10 perturbed prompt cells, at least 30 are needed.") >= 4
    score, iterations = section(page, "score"), section(page, "iterations")
    assert 'aria-label="No grounding score; threshold 7"' in score
    assert "The score cannot be judged: 10 perturbed prompt cells" in score
    assert "1 of 10" not in score
    assert 'class="filled"' not in score
    assert "There was one iteration, whose score cannot be judged." in iterations
    assert '<td class="n">not judged</td></tr>' in iterations


def test_the_page_says_why_permuted_labels_cannot_be_compared() -> None:
    """Regression: it gave an unknown program as the reason where cells and controls came from different donors."""
    assert text.significance(not_comparable()).endswith("perturbed cells and controls come from different donors.")
    unknown = with_p_value(synthetic_result(), None)
    assert text.significance(unknown).endswith("no expected program is known or measured.")


@pytest.mark.parametrize(("p_value", "share", "accident"), [(0.005, "1 of 200", False), (0.4, "80 of 200", True)])
def test_the_page_compares_the_program_with_permuted_labels(p_value: float, share: str, accident: bool) -> None:
    found = text.significance(with_p_value(synthetic_result(), p_value))
    assert found.startswith(f"In {share} permutations of the treatment labels")
    assert f"(p = {p_value:.3f})" in found
    assert ("may be an accident" in found) is accident


@pytest.mark.parametrize("scores", [(None,), (None, None)])
def test_a_score_that_cannot_be_judged_is_nowhere_a_number(tmp_path: Path, scores: tuple[None, ...]) -> None:
    page = page_of(synthetic_result(scores=scores), tmp_path)
    assert "No grounding score; threshold 7" in page
    assert "The score cannot be judged: 10 perturbed prompt cells, at least 30 are needed." in page
    assert ("There was one iteration, whose score cannot be judged." in page) is (len(scores) == 1)
    assert page.count('<td class="n">not judged</td>') == len(scores)
    assert "None" not in page.partition("<script>")[0]
    assert unclosed(page) == []


def test_the_page_compares_donors_or_says_why_it_cannot(tmp_path: Path) -> None:
    result = synthetic_result()
    page = page_of(result, tmp_path)
    assert 'class="chart donors"' in page
    assert "(from top to bottom: donor 1, donor 2)" in page
    one = replace(result.best, response=make_response(result.best.differential, donors=1))
    page = page_of(replace(result, best=one), tmp_path)
    assert 'class="chart donors"' not in page
    assert "The response was measured in one donor (donor 1), so nothing can be said about other donors." in page
    page = page_of(synthetic_result(scores=(1,), changed=False), tmp_path)
    assert "No gene is called changed, so there is nothing to compare between donors." in page


def test_the_page_names_the_other_files(tmp_path: Path) -> None:
    page = page_of(synthetic_result(), tmp_path)
    for end in ("predictions.h5ad", "genes.csv", "gene_sets.csv", "ranked_genes.rnk", "log.json"):
        assert f"<code>_{end}</code>" in page


def test_the_report_says_why_the_search_stopped_in_a_sentence() -> None:
    result = synthetic_result()
    assert text.stopped(result) == "Stopped because the score of 8 reached the threshold of 7."
    tried = replace(result, termination_reason="no_new_prompt: all prompts from the atlas were tried")
    assert text.stopped(tried) == "Stopped because all prompts from the atlas were tried."


def test_the_pathways_agree_with_the_genes(tmp_path: Path) -> None:
    result, nothing = synthetic_result(), synthetic_result(scores=(1,), changed=False)
    gene_sets = result.best.enrichment
    assert text.about_pathways(result, gene_sets) == ""
    hint = text.about_pathways(nothing, gene_sets)
    assert hint.startswith("No gene is called changed. These gene sets shift only as a whole")
    assert hint in page_of(replace(nothing, best=replace(nothing.best, enrichment=gene_sets)), tmp_path)
    assert text.about_pathways(nothing, []) == "No gene set has enough measured genes for a test."
    tested = replace(nothing, best=replace(nothing.best, enrichment=gene_sets))
    assert text.about_pathways(tested, []) == "No gene is called changed. No gene set has an adjusted p below 0.05."
    found = replace(nothing.best.differential, statistic=np.zeros(N_GENES))
    untested = replace(nothing, best=replace(nothing.best, differential=found))
    assert text.about_pathways(untested, []) == "No gene was tested, so no gene set was."


def test_only_a_semi_synthetic_atlas_is_called_one() -> None:
    result = synthetic_result()
    assert "semi-synthetic" in text.caveats(result)[0]
    real = result.question.dataset.model_copy(update={"semi_synthetic": False})
    sentences = text.caveats(replace(result, question=replace(result.question, dataset=real)))
    assert not any("semi-synthetic" in sentence for sentence in sentences)


@pytest.mark.parametrize("query", [AWKWARD, "--how would CD14 monocytes respond to IFN-gamma?"])
def test_the_command_line_in_the_report_asks_the_same_question_again(query: str) -> None:
    words = shlex.split(text.cli_command(synthetic_result(query)))
    assert words[:2] == ["haystack", "submit"]
    command = typer.main.get_command(app)
    submit = command.commands["submit"]  # type: ignore[attr-defined]  # a group, which typer types as a plain command
    asked = submit.make_context("submit", words[2:]).params
    assert (asked["question"], asked["seed"], asked["score_threshold"], asked["max_iterations"]) == (query, 7, 7, 5)
    assert asked["control_strategy"] == "synthetic_control"


def test_the_request_in_the_report_asks_the_same_question_again() -> None:
    words = shlex.split(text.curl_command(synthetic_result(AWKWARD)))
    body = json.loads(words[words.index("-d") + 1])
    asked = CreateRunRequest.model_validate(body)
    assert (asked.query, asked.random_seed, asked.score_threshold) == (AWKWARD, 7, 7)


def test_a_gene_that_is_no_word_is_still_a_good_address() -> None:
    for address in text.gene_pages('HLA-A"><b> &x=1').values():
        assert re.fullmatch(r"https://[\w./?=&%+:-]+", address)
        assert "HLA-A%22%3E%3Cb%3E%20%26x%3D1" in address


def test_the_volcano_draws_every_called_gene_and_keeps_inside_its_frame() -> None:
    found = differential()
    drawing = figures.volcano(found, JobConfig(), 7)
    assert [found.genes[point.gene] for point in drawing.called] == [*FALLING, *reversed(RISING)]
    assert len(drawing.background) == figures.BACKGROUND_GENES
    assert drawing.hidden == int((found.statistic != 0).sum()) - len(drawing.called) - len(drawing.background)
    axes = drawing.axes
    for point in (*drawing.called, *drawing.background):
        assert axes.margin <= point.x <= axes.width - axes.margin
        assert axes.margin <= point.y <= axes.height - axes.margin
    assert {name.text for name in drawing.names} <= {*RISING, *FALLING}
    assert "STAT1" in {name.text for name in drawing.names}
    assert "0" in [tick.text for tick in axes.x_ticks]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_volcano_has_no_empty_half_and_shows_all_thresholds(sign: float) -> None:
    found = differential()
    one_sided = replace(found, log2_fold_change=sign * np.abs(found.log2_fold_change))
    drawing = figures.volcano(one_sided, JobConfig(), 7)
    axes = drawing.axes
    zero = axes.across(0.0)
    shares = sorted((zero - axes.margin, axes.width - axes.margin - zero))
    assert shares[0] < 0.2 * shares[1]
    left, right = drawing.changes
    assert (left.text, right.text) == ("−0.25", "+0.25")
    assert axes.margin < left.x < zero < right.x < axes.width - axes.margin
    called = [point for point in (*drawing.called, *drawing.background) if point.kind != "none"]
    assert all(point.y <= drawing.significant for point in called)
    assert all(not left.x < point.x < right.x for point in called)


@given(st.floats(-50, 50), st.floats(0.001, 100), st.integers(4, 12))
def test_ticks_are_round_few_and_inside_the_scale(low: float, span: float, at_most: int) -> None:
    scale = figures.Scale(low, low + span, 0.0, 100.0)
    ticks = scale.ticks(at_most)
    assert 1 <= len(ticks) <= at_most + 1
    assert all(scale.low - 1e-9 <= value <= scale.high + 1e-9 for value, _ in ticks)
    texts = [f"{value:.{decimals}f}" for value, decimals in ticks]
    assert len(set(texts)) == len(texts)


def test_a_gene_whose_p_is_too_small_for_a_number_is_drawn_at_the_top() -> None:
    found = differential()
    adjusted = found.adjusted_p.copy()
    adjusted[0] = 0.0
    drawing = figures.volcano(replace(found, adjusted_p=adjusted), JobConfig(), 7)
    top = min(drawing.called, key=lambda point: point.y)
    assert found.genes[top.gene] == RISING[0]
    assert drawing.axes.top == pytest.approx(words.MAX_HEIGHT * 1.08)


def test_names_in_the_volcano_do_not_cover_each_other() -> None:
    found = differential()
    crowded = replace(
        found,
        log2_fold_change=np.where(found.is_de, 2.0, found.log2_fold_change),
        adjusted_p=found.adjusted_p * 0 + 1e-9,
    )
    drawing = figures.volcano(crowded, JobConfig(), 7)
    places = [(name.x, name.y) for name in drawing.names]
    assert 1 <= len(places) < len(drawing.called)
    assert len(set(places)) == len(places)


def test_a_higher_score_is_drawn_higher_and_fills_more() -> None:
    points = figures.history([1, 5, 10], 7).points
    assert [point.x for point in points] == sorted(point.x for point in points)
    assert points[0].y > points[1].y > points[2].y
    assert figures.history([7], 7).points[0].y == figures.history([7], 7).threshold
    assert figures.gauge(None, 7).filled == 0
    history = figures.history([5, None, 8], 7)
    assert history.line == " ".join(f"{point.x},{point.y}" for point in (history.points[0], history.points[2]))
    filled = [figures.gauge(score, 7).filled for score in range(1, 11)]
    assert filled == sorted(filled)
    assert (filled[0] > 0, filled[-1]) == (True, 100.0)


def unclosed(page: str) -> list[str]:
    """Return the elements that are not closed in order."""
    errors: list[str] = []
    open_elements: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  # the parser's
            if tag not in VOID:
                open_elements.append(tag)

        def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            """It closes itself."""

        def handle_endtag(self, tag: str) -> None:
            if not open_elements or open_elements.pop() != tag:
                errors.append(f"</{tag}> at {self.getpos()}")

    Checker().feed(page)
    return errors + open_elements
