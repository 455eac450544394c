"""Time and memory of an ingest and a run by the size of the atlas.

    python -m tools.benchmarks.atlas_scale FOLDER [--cells 100000 1000000] [--layouts csr csc dense] [--rounds 9]

Synthetic atlases (2,000 genes, sparse counts) are written to FOLDER and kept there. Each step is a process of its own: the
ingest is `python -m orchestrator.ingest`, the run is the job with one iteration. Memory is the peak resident size.
"""

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isnan, nan
from pathlib import Path
from typing import Final, NamedTuple

from orchestrator.main import Exit, Ports, run_job
from shared.fields import utc_now
from shared.runs.records import StoredFile
from shared.stores.sqlite import SqliteCatalog, SqliteDatabase, SqliteRunStore
from tools import ROOT
from tools.benchmarks import runs
from tools.benchmarks.report import Section, Verdict, progress, table

CELLS: Final = (100_000, 1_000_000)
# The size that fits into the time of `make bench`.
BENCH_CELLS: Final = (100_000,)
ROUNDS: Final = 9
# How the counts are stored. A run reads the same whatever it was, so it is measured for CSR only.
LAYOUTS: Final = ("csr", "csc", "dense")
ATLAS, DATASET, DATABASE = "made.h5ad", "scale", "scale.db"
QUESTION: Final = "How would CD14 monocytes respond to IFN-gamma?"
# Upper bounds for a million cells, and of the memory for the most cells in multiples of that for the fewest.
INGEST_SECONDS, INGEST_MB, PEAK_MB, FLAT = 40, 600, 2_000, 1.25
# The first phase must not wait for the scientific libraries, which take a second.
FIRST_PHASE_SECONDS: Final = 0.6


class Usage(NamedTuple):
    """Resources of one step: seconds of the process and of the CPU, peak memory in MB, seconds until a run's first phase (or NaN)."""

    seconds: float
    first_phase: float
    cpu_seconds: float
    peak_mb: float


async def measure(
    folder: Path, rounds: int = ROUNDS, cells: Sequence[int] = BENCH_CELLS, layouts: Sequence[str] = LAYOUTS
) -> Section:
    """Measure ingest and run on atlases of these sizes, which are written to the folder unless they exist."""
    folders = {(size, layout): folder / f"{size}-{layout}" for size in cells for layout in layouts}
    measured = {key: _medians(place, *key, rounds) for key, place in folders.items()}
    megabytes = {key: (place / ATLAS).stat().st_size / 1e6 for key, place in folders.items()}
    found = {size: steps for (size, layout), steps in measured.items() if layout == layouts[0]}
    rows = [
        (
            f"{key[0]:,}",
            key[1],
            f"{megabytes[key]:,.0f}",
            step,
            *("–" if isnan(value) else f"{value:,.1f}" for value in usage),
        )
        for key, steps in measured.items()
        for step, usage in steps.items()
    ]
    columns = ("cells", "layout", "file MB", "step", "seconds", "first phase, s", "CPU s", "peak MB")
    return Section("atlas_scale", table(columns, rows), _verdicts(found))


def _verdicts(found: Mapping[int, Mapping[str, Usage]]) -> Sequence[Verdict]:
    least, most = min(found), max(found)
    verdicts = [
        Verdict(f"ingest of {most:,} cells, s", found[most]["ingest"].seconds, INGEST_SECONDS),
    ]
    if "run" in found[most]:
        verdicts.append(Verdict("first phase of a run, s", found[most]["run"].first_phase, FIRST_PHASE_SECONDS))
    for step, usage in found[most].items():
        bar = INGEST_MB if step == "ingest" else PEAK_MB
        verdicts.append(Verdict(f"{step} of {most:,} cells, peak MB", usage.peak_mb, bar))
        if most > least:
            growth = usage.peak_mb / found[least][step].peak_mb
            verdicts.append(Verdict(f"{step}: memory of {most:,} cells / {least:,}", growth, FLAT))
    return verdicts


