"""Files of 10x Genomics: `.h5` of version 2 and 3, and folders with matrix.mtx, barcodes and features (or genes), each may be gzipped.

They hold genes × cells by cell, so an `.h5` reads as CSR of cells × genes. They know no cell types, conditions or donors:
`--cells` adds them. A matrix.mtx is text: reading it takes most of the time.
"""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.ingest.by_gene import SortedMatrix, Triplets
from orchestrator.ingest.matrices import CsrMatrix, Matrix
from orchestrator.ingest.progress import Report
from orchestrator.ingest.sources import Source

NEEDS_CELLS: Final = (
    "holds no cell types, conditions or donors. "
    "Give them with --cells TABLE: a .csv or .tsv with the barcodes and these columns."
)
Texts = NDArray[np.object_]

_H5, _MTX = "a 10x .h5", "a 10x matrix.mtx"
WITHOUT_LABELS: Final = (_H5, _MTX)
MATRIX_FILE: Final = re.compile(r"(.*)matrix\.mtx(\.gz)?$")
_HUMAN: Final = re.compile(r"^(GRCh|hg)\d+", re.IGNORECASE)
_LINES: Final = 2_000_000


def tenx_h5_source(file: h5py.File) -> Source:
    """Return the source in a 10x `.h5`.

    Raises:
        AtlasUnusable: a part is missing; the message says which.
    """
    group = _group(file)
    version_3 = group.name == "/matrix"
    names = "features/name" if version_3 else "gene_names"
    ids = "features/id" if version_3 else "genes"
    if names not in group and ids not in group:
        raise AtlasUnusable(
            f"This is a 10x .h5 without {group.name.strip('/')}/{names}, so its genes have no names. Use the complete file that "
            f"Cell Ranger wrote (filtered_feature_bc_matrix.h5); a 10x .h5 also {NEEDS_CELLS}"
        )
    columns = {"gene_symbols": names, "feature_types": "features/feature_type", "genome": "features/genome"}
    var = {name: _texts(group[path]) for name, path in columns.items() if path in group}
    index = _texts(group[ids if ids in group else names])
    n_genes, n_cells = (int(size) for size in group["shape"][:])
    matrix = CsrMatrix(group, (n_cells, n_genes), "matrix")
    return _source(_H5, matrix, pd.DataFrame(var, index=index), _texts(group["barcodes"]))


def mtx_source(path: Path, report: Report) -> Source:
    """Return the source in a folder of 10x, or beside its matrix.mtx.

    Raises:
        AtlasUnusable: a part is missing or damaged; the message says which.
    """
    matrix = path if path.is_file() else _matrix_file(path)
    found = MATRIX_FILE.match(matrix.name)
    prefix = found[1] if found else ""
    features = _beside(matrix, prefix, ("features.tsv", "genes.tsv"))
    barcodes = _beside(matrix, prefix, ("barcodes.tsv",))
    genes = pd.read_csv(features, sep="\t", header=None, dtype=str, keep_default_na=False)
    cells = pd.read_csv(barcodes, sep="\t", header=None, dtype=str, keep_default_na=False)[0].to_numpy()
    names = ["gene_ids", "gene_symbols", "feature_types"][: genes.shape[1]]
    var = pd.DataFrame(genes.iloc[:, : len(names)].to_numpy(), columns=names).set_index("gene_ids")
    with _opened(matrix) as file:
        header, size = _header(file)
    n_rows, n_columns, n_values = size
    if "pattern" in header or "coordinate" not in header:
        raise AtlasUnusable(f"{matrix.name} holds no values by coordinates ({header}). A 10x matrix.mtx is needed.")
    by_cell = (n_rows, n_columns) == (len(cells), len(var)) and len(cells) != len(var)
    if not by_cell and (n_rows, n_columns) != (len(var), len(cells)):
        raise AtlasUnusable(
            f"{matrix.name} is {n_rows} × {n_columns}, but {features.name} names {len(var)} genes and {barcodes.name} {len(cells)} cells. "
            "Use the three files of one matrix."
        )

    def triplets() -> Iterator[Triplets]:
        yield from _triplets(matrix, (len(cells), len(var)), by_cell=by_cell)

    shape = (len(cells), len(var))
    return _source(_MTX, SortedMatrix(triplets, shape, n_values, "text", report), var, cells)


