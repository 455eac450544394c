"""The demo against the real functions: how the question is read comes before the run, and a refusal says what to ask."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import service
from local.comparison import words
from local.demo_atlas import KANG, SEMI_SYNTHETIC
from local.lock import locked
from shared.catalog.folders import ENTRY_FILE, PROFILES_FILE
from tests.functions.conftest import batch, cloud, environment, settings, small_dataset
from tests.haystack_client.conftest import (
    QUESTION,
    ROOT,
    UNANSWERABLE,
    Haystack,
    complete,
    ended,
    haystack,
    store_settings,
)

__all__ = ["batch", "cloud", "environment", "haystack", "settings", "store_settings"]  # fixtures


@pytest.fixture
def data_dir(haystack: Haystack, tmp_path: Path) -> Iterator[Path]:
    """Return the data folder of a running service that has the demo atlases."""
    folder = tmp_path / "data"
    for name in (KANG, SEMI_SYNTHETIC):
        atlas = service.atlas_dir(folder) / name
        atlas.mkdir(parents=True)
        (atlas / ENTRY_FILE).write_text(small_dataset().model_copy(update={"name": name}).model_dump_json())
        (atlas / PROFILES_FILE).touch()
    with locked(folder) as describe:
        describe(haystack.url, "sqlite")
        yield folder


async def demo(question: str, data_dir: Path) -> Process:
    """Start the demo."""
    folders = ("--data-dir", str(data_dir), "--results-dir", str(data_dir.parent / "results"))
    command = (sys.executable, "-m", "local", "demo", question, *folders)
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE, stderr=PIPE)


async def test_the_demo_shows_how_the_question_is_read_before_it_runs(
    haystack: Haystack, data_dir: Path, tmp_path: Path
) -> None:
    process = await demo(QUESTION, data_dir)
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or not lines[-1].startswith(haystack.url):
        line = await asyncio.wait_for(process.stdout.readline(), 40)
        assert line, lines
        lines.append(line.decode().rstrip("\n"))
    run_id = lines[-1].rpartition("/")[2]
    await complete(run_id, tmp_path)
    done = await ended(process)
    assert done.code == 0, done.err
    lines += done.out.splitlines()
    parts = [
        QUESTION,
        "cell type: CD14-positive monocyte (CL:0001054), from “CD14 monocytes”",
        f"{haystack.url}/api/v1/runs/{run_id}",
        "status: completed",
        "Yes: IFN-gamma is predicted to raise CXCL10 in MDC. Overall, it is predicted to raise 12 genes.",
        "grounding score: 8 of 10, threshold reached",
    ]
    assert [line for line in lines if line in parts] == parts
    report = tmp_path / "results" / run_id / f"{run_id}_report.html"
    assert report.exists()
    assert lines[-2:] == [
        f"report: {report}",
        f"To read it, open this address in a browser: {report.as_uri()}",
    ]
    assert "withheld" not in "".join(lines)
    assert words.QUESTION not in lines


async def test_a_refused_question_ends_the_demo_with_the_reasons(haystack: Haystack, data_dir: Path) -> None:
    done = await ended(await demo(UNANSWERABLE, data_dir))
    assert (done.code, done.err) == (1, "")
    assert "cannot be answered:\n  " in done.out
    assert "cell type: natural killer cell" in done.out
    assert "haystack submit" not in done.out  # the demo's own service ends with it
    assert (await haystack("list")).out == "no runs\n"


def test_an_atlas_of_an_older_version_is_not_used_and_named(tmp_path: Path) -> None:
    for name, files in {"new": (ENTRY_FILE, PROFILES_FILE), "old": (ENTRY_FILE,)}.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_text(small_dataset().model_copy(update={"name": name}).model_dump_json())
    assert [entry.name for entry in service.ingested(tmp_path)] == ["new"]
    assert service.outdated(tmp_path) == ["old"]
