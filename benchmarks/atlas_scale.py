"""How ingest and a run grow with the atlas: `python -m benchmarks.atlas_scale FOLDER [--cells 10000 100000 1000000]`.

Synthetic atlases (2,000 genes, sparse counts) are written piece by piece into FOLDER and kept there. Measured, each step in a process of
its own: bringing the atlas into the catalog, one run with one iteration on it, and the plain way, which reads the whole file into memory
and then does the same. Seconds are those of the whole process; of them, "work" is what is left without loading the libraries. Memory is
the peak resident size that the kernel kept; "read" is what the step asked of the file system after loading the libraries.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

STEPS = ("ingest", "run", "plain")


@dataclass(frozen=True)
class Measured:
    """One step: seconds of its process, of its work alone, its peak memory and what it read."""

    seconds: float
    work_seconds: float
    peak_mb: float
    read_mb: float


def measure(step: str, path: Path, folder: Path, n_cells: int) -> Measured:
    """Do a step in a process of its own.

    This process stays small and loads no scientific library: the peak of a child is never told as less than what it was started from.
    """
    command = [sys.executable, "-m", "benchmarks.atlas_steps", step, str(path), str(folder), str(n_cells)]
    told, log = folder / f"{step}.json", folder / f"{step}.log"
    started = time.monotonic()
    with told.open("wb") as out, log.open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
    seconds, process.returncode = time.monotonic() - started, os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{step} failed:\n{log.read_text()[-3000:]}")
    found = json.loads(told.read_text())
    return Measured(seconds, found["seconds"], usage.ru_maxrss / 1024, found.get("read_mb", 0.0))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.atlas_scale", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    given = parser.parse_args()
    print("| cells | file MB | step | seconds | work, seconds | peak MB | read MB |")
    print("|--:|--:|--|--:|--:|--:|--:|")
    for n_cells in given.cells:
        folder = given.folder / str(n_cells)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "made.h5ad"
        if not path.exists():
            measure("write", path, folder, n_cells)
        for step in STEPS:
            found = measure(step, path, folder, n_cells)
            print(
                f"| {n_cells:,} | {path.stat().st_size / 1e6:,.0f} | {step} | {found.seconds:.1f} | {found.work_seconds:.1f} "
                f"| {found.peak_mb:,.0f} | {found.read_mb:,.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
