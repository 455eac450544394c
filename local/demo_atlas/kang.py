"""Builds the real demo atlas: blood cells of two patients with and without interferon-beta, without one combination.

The cells come from Kang et al. 2018 and are kept in `data/kang_ifnb_small.h5ad`. The CD14+ monocytes under IFN-beta never enter the atlas:
they go into a file of their own, which only the demo reads, after the run.
"""

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Final

import anndata as ad
import pandas as pd
from scipy import sparse

from local.demo_atlas import CONTROL, KANG, WITHHELD_CONDITION, WITHHELD_TYPE, KangFiles
from local.demo_atlas.build import AtlasUnavailable, version_of

VERSION: Final = "1"
SOURCE: Final = "kang_ifnb_small.h5ad"
SHA256: Final = "ea35145b49a8888c2647953330bbb6b591e2797efe862271b472248bfbefa72d"
CONDITIONS: Final = {"ctrl": CONTROL, "stim": WITHHELD_CONDITION}

TITLE: Final = f"Demo atlas: blood cells with and without interferon-beta (Kang et al. 2018), {WITHHELD_TYPE} under IFN-beta withheld"
CITATION: Final = (
    "Kang HM, Subramaniam M, Targ S, et al. Multiplexed droplet single-cell RNA-sequencing using natural genetic variation. "
    "Nature Biotechnology 36:89-94 (2018), doi 10.1038/nbt.4042"
)
DESCRIPTION: Final = (
    "Measured cells: PBMC of two lupus patients, 6 h with or without interferon-beta; a subset of at most 100 cells of each type "
    f"and sample, and 1,267 well-detected genes. WITHHELD: the {WITHHELD_TYPE} under {WITHHELD_CONDITION} are not in this atlas, so that "
    f"the demo can compare a prediction with them. Cite: {CITATION}."
)
LICENSE: Final = (
    "data: GEO GSE96583, cite Kang et al. 2018; this subset as packaged in the Bioconductor package muscat (GPL-3)"
)
ORIGIN: Final = "GEO GSE96583, by way of muscat's example data"


def build(data_dir: Path) -> KangFiles:
    """Write both parts into a data folder, unless this version of them exists; the same source gives the same bytes.

    Raises:
        AtlasUnavailable: the source is not the file that was checked in.
    """
    parts = KangFiles.of(data_dir)
    if any(version_of(path) != VERSION for path in parts):
        data_dir.mkdir(parents=True, exist_ok=True)
        _split(parts)
    return parts


def _split(parts: KangFiles) -> None:
    source = Path(str(files("local.demo_atlas").joinpath("data", SOURCE)))
    if hashlib.sha256(source.read_bytes()).hexdigest() != SHA256:
        raise AtlasUnavailable(f"{source} has the wrong checksum. Restore it with: git checkout -- {source}")
    cells = ad.read_h5ad(source)
    obs = pd.DataFrame(
        {
            "cell_type": cells.obs["cluster_id"].astype(str),
            "condition": cells.obs["group_id"].astype(str).map(CONDITIONS),
            # A sample is a patient in a condition: ctrl101 and stim101 are of patient 101.
            "donor": "patient " + cells.obs["sample_id"].astype(str).str.removeprefix("ctrl").str.removeprefix("stim"),
        },
    ).astype("category")
    obs.index = pd.Index(cells.obs_names.astype(str), name="barcode")
    everything = ad.AnnData(
        sparse.csr_matrix(cells.X, dtype="int32"),
        obs=obs,
        # The source writes symbols of several Ensembl genes with the id, as in PTPRC_ENSG00000081237; only one of each is in this subset.
        var=pd.DataFrame(index=cells.var_names.astype(str).str.replace(r"_ENSG\d+$", "", regex=True)),
    )
    assert everything.var_names.is_unique
    withheld = ((obs["cell_type"] == WITHHELD_TYPE) & (obs["condition"] == WITHHELD_CONDITION)).to_numpy()
    _write(everything[~withheld].copy(), parts.atlas, {"title": TITLE, "description": DESCRIPTION})
    about = f"The {WITHHELD_TYPE} under {WITHHELD_CONDITION} that {KANG} lacks. Do not ingest them. Cite: {CITATION}."
    _write(everything[withheld].copy(), parts.withheld, {"title": f"Withheld from {KANG}", "description": about})


def _write(cells: ad.AnnData, path: Path, about: dict[str, str]) -> None:
    cells.uns["haystack"] = {
        "dataset": KANG,
        "version": VERSION,
        "licence": LICENSE,
        "source": ORIGIN,
        "semi_synthetic": False,
        **about,
    }
    draft = path.with_suffix(".part")
    cells.write_h5ad(draft, compression="gzip")
    draft.replace(path)
