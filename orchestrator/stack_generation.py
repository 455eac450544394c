"""What runs in STACK's own interpreter: one call of the package's `generate`, one file for each split.

Started by `orchestrator.stack_predictor` as a script, so that nothing of this project or of its pinned libraries is loaded with torch.

Arguments: checkpoint, base cells, test cells, gene list, folder for the generated cells, seed.
"""

import os
import sys
import threading
from pathlib import Path

SPLIT_COLUMN = "split"


def main(arguments: list[str]) -> int:
    """Generate the test cells in the context of each split of the base cells, into `{split}.h5ad`."""
    checkpoint, base, test, genelist, folder, seed = arguments
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from stack.cli.generation import generate  # type: ignore[import-not-found]  # noqa: PLC0415  # in STACK's interpreter only

    generate(
        checkpoint,
        base,
        test,
        genelist,
        split_column=SPLIT_COLUMN,
        num_workers=0,  # the cells are few; worker processes would only cost memory and the order of random numbers
        random_seed=int(seed),
        on_generation=lambda split, cells: cells.write_h5ad(Path(folder) / f"{split}.h5ad"),
    )
    return 0


def _end_with_parent() -> None:
    """Leave when the pipe from the parent closes: a job that was killed must not leave a computation behind."""
    os.read(sys.stdin.fileno(), 1)  # not through sys.stdin, whose lock would be held when the interpreter ends
    os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
