"""Files of one small table of counts in every format and layout that the ingest accepts."""

import gzip
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import io, sparse

from orchestrator.evidence.gene_sets import hallmark

N_CELLS = 60
GENES = sorted(hallmark()["HALLMARK_INTERFERON_ALPHA_RESPONSE"] | hallmark()["HALLMARK_TNFA_SIGNALING_VIA_NFKB"])[:200]


def counts() -> sparse.csr_matrix:
    """Return counts with the spread of real ones: many zeros and ones, some above 20, depths that vary."""
    rng = np.random.default_rng(7)
    rates = rng.gamma(0.4, 3.0, len(GENES)) * rng.lognormal(0, 0.4, (N_CELLS, 1))
    return sparse.csr_matrix(rng.poisson(rates).astype(np.float32))


def cells() -> pd.DataFrame:
    """Return the cells, with all labels."""
    numbers = np.arange(N_CELLS)
    columns = {
        "cell_type": np.where(numbers % 2 == 0, "NK cell", "B cell"),
        "condition": np.where(numbers % 3 == 0, "PBS", "IFN-beta"),
        "donor": np.where(numbers % 5 < 2, "D1", "D2"),
    }
    return pd.DataFrame(columns, index=[f"AAAC{i:04}-1" for i in numbers])


def atlas() -> ad.AnnData:
    """Return cells and counts, the counts in X."""
    return ad.AnnData(counts(), obs=cells(), var=pd.DataFrame(index=GENES))


def old_h5ad(path: Path, layout: str = "csr") -> None:
    """Write what anndata 0.6 wrote: compound tables, labels of categoricals in uns, `h5sparse_format`, `raw.X`."""
    values, obs = counts(), cells()
    with h5py.File(path, "w") as file:
        columns = [(name, pd.Categorical(obs[name])) for name in obs]
        records = np.empty(N_CELLS, dtype=[("index", "S16"), *((name, "i1") for name, _ in columns)])
        records["index"] = obs.index.to_numpy().astype("S16")
        for name, column in columns:
            records[name] = column.codes
            file[f"uns/{name}_categories"] = np.array(column.categories, dtype=h5py.string_dtype())
        file["obs"] = records
        file["var"] = np.array([(gene.encode(),) for gene in GENES], dtype=[("index", "S32")])
        if layout == "raw":
            file["X"] = np.asarray(values.log1p().toarray()) - 0.3
            file["raw.var"] = file["var"][:]
        group = file.create_group("raw.X" if layout == "raw" else "X")
        stored = values.tocsc() if layout == "csc" else values
        group.attrs["h5sparse_format"] = np.bytes_(b"csc") if layout == "csc" else "csr"
        group.attrs["h5sparse_shape"] = stored.shape
        for part in ("data", "indices", "indptr"):
            group[part] = getattr(stored, part)


def h5ad_of_0_7(path: Path) -> None:
    """Write what anndata 0.7 wrote: the labels of categoricals in `__categories`, found by reference."""
    obs = cells()
    atlas().write_h5ad(path)
    with h5py.File(path, "a") as file:
        del file["obs"]
        group = file.create_group("obs")
        group.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.1.0", "_index": "index"})
        group.attrs["column-order"] = np.array(list(obs), dtype=h5py.string_dtype())
        group["index"] = np.array(obs.index, dtype=h5py.string_dtype())
        for name in obs:
            column = pd.Categorical(obs[name])
            group[name] = column.codes
            labels = group.create_dataset(
                f"__categories/{name}", data=np.array(column.categories, dtype=h5py.string_dtype())
            )
            labels.attrs["ordered"] = False
            group[name].attrs["categories"] = labels.ref


def tenx_h5(path: Path, *, version: int = 3) -> None:
    """Write a 10x `.h5`, in version 3 with an antibody that has counts."""
    values = counts()
    if version == 3:
        values = sparse.hstack([values, np.full((N_CELLS, 1), 9.0)], format="csr")
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix" if version == 3 else "GRCh38")
        for part in ("data", "indices", "indptr"):
            group[part] = getattr(values, part)
        group["shape"] = values.shape[::-1]
        group["barcodes"] = np.array(cells().index, dtype="S")
        ids = np.array([f"ENSG{i:011}" for i in range(len(GENES))], dtype="S")
        names = np.array(GENES, dtype="S")
        if version == 2:
            group["genes"], group["gene_names"] = ids, names
            return
        group["features/id"] = np.append(ids, b"CD19_TotalSeqB")
        group["features/name"] = np.append(names, b"CD19_TotalSeqB")
        group["features/feature_type"] = np.append(np.full(len(GENES), b"Gene Expression"), b"Antibody Capture")
        group["features/genome"] = np.append(np.full(len(GENES), b"GRCh38"), b"")


def tenx_folder(folder: Path, *, zipped: bool = True, prefix: str = "", features: str = "features.tsv") -> None:
    """Write a folder with matrix.mtx, barcodes and features."""
    folder.mkdir(parents=True, exist_ok=True)
    text = BytesIO()
    io.mmwrite(text, sparse.coo_matrix(counts().T.astype(np.int64)))
    kinds = "\tGene Expression" if features == "features.tsv" else ""
    contents = {
        "matrix.mtx": text.getvalue(),
        "barcodes.tsv": "\n".join(cells().index).encode(),
        features: "\n".join(f"ENSG{i:011}\t{gene}{kinds}" for i, gene in enumerate(GENES)).encode(),
    }
    for name, content in contents.items():
        path = folder / f"{prefix}{name}{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(content) if zipped else content)


def loom(path: Path) -> None:
    """Write a loom file."""
    obs = cells()
    with h5py.File(path, "w") as file:
        file.create_dataset("matrix", data=counts().T.toarray(), chunks=(64, 32), compression="gzip")
        for name in obs:
            file[f"col_attrs/{name}"] = np.array(obs[name], dtype=h5py.string_dtype())
        file["col_attrs/CellID"] = np.array(obs.index, dtype=h5py.string_dtype())
        file["row_attrs/Gene"] = np.array(GENES, dtype=h5py.string_dtype())
        file.create_group("layers")


def cell_table(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame] | None = None) -> Path:
    """Write the table of cells, as .csv or .tsv by its name."""
    table = change(cells()) if change else cells()
    table.to_csv(path, sep="," if ".csv" in path.suffixes else "\t", index_label="barcode")
    return path
