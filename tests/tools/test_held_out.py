"""Held-out accuracy: for cells that the predictor never saw, the right answer beats wrong answers and the baselines."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.demo_atlas import build as demo_atlas

ROOT = Path(__file__).resolve().parents[2]
KANG = ROOT / "local" / "demo_atlas" / "data" / "kang_ifnb_small.h5ad"
SEEDS, ENOUGH = 10, 9
Rows = list[dict[str, Any]]
HeldOut = Callable[..., dict[str, Rows]]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> HeldOut:
    """Run the benchmark on questions, and return its tables."""
    folder = tmp_path_factory.mktemp("held_out")
    try:
        demo_atlas.build(folder / "demo.h5ad", folder)
    except demo_atlas.AtlasUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the demo atlas: {error}")
        pytest.skip(str(error))

    def run(*questions: str, seeds: int, kang: bool = False) -> dict[str, Rows]:
        command = [sys.executable, "-m", "tools.benchmarks.held_out", str(folder), "--json", "--seeds", str(seeds)]
        command += ["--only", *questions, *(["--kang", str(KANG)] if kang else [])]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found: dict[str, Rows] = json.loads(done.stdout)
        return found

    return run


def test_on_the_demo_atlas_the_right_answer_scores_above_wrong_ones(held_out: HeldOut) -> None:
    (found,) = held_out(": MDC, IFN-gamma", seeds=SEEDS)["scores"]
    for right, shuffled, unchanged, other in zip(
        found["right"], found["shuffled"], found["unchanged"], found["other"], strict=True
    ):
        assert right >= 7
        assert right >= other + 2
        assert shuffled <= 3
        assert unchanged == 1


def test_on_real_cells_the_right_answer_scores_above_wrong_ones(held_out: HeldOut) -> None:
    (found,) = held_out(": CD8 T cells, IFN-beta", seeds=SEEDS, kang=True)["scores"]
    assert [wins >= ENOUGH for wins in found["wins"]] == [True] * 3
    assert found["judged"]


def test_a_question_whose_true_cells_score_no_higher_than_wrong_ones_is_not_judged(held_out: HeldOut) -> None:
    (found,) = held_out(": CD8_T, EGF", seeds=1)["scores"]
    assert max(found["true"] + found["right"]) <= min(found["other"])
    assert not found["judged"]


def test_on_real_cells_no_held_out_type_is_predicted_worse_than_by_the_mean_of_the_others(held_out: HeldOut) -> None:
    rows = held_out("Kang", seeds=0, kang=True)["accuracy"]
    assert len(rows) == 5
    assert [row["cell_type"] for row in rows if row["pearson"] < row["pearson_mean"]] == []
    assert [row["cell_type"] for row in rows if row["error"] > min(row["error_mean"], 1.0)] == []


def test_on_the_demo_atlas_held_out_types_are_not_predicted_worse_than_by_the_mean_of_the_others(
    held_out: HeldOut,
) -> None:
    rows = held_out("TGF-beta1", seeds=0)["accuracy"]
    assert len(rows) >= 5
    assert sum(row["pearson"] for row in rows) > sum(row["pearson_mean"] for row in rows)
