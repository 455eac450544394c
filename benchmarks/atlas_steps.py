"""The steps that `benchmarks.atlas_scale` measures, one a process: `python -m benchmarks.atlas_steps STEP ATLAS.h5ad FOLDER CELLS`."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from orchestrator import ingest as ingesting
from orchestrator import workflow
from orchestrator.config import JobConfig
from orchestrator.differential import compare
from orchestrator.expectations import hallmark
from orchestrator.inference import DeltaTransfer, PromptCells
from orchestrator.main import Exit, Ports, run_job
from shared.models import ControlStrategy
from shared.records import Compute, Run, StoredFile
from shared.reference import perturbations
from shared.store.sqlite import SqliteRunStore
from shared.store.sqlite_catalog import SqliteCatalog
from shared.store.sqlite_database import SqliteDatabase

DATASET = "scale"
N_GENES = 2000
MOLECULES = 250
CHUNK = 20_000
DONORS = tuple(f"D{i:02}" for i in range(1, 13))
CELL_TYPES = ("B cell", "CD14 monocyte", "CD4 T cell", "CD8 T cell", "NK cell", "plasma cell", "dendritic cell", "Treg")
CELLS_A_CONDITION = 10_000
MOST_CONDITIONS = 91
QUESTION = "How would CD14 monocytes respond to IFN-gamma?"
QUERY_TYPE, STIMULATED, CONTROL = "CD14 monocyte", "IFN-gamma", "PBS"
RUN_ID = "run_0000000000aa"

Told = dict[str, float]


@dataclass(frozen=True)
class Design:
    """Which cells an atlas has: for each cell its labels by number, and for each cell type the rates of its genes.

    A larger atlas has more conditions, not more cells of each: from 2 to 91, which with 12 donors is a known atlas of cytokines.
    """

    genes: list[str]
    rates: NDArray[np.float64]
    raised: NDArray[np.bool_]
    names: dict[str, tuple[str, ...]]
    labels: dict[str, NDArray[np.int8]]


def write(path: Path, _folder: Path, n_cells: int) -> Told:
    """Write a synthetic atlas with `CHUNK` cells in memory at a time. Cells of all groups are mixed, the worst case for reading."""
    rng = np.random.default_rng(0)
    design = _design(n_cells, rng)
    obs = pd.DataFrame(
        {name: pd.Categorical.from_codes(design.labels[name], names) for name, names in design.names.items()},
        index=np.arange(n_cells).astype(str),
    )
    shape = (n_cells, len(design.genes))
    with h5py.File(path, "w") as file:
        empty = sparse.csr_matrix(shape, dtype=np.float32)
        ad.io.write_elem(file, "/", ad.AnnData(empty, obs=obs, var=pd.DataFrame(index=design.genes)))
        del file["X"]
        matrix = file.create_group("X")
        matrix.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": shape})
        data, indices = (
            matrix.create_dataset(name, (0,), maxshape=(None,), chunks=(1 << 16,), dtype=dtype)
            for name, dtype in (("data", np.float32), ("indices", np.int32))
        )
        pointers = np.zeros(n_cells + 1, dtype=np.int64)
        for start in range(0, n_cells, CHUNK):
            counts = _counts(design, slice(start, start + CHUNK), rng)
            placed, end = pointers[start], pointers[start] + counts.nnz
            pointers[start + 1 : start + 1 + counts.shape[0]] = placed + counts.indptr[1:]
            for dataset, values in ((data, counts.data), (indices, counts.indices)):
                dataset.resize((end,))
                dataset[placed:end] = values
        matrix.create_dataset("indptr", data=pointers)
    return {"values": float(pointers[-1])}


def _design(n_cells: int, rng: np.random.Generator) -> Design:
    sets = hallmark()
    response = sorted(sets["HALLMARK_INTERFERON_GAMMA_RESPONSE"])
    genes = list(dict.fromkeys([*response, *sorted(set().union(*sets.values()))]))[:N_GENES]
    others = [name for name, known in perturbations().items() if known.kind == "cytokine" and name != STIMULATED]
    conditions = (CONTROL, STIMULATED, *others)[: min(max(n_cells // CELLS_A_CONDITION, 2), MOST_CONDITIONS)]
    names = {"donor": DONORS, "cell_type": CELL_TYPES, "condition": conditions}
    labels = {name: rng.integers(0, len(of), n_cells).astype(np.int8) for name, of in names.items()}
    rates = rng.gamma(0.6, 1.0, (len(CELL_TYPES), len(genes))) + 0.01
    return Design(genes, rates, np.isin(genes, response), names, labels)


def _counts(design: Design, cells: slice, rng: np.random.Generator) -> sparse.csr_matrix:
    """Counts of some cells: each of their molecules is of a gene by the rates of the cell's type and condition."""
    cell_types = design.labels["cell_type"][cells]
    stimulated = design.labels["condition"][cells] == design.names["condition"].index(STIMULATED)
    genes = np.empty((len(cell_types), MOLECULES), dtype=np.int32)
    for cell_type, rates in enumerate(design.rates):
        for under in (False, True):
            mine = np.flatnonzero((cell_types == cell_type) & (stimulated == under))
            rate = rates * np.where(design.raised & under, 4.0, 1.0)
            drawn = np.searchsorted(np.cumsum(rate / rate.sum()), rng.random(len(mine) * MOLECULES), side="right")
            genes[mine] = np.minimum(drawn, len(rate) - 1).reshape(-1, MOLECULES)
    ones, pointers = np.ones(genes.size, dtype=np.float32), np.arange(0, genes.size + 1, MOLECULES)
    counts = sparse.csr_matrix((ones, genes.ravel(), pointers), shape=(len(genes), len(design.genes)))
    counts.sum_duplicates()
    return counts


