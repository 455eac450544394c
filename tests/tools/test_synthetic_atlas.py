"""The synthetic atlases of the benchmarks can be ingested."""

import subprocess
import sys
from pathlib import Path

from orchestrator.ingest.build import ingest

ROOT = Path(__file__).resolve().parents[2]


def test_a_synthetic_atlas_can_be_ingested(tmp_path: Path) -> None:
    path = tmp_path / "made.h5ad"
    subprocess.run([sys.executable, "-m", "tools.benchmarks.synthetic_atlas", str(path), "3000"], cwd=ROOT, check=True)
    entry = ingest("scale", path, tmp_path)
    assert (entry.n_cells, entry.n_genes, len(entry.donors)) == (3000, 2000, 12)
    assert {each.perturbation for each in entry.conditions} == {None, "IFN-gamma"}