def _medians(folder: Path, n_cells: int, layout: str, rounds: int) -> dict[str, Usage]:
    """Return the median usage of each step; ingest and run take turns."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ATLAS).exists():
        _usage(folder, "tools.benchmarks.synthetic_atlas", str(folder / ATLAS), str(n_cells), layout)
    steps = {
        "ingest": ("orchestrator.ingest", DATASET, str(folder / ATLAS)),
    }
    if layout == "csr":
        steps["run"] = ("tools.benchmarks.atlas_scale", str(folder), "--run")
    taken = [
        {step: _usage(folder, *command) for step, command in steps.items()}
        for _ in progress(f"atlas_scale, {n_cells:,} cells, {layout}", rounds)
    ]
    return {step: Usage(*map(statistics.median, zip(*(each[step] for each in taken), strict=True))) for step in steps}


def _usage(folder: Path, module: str, *arguments: str) -> Usage:
    """Run a module in a process of its own, and return its resources.

    This process stays small and imports no scientific library, because the peak memory of a child is never less than that of
    its parent at the fork.

    Raises:
        SystemExit: the step failed.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "ENVIRONMENT": "development",
        "PROJECT": "p",
        "REGION": "r",
        "RESULTS_BUCKET": "b",
        "STORE": "sqlite",
        "SQLITE_PATH": str(folder / DATABASE),
        "ATLAS_DIR": str(folder),
    }
    log, first_phase, started = "", nan, time.monotonic()
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, errors="replace"
    )
    assert process.stdout is not None
    with process.stdout as output:
        for line in output:
            if isnan(first_phase) and '"phase"' in line:
                first_phase = time.monotonic() - started
            log += line
    _, status, usage = os.wait4(process.pid, 0)
    seconds, process.returncode = time.monotonic() - started, os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{module} failed:\n{log[-3000:]}")
    return Usage(seconds, first_phase, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


class LocalFiles:
    """Results bucket that stores nothing."""

    async def upload(self, folder: str, path: Path, media_type: str) -> StoredFile:
        """Return the entry of a file."""
        size = (await asyncio.to_thread(path.stat)).st_size
        name = f"runs/{folder}/{path.name}"
        return StoredFile(name=path.name, object_name=name, media_type=media_type, size=size, crc32c="AAAAAA==")

    async def delete(self, run_id: str) -> None:
        """Refuse: the job deletes nothing."""
        raise NotImplementedError

    async def sign(self, files: Sequence[StoredFile], expires_at: datetime) -> Sequence[str]:
        """Refuse: a job signs nothing."""
        raise NotImplementedError


async def _run(folder: Path) -> None:
    """Do one run with one iteration on the ingested atlas, without uploads.

    Raises:
        SystemExit: the run did not complete.
    """
    database = SqliteDatabase(folder / DATABASE)
    store = SqliteRunStore(database)
    asked = runs.pending().model_copy(update={"query": QUESTION, "max_iterations": 1})
    run = runs.owned(asked, asked.owner, 0, random.SystemRandom())
    await store.create(run)
    ports = Ports(store=store, catalog=SqliteCatalog(database), files=LocalFiles(), clock=utc_now, atlas_root=folder)
    code = await run_job(run.run_id, ports)
    await database.close()
    if code is not Exit.DONE:
        sys.exit(f"the run ended with {code}")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmarks.atlas_scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--cells", type=int, nargs="+", default=CELLS, help="below 100,000, libraries take most of the memory"
    )
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=LAYOUTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--run", action="store_true", help="only do one run on the atlas ingested in the folder")
    options = parser.parse_args()
    if options.run:
        asyncio.run(_run(options.folder))
    else:
        print(asyncio.run(measure(options.folder, options.rounds, options.cells, options.layouts)).text)


if __name__ == "__main__":
    main()
