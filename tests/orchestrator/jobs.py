"""The job as a process of its own."""

import asyncio
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


async def start(environment: dict[str, str]) -> asyncio.subprocess.Process:
    """Start `python -m orchestrator.main` with this environment and nothing else."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "orchestrator.main",
        env={"PATH": os.environ["PATH"], **environment},
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )


def settings(folder: Path, atlases: Path) -> dict[str, str]:
    """Settings of a job whose runs and temporary files are in a folder, and whose results bucket is away."""
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


async def told(job: asyncio.subprocess.Process, words: str) -> None:
    """Wait until a line of the job's log says this."""
    assert job.stderr is not None
    async with asyncio.timeout(40):
        while words.encode() not in (line := await job.stderr.readline()):
            assert line, f"the job ended without saying {words}"
