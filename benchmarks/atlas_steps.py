"""One step of `benchmarks.atlas_scale` in a process of its own: `python -m benchmarks.atlas_steps STEP ATLAS.h5ad FOLDER CELLS`.

A step loads only what it needs, as its real process would. It prints as JSON what its work took, without the loading.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Final

ATLAS, DATASET = "made.h5ad", "scale"
STEPS: Final = {
    "write": "benchmarks.atlas_made:write",
    "ingest": "benchmarks.atlas_ours:ingest",
    "plain ingest": "benchmarks.atlas_plain:ingest",
    "run": "benchmarks.atlas_ours:run",
    "plain run": "benchmarks.atlas_plain:run",
}
Told = dict[str, float]


@contextmanager
def measured() -> Iterator[Told]:
    """Note the seconds of what is done inside, and what it read from the file system; loading libraries is for outside."""
    told: Told = {}
    before, started = _characters_read(), time.monotonic()
    yield told
    told |= {"seconds": time.monotonic() - started, "read_mb": (_characters_read() - before) / 1e6}


def _characters_read() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("rchar:")))


def main() -> None:
    """Do the step."""
    step, atlas, folder, n_cells = sys.argv[1:]
    module, name = STEPS[step].split(":")
    print(json.dumps(getattr(import_module(module), name)(Path(atlas), Path(folder), int(n_cells))))


if __name__ == "__main__":
    main()