def ingest(path: Path, folder: Path, _n_cells: int) -> Told:
    """Bring the atlas into a catalog in `folder`, as `python -m orchestrator.ingest` does."""
    before = characters_read()
    entry = ingesting.ingest(DATASET, path, folder)

    async def put() -> None:
        database = SqliteDatabase(folder / "runs.db")
        await SqliteCatalog(database).put(entry)
        await database.close()

    asyncio.run(put())
    return {"read_mb": (characters_read() - before) / 1e6}


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
    assert workflow  # loaded by now, so that what it loads is not counted as read by the run
    return asyncio.run(_run(folder))


async def _run(folder: Path) -> Told:
    now = datetime.now(UTC)
    database = SqliteDatabase(folder / f"run_{now.timestamp():.0f}.db")
    catalog_database = SqliteDatabase(folder / "runs.db")
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
    before = characters_read()
    code = await run_job(RUN_ID, ports)
    read = characters_read() - before
    outcome = (await store.get(RUN_ID) or sys.exit("the run is gone")).outcome
    await database.close()
    await catalog_database.close()
    if code is not Exit.DONE or outcome is None:
        sys.exit(f"the run ended with {code}")
    return {"read_mb": read / 1e6, "score": outcome.grounding_score, "de_genes": outcome.num_de_genes}


def plain(path: Path, _folder: Path, _n_cells: int) -> Told:
    """The plain way: the whole file into memory, then cells, prediction and comparison of the same kind; no score, no files."""
    before, config, rng = characters_read(), JobConfig(), np.random.default_rng(0)
    atlas = ad.read_h5ad(path)
    of_type = atlas.obs["cell_type"] == QUERY_TYPE

    def some(condition: str, limit: int, *donors: str) -> sparse.csr_matrix:
        rows = np.flatnonzero(of_type & (atlas.obs["condition"] == condition) & atlas.obs["donor"].isin(donors))
        return atlas.X[np.sort(rng.choice(rows, min(limit, len(rows)), replace=False))]

    most = config.max_group_cells
    reference = some(CONTROL, most * len(DONORS), *DONORS)
    prompts = [
        PromptCells(donor, QUERY_TYPE, some(STIMULATED, most, donor), some(CONTROL, most, donor), reference)
        for donor in DONORS
    ]
    query = some(CONTROL, config.max_query_cells, *DONORS)
    found = DeltaTransfer(config.similarity_power).predict(query, prompts, seed=0)
    assert found.control is not None
    compared = compare(found.perturbed, found.control, list(atlas.var_names), config)
    return {"read_mb": (characters_read() - before) / 1e6, "de_genes": float(compared.is_de.sum())}


def characters_read() -> int:
    """Bytes that this process has asked the file system for."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("rchar:")))


STEPS: dict[str, Callable[[Path, Path, int], Told]] = {"write": write, "ingest": ingest, "run": run, "plain": plain}

if __name__ == "__main__":
    step, atlas_path, folder_path, cells = sys.argv[1:]
    started = time.monotonic()
    print(
        json.dumps(
            {**STEPS[step](Path(atlas_path), Path(folder_path), int(cells)), "seconds": time.monotonic() - started}
        )
    )
