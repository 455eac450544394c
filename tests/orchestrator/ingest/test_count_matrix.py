"""The right matrix is taken, every value of it is checked, and what is not counts is refused with the reason."""

from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.ingest import values
from orchestrator.ingest.count_matrix import Counts, find_counts, ranked
from orchestrator.ingest.formats import open_source
from orchestrator.ingest.genes import read_genes
from tests.support.orchestrator import raw_files
from tests.support.orchestrator.raw_files import GENES, N_CELLS

Change = Callable[[ad.AnnData], object]


def chosen(change: Change, folder: Path, layer: str | None = None) -> tuple[Counts, np.ndarray]:
    cells = raw_files.atlas()
    change(cells)
    cells.write_h5ad(folder / "file.h5ad")
    with open_source(folder / "file.h5ad") as source:
        found = find_counts(source, cells.n_obs, read_genes, layer)
        return found, sparse.vstack([block for _, block in found.blocks()]).toarray()


def normalized(counts: sparse.csr_matrix, target: float = 1e4) -> sparse.csr_matrix:
    return sparse.csr_matrix(sparse.diags(target / np.asarray(counts.sum(axis=1)).ravel()) @ counts, dtype=np.float32)


def lognorm(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    return normalized(counts).log1p()


def noisy(counts: sparse.csr_matrix, low: float = 0.8) -> sparse.csr_matrix:
    found = counts.copy()
    found.data *= np.random.default_rng(0).uniform(low, 1, len(found.data)).astype(np.float32)
    return found


def binarized(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    return (counts > 0).astype(np.float32)


def ranks(counts: sparse.csr_matrix, method: str) -> np.ndarray:
    return np.asarray(stats.rankdata(counts.toarray(), axis=1, method=method), dtype=np.float32)


def with_layer(name: str, x: Callable[[sparse.csr_matrix], object]) -> Change:
    def change(cells: ad.AnnData) -> None:
        cells.layers[name] = cells.X.copy()
        cells.X = x(cells.X)

    return change


def with_raw(x: Callable[[sparse.csr_matrix], object]) -> Change:
    def change(cells: ad.AnnData) -> None:
        cells.raw = cells.copy()
        cells.X = x(cells.X)

    return change


def x_as(make: Callable[[sparse.csr_matrix], object]) -> Change:
    return lambda cells: setattr(cells, "X", make(cells.X))


def then(*changes: Change) -> Change:
    def change(cells: ad.AnnData) -> None:
        for each in changes:
            each(cells)

    return change


LAYERS: dict[str, tuple[Change, str]] = {
    "log in X": (with_layer("counts", lognorm), "layers/counts"),
    "other name": (with_layer("counts_RNA", lognorm), "layers/counts_RNA"),
    "another name": (with_layer("RNA_raw_counts", lognorm), "layers/RNA_raw_counts"),
    "UMI": (with_layer("umi", lognorm), "layers/umi"),
    "no usual name": (with_layer("original", noisy), "layers/original"),
    "raw": (with_raw(lognorm), "raw/X"),
    "raw beside a scaled X": (with_raw(lambda x: x.toarray() - 1), "raw/X"),
    "binarized X": (with_layer("counts", binarized), "layers/counts"),
    "binarized X, other name": (with_layer("original", binarized), "layers/original"),
    "binarized X, raw": (with_raw(binarized), "raw/X"),
    "ranks in X": (with_layer("original", lambda x: ranks(x, "ordinal")), "layers/original"),
    "ranks with ties in X": (with_layer("original", lambda x: ranks(x, "min")), "layers/original"),
    "mean ranks in X": (with_layer("original", lambda x: ranks(x, "average")), "layers/original"),
    "stale X": (with_layer("counts", lambda x: x * 2), "layers/counts"),
    "binarized counts": (lambda cells: cells.layers.update(counts=binarized(cells.X)), "X"),
    "NaN in counts": (lambda cells: cells.layers.update(counts=cells.X * np.float32(np.nan)), "X"),
    "rounded": (lambda cells: cells.layers.update(norm_rounded=lognorm(cells.X).rint()), "X"),
    "spliced": (lambda cells: cells.layers.update(spliced=cells.X - binarized(cells.X)), "X"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_matrix_of_counts_is_chosen(name: str, tmp_path: Path) -> None:
    change, wanted = LAYERS[name]
    found, read = chosen(change, tmp_path)
    assert (found.name, found.kind) == (wanted, values.COUNTS)
    assert np.array_equal(read, raw_files.counts().toarray())


def test_names_of_layers_are_tried_in_a_fixed_order() -> None:
    names = ["X", "layers/spliced", "layers/log_counts", "layers/z", "raw/X", "layers/umi", "layers/counts_RNA",
             "layers/unspliced", "layers/raw_counts", "layers/counts"]  # fmt: skip
    assert ranked(dict.fromkeys(names)) == [
        "layers/counts", "layers/raw_counts", "layers/counts_RNA", "layers/umi", "raw/X", "X", "layers/z",
        "layers/log_counts", "layers/spliced",
    ]  # fmt: skip


def test_a_note_says_that_only_spliced_reads_are_counted(tmp_path: Path) -> None:
    """Regression: without a word, the counts were those of the spliced reads alone."""

    def change(cells: ad.AnnData) -> None:
        cells.layers["spliced"], cells.layers["unspliced"] = cells.X.copy(), cells.X.copy()
        cells.X = lognorm(cells.X + binarized(cells.X)).rint() * 0.37

    found, _ = chosen(change, tmp_path)
    assert found.name == "layers/spliced"
    assert any("only spliced reads" in note and "--layer" in note for note in found.notes)
    assert not any("only spliced" in note for note in chosen(LAYERS["spliced"][0], tmp_path)[0].notes)


def test_other_whole_numbers_are_noted(tmp_path: Path) -> None:
    found, _ = chosen(with_layer("counts", lambda x: x * 2), tmp_path)
    assert found.notes == ("X holds other whole numbers: layers/counts is used (--layer X takes the other)",)
    assert chosen(with_layer("counts", lambda x: x), tmp_path)[0].notes == ()


@pytest.mark.parametrize("layer", ["X", "counts", "layers/counts", "raw", "raw/X"])
def test_a_layer_can_be_named(layer: str, tmp_path: Path) -> None:
    def change(cells: ad.AnnData) -> None:
        with_raw(lambda x: x)(cells)
        with_layer("counts", lambda x: x)(cells)

    assert chosen(change, tmp_path, layer)[0].name.removeprefix("layers/") in {layer, f"{layer}/X", "counts"}
    with pytest.raises(AtlasUnusable, match=r"no matrix other.*X, raw/X, counts"):
        chosen(change, tmp_path, "other")


RECOVERED: dict[str, tuple[Callable[[sparse.csr_matrix], object], str]] = {
    "log1p": (lognorm, "log1p"),
    "log1p, dense": (lambda x: lognorm(x).toarray(), "log1p"),
    "log1p, CSC": (lambda x: lognorm(x).tocsc(), "log1p"),
    "log1p of float64": (lambda x: normalized(x, 1e6).astype(np.float64).log1p(), "log1p"),
    "log2": (lambda x: lognorm(x) / np.float32(np.log(2)), "log2(1 + x)"),
    "no log": (normalized, "normalized values"),
    "CPM": (lambda x: normalized(x, 1e6), "normalized values"),
    "square root": (lambda x: normalized(x).sqrt(), "square roots"),
}


@pytest.mark.parametrize("name", RECOVERED)
def test_counts_are_recovered_from_scaled_ones(name: str, tmp_path: Path) -> None:
    make, kind = RECOVERED[name]
    found, read = chosen(x_as(make), tmp_path)
    assert found.kind == kind
    assert any("recovered" in note for note in found.notes)
    smallest = np.array([row[row > 0].min() for row in raw_files.counts().toarray()])
    assert (smallest == 1).all()
    assert np.array_equal(read, raw_files.counts().toarray())


def test_one_cell_from_which_counts_cannot_be_recovered_is_named(tmp_path: Path) -> None:
    """The sample does not see the cell: a matrix is checked whole."""

    def change(cells: ad.AnnData) -> None:
        cells.X = lognorm(cells.X)

    cells = ad.concat([raw_files.atlas()] * 20, index_unique="-")
    change(cells)
    spoiled = 700 + 1
    first, last = cells.X.indptr[spoiled : spoiled + 2]
    cells.X.data[first:last] = np.random.default_rng(0).uniform(1, 3, last - first)
    cells.write_h5ad(tmp_path / "file.h5ad")
    with (
        open_source(tmp_path / "file.h5ad") as source,
        pytest.raises(AtlasUnusable, match=r"cannot be recovered.*in cell AAAC0041-1-11"),
    ):
        find_counts(source, cells.n_obs, read_genes)


@pytest.mark.parametrize("low", [0.5, 0.8, 0.99])
def test_fractional_counts_are_rounded_with_a_note(low: float, tmp_path: Path) -> None:
    found, read = chosen(x_as(lambda x: noisy(x, low)), tmp_path)
    assert found.kind == values.FRACTIONAL
    assert any("rounded" in note for note in found.notes)
    assert np.array_equal(read, np.rint(noisy(raw_files.counts(), low).toarray()))


def test_reads_shared_by_halves_are_fractional_and_not_scaled(tmp_path: Path) -> None:
    def change(cells: ad.AnnData) -> None:
        half = np.random.default_rng(0).random(len(cells.X.data)) < 0.1
        cells.X.data[half] += 0.5

    found, read = chosen(change, tmp_path)
    assert found.kind == values.FRACTIONAL
    assert abs(read - raw_files.counts().toarray()).max() <= 1


def subset(cells: ad.AnnData) -> None:
    """Take log-normalized values of half of the genes, changed a little, as a batch correction does."""
    cells.X = lognorm(cells.X)
    cells.X.data += np.random.default_rng(0).uniform(0, 0.2, len(cells.X.data)).astype(np.float32)
    cells._inplace_subset_var(np.arange(0, len(GENES), 2))


def tpm(cells: ad.AnnData) -> None:
    lengths = sparse.diags(np.random.default_rng(0).uniform(0.5, 5, len(GENES)))
    cells.X = normalized(sparse.csr_matrix(cells.X @ lengths), 1e6)


def defective(value: float) -> Change:
    def change(cells: ad.AnnData) -> None:
        values = cells.X.toarray()
        values[40, 7] = value
        cells.X = sparse.csr_matrix(values)

    return change


REFUSED: dict[str, tuple[Change, str]] = {
    "NaN": (defective(np.nan), rf"X has 1 NaN \(the first in cell AAAC0040-1, gene {GENES[7]}\).*Set missing values"),
    "infinite": (defective(np.inf), r"X has 1 infinite values \(the first in cell AAAC0040-1"),
    "negative": (defective(-3), r"X has 1 negative values \(the first in cell AAAC0040-1.*never negative"),
    "dense negative": (
        then(defective(-3), x_as(lambda x: x.toarray())),
        r"X has 1 negative values",
    ),
    "CSC NaN": (then(defective(np.nan), x_as(lambda x: x.tocsc())), "X has 1 NaN"),
    "binarized": (x_as(binarized), r"only 0 and 1.*--layer X takes it"),
    "bool": (x_as(lambda x: x > 0), "only 0 and 1"),
    "ranks": (x_as(lambda x: ranks(x, "average")), "ranks"),
    "rounded": (x_as(lambda x: np.rint(lognorm(x).toarray())), r"vary less than counts.*--layer X takes it"),
    "scaled": (x_as(lambda x: x.toarray() / 3 - 1), "negative values"),
    "corrected logarithms": (subset, "X holds values that are not counts"),
    "TPM": (tpm, "X holds values that are not counts"),
    "log TPM": (
        then(tpm, x_as(lambda x: x.log1p())),
        "X holds values that are not counts",
    ),
    "denoised": (x_as(lambda x: x.toarray() + np.pi / 10), "X holds values that are not"),
    "empty": (x_as(lambda x: sparse.csr_matrix(x.shape)), "no values"),
    "no X": (x_as(lambda _: None), "without a matrix"),
}


def every_place(cells: ad.AnnData) -> None:
    cells.layers["counts"] = binarized(cells.X)
    tpm(cells)
    cells.raw = ad.AnnData(cells.X * np.float32(-1), obs=cells.obs, var=cells.var)


REFUSED["every place"] = (
    every_place,
    r"layers/counts holds only 0 and 1 \(binarized\); raw/X has \d+ negative values.*; X holds values that are not counts",
)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_counts_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    change, message = REFUSED[name]
    with pytest.raises(AtlasUnusable, match=message):
        chosen(change, tmp_path)


def test_regression_counts_that_were_cut_at_a_byte_are_told(tmp_path: Path) -> None:
    cut = chosen(x_as(lambda x: np.minimum(x.toarray() * 40, 255)), tmp_path)[0]
    assert "values of 255, and none above: larger counts were most likely cut" in cut.notes[0]
    assert not chosen(x_as(lambda x: np.minimum(x.toarray() * 40, 260)), tmp_path)[0].notes
    assert not chosen(x_as(lambda x: x), tmp_path)[0].notes


def test_a_binarized_matrix_is_taken_only_if_named(tmp_path: Path) -> None:
    found, read = chosen(x_as(binarized), tmp_path, "X")
    assert "warning: X holds only 0 and 1" in found.notes[0]
    assert read.max() == 1


@pytest.mark.parametrize(("n_cells", "n_genes"), [(0, 5), (5, 0)])
def test_a_file_without_cells_or_genes_is_refused(n_cells: int, n_genes: int, tmp_path: Path) -> None:
    var = pd.DataFrame(index=GENES[:n_genes])
    obs = raw_files.cells()[:n_cells]
    ad.AnnData(sparse.csr_matrix((n_cells, n_genes)), obs=obs, var=var).write_h5ad(tmp_path / "file.h5ad")
    with open_source(tmp_path / "file.h5ad") as source, pytest.raises(AtlasUnusable, match="X is empty"):
        find_counts(source, n_cells, read_genes)


def test_raw_has_its_own_genes_and_takes_symbols_from_var(tmp_path: Path) -> None:
    """The layout of CELLxGENE: Ensembl ids, symbols in feature_name, fewer genes in X than in raw."""
    cells = raw_files.atlas()
    cells.var = pd.DataFrame({"feature_name": GENES}, index=[f"ENSG9{i:010}" for i in range(len(GENES))])
    cells.raw = ad.AnnData(cells.X, obs=cells.obs, var=cells.var[[]])
    cells.X = lognorm(cells.X)
    cells = cells[:, :150].copy()
    cells.write_h5ad(tmp_path / "file.h5ad")
    with open_source(tmp_path / "file.h5ad") as source:
        found = find_counts(source, N_CELLS, read_genes)
    assert (found.name, found.genes.symbols) == ("raw/X", tuple(GENES[:150]))
    assert found.genes.notes == ("50 of 200 genes have no symbol and are left out",)


def test_progress_is_reported_for_both_passes(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    cells = raw_files.atlas()
    cells.X = cells.X.tocsc()
    cells.write_h5ad(tmp_path / "file.h5ad")

    def report(phase: str, done: int, total: int) -> None:
        told.append((phase, done, total))

    with open_source(tmp_path / "file.h5ad", report=report) as source:
        list(find_counts(source, N_CELLS, read_genes, report=report).blocks(report))
    assert [phase for phase, done, total in told if done == total] == [
        "sorting by cell",
        "checking counts",
        "writing counts",
    ]
