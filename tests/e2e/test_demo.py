"""The demo command, as `make demo` runs it."""

import csv
import os
import re
import subprocess
from pathlib import Path

import h5py
import pytest

from local.demo_atlas import WITHHELD_CONDITION, WITHHELD_TYPE
from shared.catalog import reference
from shared.catalog.view import CatalogView
from shared.resolver.interpretation import read
from tests.e2e.conftest import ROOT, command, copy_of

RUN_FILES = {"predictions.h5ad", "genes.csv", "gene_sets.csv", "ranked_genes.rnk", "report.html", "log.json"}


def demo(ingested: Path, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo on existing atlases."""
    folders = ["--data-dir", str(copy_of(ingested, tmp_path / "data")), "--results-dir", str(tmp_path / "results")]
    environment = {**os.environ, "COLUMNS": "60"}
    return subprocess.run(
        command("demo", *arguments, *folders),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.timeout(120)
def test_the_demo_shows_progress_and_the_truth_beside_the_prediction(ingested: Path, tmp_path: Path) -> None:
    done = demo(ingested, tmp_path, "--max-iterations", "1", "--random-seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " · iteration 1/1" in done.stdout  # a phase may be shorter than the time between two looks
    assert "status: completed" in done.stdout
    (folder,) = (tmp_path / "results").glob("run_*")
    files = {file.name.removeprefix(f"{folder.name}_"): file for file in folder.iterdir()}
    assert files.keys() == {*RUN_FILES, "comparison.csv", "comparison.html"}
    assert all(str(file) in done.stdout for file in files.values())

    shown = " ".join(done.stdout.split())
    assert "The demo withheld the measured answer to this question from the atlas" in shown
    (reached,) = re.findall(r"predicted and measured changes correlate with r = (0\.\d\d)\.", shown)
    assert 0.8 < float(reached) < 0.99
    (precision,) = re.findall(r"precision (\d+)%; random genes", shown)
    assert int(precision) > 60
    with files["comparison.csv"].open() as table:
        genes = {row["gene"]: row for row in csv.DictReader(table)}
    assert len(genes) == 1267
    assert genes["ISG15"]["call"] == "right"
    with h5py.File(files["predictions.h5ad"]) as run:  # the run used no withheld cell
        groups = zip(*(run[f"uns/prompt/{name}"].asstr()[:] for name in ("cell_type", "condition")), strict=True)
        assert (WITHHELD_TYPE, WITHHELD_CONDITION) not in set(groups)


@pytest.mark.timeout(120)
def test_a_question_to_the_semi_synthetic_atlas_has_no_truth_to_show(ingested: Path, tmp_path: Path) -> None:
    done = demo(ingested, tmp_path, "What does TNF do to CD8 T cells?", "--max-iterations", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "control cells in demo_immune_semisynthetic" in done.stdout
    assert "withheld" not in done.stdout
    (folder,) = (tmp_path / "results").glob("run_*")
    assert {file.name.removeprefix(f"{folder.name}_") for file in folder.iterdir()} == RUN_FILES


@pytest.mark.timeout(120)
def test_a_demo_of_a_question_that_cannot_be_answered_says_why_and_leaves_with_1(
    ingested: Path, tmp_path: Path
) -> None:
    query = "Would zork do something to flurbs?"
    done = demo(ingested, tmp_path, query)
    assert done.returncode == 1
    reasons = read(query, CatalogView(reference.datasets())).interpretation.reasons
    assert reasons
    shown = " ".join(done.stdout.split())
    assert all(reason in shown for reason in reasons)


@pytest.mark.timeout(120)
def test_a_question_that_is_too_short_is_told_as_the_service_tells_it(ingested: Path, tmp_path: Path) -> None:
    done = demo(ingested, tmp_path, "Why?")
    assert done.returncode == 1
    assert "422: Invalid field: query." in done.stdout
