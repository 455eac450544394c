"""How this project does it: the ingest and one run, as steps of `benchmarks.atlas_scale`."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Final

from shared.stores.sqlite import SqliteCatalog, SqliteDatabase, SqliteRunStore

from benchmarks.atlas_steps import DATASET, Told, measured
from orchestrator import ingest as ingesting
from shared.fields import ControlStrategy
from shared.runs.records import Compute, Run, StoredFile

QUESTION: Final = "How would CD14 monocytes respond to IFN-gamma?"
RUN_ID: Final = "run_0000000000aa"
CATALOG, RUN_DATABASE = "catalog.db", "run.db"


def ingest(path: Path, folder: Path, _n_cells: int) -> Told:
    """Bring the atlas into a catalog in `folder`, as `python -m orchestrator.ingest` does."""
    with measured() as told:
        entry = ingesting.ingest(DATASET, path, folder)

        async def put() -> None:
            database = SqliteDatabase(folder / CATALOG)
            await SqliteCatalog(database).put(entry)
            await database.close()

        asyncio.run(put())
    return told


class _LeftInPlace:
    """`ResultFiles` that leaves the files where they are made."""

    async def upload(self, run_id: str, path: Path, media_type: str) -> StoredFile:
        size = (await asyncio.to_thread(path.stat)).st_size
        name = f"runs/{run_id}/{path.name}"
        return StoredFile(name=path.name, object_name=name, media_type=media_type, size=size, crc32c="AAAAAA==")

    async def sign(self, files: Sequence[StoredFile], expires_at: datetime) -> Sequence[str]:
        raise NotImplementedError("a job signs nothing")


def run(_path: Path, folder: Path, _n_cells: int) -> Told:
    """One run with one iteration, by the job's own code, on the ingested atlas."""
    import_module("orchestrator.workflow")  # loaded by now, so that what it loads is not counted as read by the run
    return asyncio.run(one_run(folder))


async def one_run(folder: Path) -> Told:
    """A run on the catalog and the atlas in `folder`."""
    from orchestrator.main import Exit, Ports, run_job  # noqa: PLC0415  # an ingest does not load the job

    now = datetime.now(UTC)
    (folder / RUN_DATABASE).unlink(missing_ok=True)
    database = SqliteDatabase(folder / RUN_DATABASE)
    catalog_database = SqliteDatabase(folder / CATALOG)
    store = SqliteRunStore(database)
    await store.create(
        Run(
            run_id=RUN_ID,
            user_email="scale@example.com",
            query=QUESTION,
            control_strategy=ControlStrategy.SYNTHETIC_CONTROL,
            max_iterations=1,
            score_threshold=7,
            compute=Compute(job_id="scale"),
            transitions=[],
            request_fingerprint="scale",
            created_at=now,
            updated_at=now,
            check_at=None,
        )
    )
    ports = Ports(
        store=store,
        catalog=SqliteCatalog(catalog_database),
        files=_LeftInPlace(),
        clock=lambda: datetime.now(UTC),
        atlas_root=folder,
    )
    with measured() as told:
        code = await run_job(RUN_ID, ports)
    outcome = (await store.get(RUN_ID) or sys.exit("the run is gone")).outcome
    await database.close()
    await catalog_database.close()
    if code is not Exit.DONE or outcome is None:
        sys.exit(f"the run ended with {code}")
    return {**told, "score": outcome.grounding_score, "de_genes": outcome.num_de_genes}
