"""The job as a process."""

import asyncio
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


async def start(environment: dict[str, str]) -> asyncio.subprocess.Process:
    """Start `python -m orchestrator.main` with only this environment."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "orchestrator.main",
        env={"PATH": os.environ["PATH"], **environment},
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )


def settings(folder: Path, atlases: Path) -> dict[str, str]:
    """Return the settings of a job with its runs and temporary files in a folder, and an unavailable results bucket."""
    return {
        "PROJECT": "test",
        "REGION": "nowhere",
        "RESULTS_BUCKET": "none",
        "STORE": "sqlite",
        "SQLITE_PATH": str(folder / "runs.db"),
        "ATLAS_DIR": str(atlases),
        "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1",
        "TMPDIR": str(folder),
    }


async def wait_for_line(job: asyncio.subprocess.Process, words: str) -> None:
    """Wait for a line of the job's log that contains these words."""
    assert job.stderr is not None
    async with asyncio.timeout(40):
        while words.encode() not in (line := await job.stderr.readline()):
            assert line, f"the job ended without logging {words}"
