"""Profiles: sums over cells that add up, whose variance is that of repeated sampling."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from orchestrator.atlas.atlas import Atlas, AtlasUnusable
from orchestrator.atlas.expression import profile
from orchestrator.atlas.profiles import Profile, read_profile, write_profiles
from shared.catalog.entries import DatasetEntry
from shared.catalog.folders import PROFILES_FILE


def counts(seed: int, n: int = 30, genes: int = 12) -> sparse.csr_matrix:
    rng = np.random.default_rng(seed)
    depth = rng.lognormal(0.0, 0.4, (n, 1))
    return sparse.csr_matrix(rng.poisson(np.linspace(0.1, 6.0, genes) * depth).astype(np.float32))


@given(st.integers(0, 2**32 - 1), st.integers(1, 29))
def test_the_profile_of_all_cells_is_the_sum_of_the_profiles_of_their_parts(seed: int, cut: int) -> None:
    cells = counts(seed)
    whole, parts = Profile.of(cells), Profile.of(cells[:cut]) + Profile.of(cells[cut:])
    assert parts.cells == whole.cells == 30
    assert np.allclose(parts.expression, whole.expression)
    assert np.allclose(parts.variance, whole.variance)
    assert np.array_equal(parts.expressing, np.asarray((cells > 0).sum(axis=0)).ravel())


def test_its_expression_is_that_of_the_pooled_counts() -> None:
    cells = counts(1)
    assert np.allclose(Profile.of(cells).expression, profile(cells))


def test_its_variance_matches_repeated_sampling() -> None:
    drawn = [Profile.of(counts(seed, n=60, genes=40)) for seed in range(300)]
    estimated = np.median([each.variance for each in drawn], axis=0)
    observed = np.var([each.expression for each in drawn], axis=0)
    assert np.median(estimated / observed) == pytest.approx(1, rel=0.15)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    parts = [Profile.of(counts(seed)) for seed in range(3)]
    path = tmp_path / PROFILES_FILE
    write_profiles(iter(parts), 3, 12, path)
    found, wanted = read_profile(path, [0, 2]), parts[0] + parts[2]
    assert found.cells == wanted.cells
    assert np.allclose(found.variance, wanted.variance, rtol=1e-5)
    assert [each.name for each in tmp_path.iterdir()] == [PROFILES_FILE]


def test_an_atlas_has_the_profile_of_the_cells_of_each_group(demo_entry: DatasetEntry, atlas_root: Path) -> None:
    atlas = Atlas(atlas_root / demo_entry.folder)
    group = max(atlas.groups, key=atlas.size)
    cells = atlas.counts(atlas.rows(group, atlas.size(group), np.random.default_rng(0)))
    assert np.allclose(atlas.profile([group]).expression, profile(cells), rtol=1e-5)


def test_an_atlas_of_before_there_were_profiles_says_what_to_do(
    tmp_path: Path, demo_entry: DatasetEntry, atlas_root: Path
) -> None:
    for file in (atlas_root / demo_entry.folder).iterdir():
        if file.name != PROFILES_FILE:
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(AtlasUnusable, match=r"Run orchestrator\.ingest again"):
        Atlas(tmp_path)