def _source(what: str, matrix: Matrix, var: pd.DataFrame, barcodes: Texts) -> Source:
    """Return the source of a matrix of several kinds of features, and maybe species."""
    if len(barcodes) != matrix.shape[0] or len(var) != matrix.shape[1]:
        raise AtlasUnusable(
            f"This is {what} whose matrix has {matrix.shape[0]} cells × {matrix.shape[1]} genes, but it names {len(barcodes)} cells and "
            f"{len(var)} genes. Use the file as Cell Ranger wrote it."
        )
    return Source(
        what=what,
        matrices={"matrix": matrix},
        read_obs=lambda: pd.DataFrame(index=pd.Index(barcodes)),
        read_var=lambda _: var,
    )


def is_tenx(file: h5py.File) -> bool:
    """Return whether an HDF5 file is a 10x `.h5`."""
    return any(_is_matrix(file[name]) for name in file)


def _group(file: h5py.File) -> h5py.Group:
    """Return the group of the matrix: of version 3, or of the human genome of version 2."""
    groups = [name for name in file if _is_matrix(file[name])]
    if len(groups) == 1:
        return file[groups[0]]
    human = [name for name in groups if _HUMAN.match(name)]
    if len(human) != 1:
        raise AtlasUnusable(
            f"This is a 10x .h5 with the genomes {', '.join(groups)}. Store the matrix of the human one as .h5ad."
        )
    return file[human[0]]


def _is_matrix(element: h5py.Group | h5py.Dataset) -> bool:
    return isinstance(element, h5py.Group) and all(
        name in element for name in ("barcodes", "indptr", "shape", "data", "indices")
    )


def _texts(dataset: h5py.Dataset) -> Texts:
    return np.array([value.decode() if isinstance(value, bytes) else str(value) for value in dataset[:]], dtype=object)


def _matrix_file(folder: Path) -> Path:
    files = sorted(each for each in folder.iterdir() if MATRIX_FILE.match(each.name))
    if len(files) != 1:
        raise AtlasUnusable(
            f"{folder} holds {len(files)} files matrix.mtx ({', '.join(each.name for each in files)}). Give the path of one of them."
        )
    return files[0]


def _beside(matrix: Path, prefix: str, names: tuple[str, ...]) -> Path:
    candidates = [matrix.with_name(f"{prefix}{name}{suffix}") for name in names for suffix in ("", ".gz")]
    found = next((each for each in candidates if each.is_file()), None)
    if found is None:
        raise AtlasUnusable(f"{matrix} needs {prefix}{' or '.join(names)} (or .gz) in the same folder.")
    return found


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _header(file: IO[bytes]) -> tuple[str, tuple[int, int, int]]:
    """Return the first line and the sizes of a matrix.mtx, and leave the file at its first value.

    Raises:
        AtlasUnusable: the file is no matrix.mtx.
    """
    header = file.readline().decode("utf-8", "replace").strip()
    line = file.readline()
    while line.startswith(b"%") or (line and not line.strip()):
        line = file.readline()
    try:
        n_rows, n_columns, n_values = (int(part) for part in line.split())
    except ValueError as error:
        raise AtlasUnusable(
            "The matrix.mtx is damaged: its header has no sizes. Use the file as it was made."
        ) from error
    if not header.startswith("%%MatrixMarket"):
        raise AtlasUnusable("The matrix.mtx is damaged: it does not begin with %%MatrixMarket.")
    return header, (n_rows, n_columns, n_values)


def _triplets(path: Path, shape: tuple[int, int], *, by_cell: bool) -> Iterator[Triplets]:
    """Yield the values of a matrix.mtx, which counts from 1."""
    with _opened(path) as file:
        _, (_, _, n_values) = _header(file)
        if not n_values:
            return
        read = 0
        types = {0: np.int32, 1: np.int32, 2: np.float32}
        try:
            for chunk in pd.read_csv(
                file, sep=r"\s+", header=None, names=range(3), dtype=types, chunksize=_LINES, comment="%"
            ):
                first, second, values = (chunk[column].to_numpy() for column in range(3))
                rows, columns = (first, second) if by_cell else (second, first)
                if min(rows.min(), columns.min()) < 1 or rows.max() > shape[0] or columns.max() > shape[1]:
                    raise AtlasUnusable(f"{path.name} is damaged: a coordinate is outside the matrix.")
                read += len(values)
                yield Triplets(rows - 1, columns - 1, values)
        except (ValueError, EOFError, gzip.BadGzipFile) as error:
            raise AtlasUnusable(f"{path.name} cannot be read: {error}.") from error
    if read != n_values:
        raise AtlasUnusable(f"{path.name} is incomplete: it holds {read} of {n_values} values. Copy it again.")
