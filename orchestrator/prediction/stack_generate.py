"""The script that runs in STACK's own interpreter: one call of the package's `generate`, one output file per split.

`orchestrator.prediction.stack` starts it as a script, so that torch never shares a process with this project's pinned libraries.

Arguments: checkpoint, base cells, test cells, gene list, output folder, seed.
"""

import os
import sys
import threading
from pathlib import Path

SPLIT_COLUMN = "split"


def main(arguments: list[str]) -> int:
    """Generate the test cells in the context of each split of the base cells, into `{split}.h5ad`."""
    checkpoint, base, test, genelist, folder, seed = arguments
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    from stack.cli.generation import generate  # type: ignore[import-not-found]  # noqa: PLC0415  # in STACK's interpreter only

    generate(
        checkpoint,
        base,
        test,
        genelist,
        split_column=SPLIT_COLUMN,
        num_workers=0,  # there are few cells; workers would cost memory and make the order of random numbers vary
        random_seed=int(seed),
        on_generation=lambda split, cells: cells.write_h5ad(Path(folder) / f"{split}.h5ad"),
    )
    return 0


def _exit_with_parent() -> None:
    """Exit when the pipe from the parent closes, so that a killed job leaves no computation behind."""
    os.read(sys.stdin.fileno(), 1)  # not through sys.stdin, whose lock would be held when the interpreter exits
    os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
