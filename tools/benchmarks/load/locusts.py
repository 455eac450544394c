"""Start Locust, in its own virtual environment: `make load` creates it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tools import ROOT

PYTHON: Final = ROOT / ".venv-load" / "bin" / "python"
LOCUST_FILE: Final = Path(__file__).with_name("scientist.py")
# How long users may take to cancel their runs and to check the final state of each.
STOP_SECONDS: Final = 180


def run(url: str, users: int, minutes: float) -> int:
    """Load a service, print Locust's tables, and return its exit code."""
    return subprocess.run(
        [*_command(sys.executable, url, users, minutes), "--only-summary"], cwd=ROOT, check=False
    ).returncode


async def report(url: str, users: int, minutes: float, counts: Path) -> list[dict[str, Any]]:
    """Load a service that may be away, and return Locust's statistics of each kind of request.

    Args:
        counts: file for the counts of runs and of repeated requests.

    Raises:
        RuntimeError: Locust did not run to its end.
    """
    process = await asyncio.create_subprocess_exec(
        *(*_command(str(PYTHON), url, users, minutes), "--json"),
        cwd=ROOT,
        env={**os.environ, "LOAD_COUNTS": str(counts)},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode not in {0, 1}:  # 1: responses were wrong
        raise RuntimeError(f"Locust ended with exit code {process.returncode} before its end; see its output above.")
    statistics: list[dict[str, Any]] = json.loads(output)
    return statistics


def _command(python: str, url: str, users: int, minutes: float) -> list[str]:
    command = [python, "-m", "locust", "--locustfile", str(LOCUST_FILE), "--headless", "--host", url]
    command += ["--users", str(users), "--spawn-rate", str(max(users / 5, 1)), "--run-time", f"{round(60 * minutes)}s"]
    return [*command, "--stop-timeout", f"{STOP_SECONDS}s", "--exit-code-on-error", "1"]
