"""Honesty: on cells that were never shown, the right answer beats wrong ones and the baselines. The whole tables: `benchmarks.honesty`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.held_out import Data, kang
from benchmarks.honesty import accuracy, scores
from orchestrator.config import JobConfig
from orchestrator.inference import DeltaTransfer
from orchestrator.judgement import Judge
from orchestrator.loading import CellSource
from orchestrator.prompt_strategies import candidates
from orchestrator.prompts import choose
from orchestrator.query_analysis import Question
from shared.catalog.entries import DatasetEntry

KANG = Path(__file__).parents[3] / "shared" / "data" / "kang_ifnb_small.h5ad"
SEEDS, ENOUGH = 10, 9


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Data:
    if not KANG.exists():
        pytest.skip("the real interferon-beta data is not beside the repository")
    return kang(KANG, tmp_path_factory.mktemp("kang"))


@pytest.fixture
def demo(demo_entry: DatasetEntry, atlas_root: Path) -> Data:
    return Data("demo", demo_entry, atlas_root)


@pytest.mark.parametrize(
    "seed", range(SEEDS)
)  # a test each, for ten seeds in a row may take too long on a busy machine
def test_on_the_demo_atlas_the_right_answer_scores_above_wrong_ones(seed: int, demo: Data) -> None:
    found = scores(demo, "MDC", "IFN-gamma", "TNF-alpha", [seed])
    (right,), (shuffled,), (unchanged,), (other,) = found.right, found.shuffled, found.unchanged, found.other
    assert right >= 7
    assert right >= other + 2
    assert shuffled <= 3
    assert unchanged == 1


def test_on_real_cells_the_right_answer_scores_above_wrong_ones(real: Data) -> None:
    found = scores(real, "CD8 T cells", "IFN-beta", "TNF-alpha", range(SEEDS))
    assert [found.wins(wrong) >= ENOUGH for wrong in found.wrong] == [True] * 3
    assert found.judged


def test_where_the_true_cells_score_no_higher_than_wrong_ones_the_question_is_named_as_not_judged(demo: Data) -> None:
    found = scores(demo, "CD8_T", "EGF", "IFN-beta", [0])
    assert max(found.true + found.right) <= min(found.other)
    assert not found.judged


def test_on_real_cells_no_held_out_type_is_predicted_worse_than_by_the_mean_of_the_others(real: Data) -> None:
    rows = list(accuracy(real, "IFN-beta"))
    assert len(rows) == 5
    assert [row.cell_type for row in rows if row.pearson < row.pearson_mean] == []
    assert [row.cell_type for row in rows if row.error > min(row.error_mean, 1.0)] == []


def test_on_the_demo_atlas_held_out_types_are_not_predicted_worse_than_by_the_mean_of_the_others(demo: Data) -> None:
    rows = list(accuracy(demo, "TGF-beta1"))
    assert len(rows) >= 5
    assert sum(row.pearson for row in rows) > sum(row.pearson_mean for row in rows)


def test_a_cytokine_without_its_receptor_scores_low(
    ask: Callable[[str], Question], source_of: Callable[[Question], CellSource]
) -> None:
    question = ask("How would CD4 T cells respond to EGF?")
    source = source_of(question)
    prompt = choose(candidates(question.asked, source.supply), [])
    assert prompt is not None
    found = DeltaTransfer(4.0).predict(source.query.counts, source.prompt(prompt), genes=source.genes, seed=0)
    assert found.control is not None
    judge = Judge("EGF", source.genes, source.query.counts, JobConfig())
    assert judge.judge(found.perturbed, found.control, seed=0).grounding.score <= 2
