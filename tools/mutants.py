"""Change the code in small ways, and count the changes that no test notices: `python -m tools.mutants [NAME ...]`.

mutmut makes the changes and runs the tests, with the settings in pyproject.toml. All mutants share one Firestore emulator: to start
one takes longer than most tests. `--count` only counts again what an earlier, perhaps interrupted, call has found.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from local import firestore_emulator
from local.firestore_emulator import FirestoreEmulator

FOLDER: Final = Path("mutants")
# The data of all tests of all mutants: an emulator without memory fails the tests of every mutant, as if they had noticed it.
HEAP: Final = "6g"
# Exit codes of the tests as mutmut records them; None: not run.
SURVIVED: Final = 0
UNTESTED: Final = 33  # no test reaches it


def count(codes: Sequence[int | None]) -> tuple[int, int]:
    """Return how many mutants were run, and how many of them no test noticed."""
    run = [code for code in codes if code is not None]
    return len(run), sum(code in {SURVIVED, UNTESTED} for code in run)


def table(modules: Mapping[str, Sequence[int | None]]) -> list[str]:
    """Return a line for each module with mutants that were run, and one for all of them."""
    total: Counter[str] = Counter()
    lines = []
    for module, codes in modules.items():
        run, unnoticed = count(codes)
        if run:
            total.update(run=run, unnoticed=unnoticed)
            lines.append(_line(module, run, unnoticed))
    return [*lines, _line("all", total["run"], total["unnoticed"])] if lines else []


def _line(name: str, run: int, unnoticed: int) -> str:
    return f"{name:32} {unnoticed:4} of {run:5} unnoticed ({unnoticed / run:.1%})"


def _modules() -> dict[str, list[int | None]]:
    found = {}
    for path in sorted(FOLDER.rglob("*.py.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        found[str(path.relative_to(FOLDER)).removesuffix(".py.meta")] = list(codes.values())
    return found


async def _mutate(names: Sequence[str], children: int) -> int:
    installed = firestore_emulator.find()
    if isinstance(installed, str):
        print(installed, file=sys.stderr)
        return 1
    log = FOLDER / "emulator.log"
    emulator = FirestoreEmulator(installed, log, HEAP)
    environment = {**os.environ, "TEST_FIRESTORE_HOST": await emulator.start()}
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(children), *names]
    try:
        code = subprocess.run(command, env=environment, check=False).returncode  # noqa: ASYNC221  # nothing else runs
    finally:
        await emulator.stop()
    if "OutOfMemoryError" in log.read_text(errors="replace"):
        print(
            "The Firestore emulator ran out of memory: remove the folder mutants and run fewer at a time.",
            file=sys.stderr,
        )
        return 1
    return code


def main() -> int:
    """Print a table of the changes that no test notices; `mutmut results` lists them, `mutmut show NAME` shows one."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants")
    parser.add_argument("names", nargs="*", metavar="NAME", help='mutants, such as "shared.auth.keys.*"; default: all')
    # Tests of deadlines and of pauses wait more than they compute.
    children = 2 * (os.cpu_count() or 1)
    parser.add_argument(
        "--children", type=int, default=children, metavar="N", help=f"mutants tested at once; default: {children}"
    )
    parser.add_argument("--count", action="store_true", help="run nothing, only count")
    parsed = parser.parse_args()
    code = 0 if parsed.count else asyncio.run(_mutate(parsed.names, parsed.children))
    print("\n".join(table(_modules())))
    return code


if __name__ == "__main__":
    sys.exit(main())
