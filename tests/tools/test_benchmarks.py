"""The benchmark programs start. `make bench` runs them; it takes minutes and a quiet machine."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PERFORMANCE = ROOT / "docs" / "performance.md"
GENERATED = ("machine", "cold_start", "warm", "memory", "growth", "atlas_scale")


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of `tools`."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "module",
    ["tools.benchmarks", "tools.benchmarks.atlas_scale", "tools.benchmarks.fairness", "tools.benchmarks.held_out"],
)
def test_a_benchmark_explains_itself(module: str) -> None:
    done = run(module, "--help")
    assert done.returncode == 0, done.stderr
    assert f"usage: python -m {module}" in done.stdout


def test_an_unknown_benchmark_is_refused_with_the_known_names() -> None:
    done = run("tools.benchmarks", "warmth")
    assert done.returncode == 2
    assert "unknown benchmarks: warmth; choose from cold_start, warm, memory, growth, atlas_scale" in done.stderr


@pytest.mark.parametrize("name", GENERATED)
def test_the_document_has_one_section_for_each_benchmark(name: str) -> None:
    text = PERFORMANCE.read_text(encoding="utf-8")
    assert (text.count(f"<!-- {name} -->"), text.count(f"<!-- end of {name} -->")) == (1, 1)


def test_the_document_has_at_most_1500_words() -> None:
    assert len(PERFORMANCE.read_text(encoding="utf-8").split()) <= 1500
