"""How ingest and a run grow with the atlas: `python -m benchmarks.atlas_scale FOLDER [--cells 10000 100000 1000000] [--rounds 9]`.

Synthetic atlases (2,000 genes, sparse counts) are written piece by piece into FOLDER and kept there. In turn, each step in a process of its
own: bringing the atlas into the catalog, one run with one iteration on it, and both the plain way, with the whole file in memory. Told are
medians of the rounds. Seconds are those of the whole process; "work" is what is left of them without loading the libraries. Memory is the
peak resident size that the kernel kept; "read" is what the step asked of the file system after loading the libraries.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

from benchmarks.atlas_steps import ATLAS
from benchmarks.section import Section
from benchmarks.verdicts import Verdict
from benchmarks.verdicts import table as verdict_table

CELLS: Final = (10_000, 100_000, 1_000_000)
ROUNDS: Final = 9
LARGE: Final = 100_000
"""From so many cells up it must be faster and smaller than the plain way."""
FLAT: Final = 1.25
STEPS: Final = ("ingest", "plain ingest", "run", "plain run")


@dataclass(frozen=True)
class Measured:
    """One step: seconds of its process, of its processor, and of its work alone; its peak memory and what it read."""

    seconds: float
    cpu_seconds: float
    work_seconds: float
    peak_mb: float
    read_mb: float


def take(step: str, path: Path, folder: Path, n_cells: int) -> Measured:
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
    cpu = usage.ru_utime + usage.ru_stime
    return Measured(seconds, cpu, found["seconds"], usage.ru_maxrss / 1024, found["read_mb"])


def steps(folder: Path, n_cells: int, rounds: int) -> dict[str, Measured]:
    """All steps on an atlas of so many cells, taking turns; the medians."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ATLAS
    if not path.exists():
        take("write", path, folder, n_cells)
    taken = [{step: take(step, path, folder, n_cells) for step in STEPS} for _ in range(rounds)]
    return {step: _medians([each[step] for each in taken]) for step in STEPS}


def _medians(taken: Sequence[Measured]) -> Measured:
    return Measured(*(statistics.median(values) for values in zip(*map(astuple, taken), strict=True)))


def verdicts(found: Mapping[int, Mapping[str, Measured]]) -> list[Verdict]:
    """The bars: faster and smaller than the plain way in large atlases, and memory that stays where it is."""
    large, told = [cells for cells in found if cells >= LARGE], []
    for step in ("ingest", "run"):
        for cells in large:
            ours, plain = found[cells][step], found[cells][f"plain {step}"]
            told += [
                Verdict(f"{step} of {cells:,} cells: time / the plain way's", ours.seconds / plain.seconds, 1.0),
                Verdict(f"{step} of {cells:,} cells: memory / the plain way's", ours.peak_mb / plain.peak_mb, 1.0),
            ]
        if len(large) > 1:
            least, most = min(large), max(large)
            grown = found[most][step].peak_mb / found[least][step].peak_mb
            told.append(Verdict(f"{step}: memory of {most:,} cells / of {least:,}", grown, FLAT))
    return told


def table(found: Mapping[int, Mapping[str, Measured]], folder: Path) -> str:
    """All that was measured."""
    lines = [
        "| cells | file MB | step | seconds | CPU s | work s | peak MB | read MB |",
        "|--:|--:|--|--:|--:|--:|--:|--:|",
    ]
    for cells, taken in found.items():
        size = (folder / str(cells) / ATLAS).stat().st_size / 1e6
        for step, each in taken.items():
            seconds = f"{each.seconds:.1f} | {each.cpu_seconds:.1f} | {each.work_seconds:.1f}"
            lines.append(
                f"| {cells:,} | {size:,.0f} | {step} | {seconds} | {each.peak_mb:,.0f} | {each.read_mb:,.0f} |"
            )
    return "\n".join(lines)


def measure(folder: Path, cells: Sequence[int] = CELLS, rounds: int = ROUNDS) -> Section:
    """Take all steps on atlases of these sizes, which are made in the folder where they are not there yet."""
    found = {size: steps(folder / str(size), size, rounds) for size in cells}
    told = verdicts(found)
    return Section("atlases", f"{table(found, folder)}\n\n{verdict_table(told)}", tuple(told))


def main() -> None:
    """Measure, and print the figures and the verdicts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.atlas_scale", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", type=int, nargs="+", default=CELLS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    print(measure(given.folder, given.cells, given.rounds).text)


if __name__ == "__main__":
    main()
