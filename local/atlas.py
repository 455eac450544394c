"""The demo atlas, made and ingested once into the local service's data folder."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from local import demo_atlas, service

DATASET: Final = "demo_immune_semisynthetic"


def make(data_dir: Path) -> None:
    """Make and ingest the demo atlas, unless it is there.

    Raises:
        SystemExit: a step failed; its own words are on the terminal.
    """
    atlases = service.atlas_dir(data_dir.resolve())
    if any(entry.name == DATASET for entry in service.ingested(atlases)):
        return
    made = demo_atlas.build(data_dir.resolve() / "demo_atlas.h5ad", data_dir.resolve() / "downloads")
    # The ingest is the operator's command, so it is run as one. Its catalog is thrown away: the service reads the entry beside the atlas.
    settings = {
        "PROJECT": service.PROJECT,
        "REGION": service.REGION,
        "RESULTS_BUCKET": service.BUCKET,
        "STORE": "sqlite",
        "SQLITE_PATH": str(data_dir.resolve() / "ingest.db"),
        "ATLAS_DIR": str(atlases),
    }
    command = [sys.executable, "-m", "orchestrator.ingest", DATASET, str(made), "--semi-synthetic"]
    done = subprocess.run(command, env={**os.environ, **settings}, cwd=service.ROOT, check=False)
    if done.returncode != 0:
        raise SystemExit(f"the demo atlas could not be ingested (exit code {done.returncode})")
