"""The demo command, as `make demo` runs it."""

import os
import subprocess
from pathlib import Path

import pytest

from shared.catalog import reference
from shared.catalog.view import CatalogView
from shared.resolver.interpretation import read
from tests.e2e.conftest import ROOT, command, copy_of


def demo(ingested: Path, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo on an existing atlas."""
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
def test_the_demo_shows_progress_and_leaves_its_files(ingested: Path, tmp_path: Path) -> None:
    done = demo(ingested, tmp_path, "--max-iterations", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "evaluation · iteration 1/1" in done.stdout
    assert "status: completed" in done.stdout
    files = sorted((tmp_path / "results").glob("run_*/*"))
    assert sorted(file.suffix for file in files) == [".csv", ".csv", ".h5ad", ".html", ".json", ".rnk"]
    assert all(str(file) in done.stdout for file in files)


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
