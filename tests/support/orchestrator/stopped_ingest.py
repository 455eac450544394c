"""Run one ingest after another, each stopped by a signal at its n-th step on the file system.

A program, because only a process of its own can be killed: it loads the libraries once, then forks an ingest for each line of its standard
input, which is the signal, the step, and the arguments of the command as JSON. It answers with the exit status as `os.waitpid` returns it.
"""

import json
import os
import sys
from pathlib import Path

from orchestrator.ingest import __main__ as command
from orchestrator.ingest import build, interruption  # noqa: F401  # build is loaded here, once

EVENTS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "sqlite3.connect"})


def stop_at(step: int, number: int, folder: Path) -> None:
    """Send this process a signal before the n-th event of Python on a file below this folder."""
    left = step

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in EVENTS and str(arguments[0]).startswith(str(folder)):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), number)

    sys.addaudithook(count)


def main() -> None:
    """Answer each line of the standard input."""
    for line in sys.stdin:
        number, step, folder, arguments = json.loads(line)
        child = os.fork()
        if child == 0:
            stop_at(step, number, Path(folder))
            os.dup2(2, 1)
            interruption.end_on_ctrl_c()
            code = command.main(arguments)
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
