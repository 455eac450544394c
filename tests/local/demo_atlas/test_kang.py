"""The real demo atlas lacks one combination, wherever one looks, and says so."""

from importlib.resources import files
from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from local.comparison.measure import NEAREST_TYPE
from local.demo import QUESTION
from local.demo_atlas import CONTROL, KANG, SEMI_SYNTHETIC, WITHHELD_CONDITION, WITHHELD_TYPE, KangFiles, kang
from orchestrator.atlas.atlas import Atlas
from orchestrator.ingest.build import ingest
from shared.catalog.entries import DatasetEntry
from shared.catalog.interpretation import Evidence
from shared.catalog.plans import near_cell_types
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView
from shared.resolver.interpretation import read
from tests.support.catalogs import demo_entry

SOURCE = Path(str(files("local.demo_atlas").joinpath("data", kang.SOURCE)))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> KangFiles:
    return kang.build(tmp_path_factory.mktemp("kang"))


@pytest.fixture(scope="module")
def entry(parts: KangFiles) -> DatasetEntry:
    return ingest(KANG, parts.atlas, parts.atlas.parent / "atlases")


def test_the_shipped_file_is_small() -> None:
    assert SOURCE.stat().st_size < 2e6


def test_the_withheld_cells_are_in_their_own_file_and_all_others_in_the_atlas(parts: KangFiles) -> None:
    atlas, withheld, source = ad.read_h5ad(parts.atlas), ad.read_h5ad(parts.withheld), ad.read_h5ad(SOURCE)
    is_withheld = (source.obs["cluster_id"] == "CD14+ Monocytes") & (source.obs["group_id"] == "stim")
    assert set(withheld.obs_names) == set(source.obs_names[is_withheld])
    assert set(atlas.obs_names) == set(source.obs_names[~is_withheld])
    assert (atlas.n_obs, withheld.n_obs) == (1356, 200)
    assert np.array_equal(atlas.X.toarray(), source[~is_withheld].X.toarray())
    assert np.array_equal(withheld.X.toarray(), source[is_withheld].X.toarray())
    assert set(withheld.obs["cell_type"]) == {WITHHELD_TYPE}
    assert set(withheld.obs["condition"]) == {WITHHELD_CONDITION}


def test_the_ingested_atlas_has_all_combinations_but_the_withheld_one(parts: KangFiles, entry: DatasetEntry) -> None:
    atlas = Atlas(parts.atlas.parent / "atlases" / KANG)
    found = {(group.cell_type, group.condition) for group in atlas.groups}
    types = {each.label for each in entry.cell_types}
    assert {(t, c) for t in types for c in (CONTROL, WITHHELD_CONDITION)} - found == {
        (WITHHELD_TYPE, WITHHELD_CONDITION)
    }
    assert {(group.cell_type, group.condition) for group in entry.groups} == found
    assert entry.donors == ["patient 101", "patient 107"]
    assert sum(atlas.size(group) for group in atlas.groups) == 1356
    assert not list((parts.atlas.parent / "atlases").rglob("*withheld*"))


def test_the_catalog_entry_says_what_is_withheld_and_what_to_cite(entry: DatasetEntry) -> None:
    assert not entry.semi_synthetic
    assert "withheld" in entry.title
    assert "WITHHELD: the CD14+ Monocytes under IFN-beta" in entry.description
    for text in ("Kang HM", "Nature Biotechnology 36:89-94", "10.1038/nbt.4042"):
        assert text in entry.description
    assert "GSE96583" in entry.source
    assert "GSE96583" in entry.licence
    assert "muscat (GPL-3)" in entry.licence


def test_building_anew_gives_the_same_bytes_and_building_again_does_nothing(parts: KangFiles, tmp_path: Path) -> None:
    anew = kang.build(tmp_path / "anew")
    assert [path.read_bytes() for path in anew] == [path.read_bytes() for path in parts]
    before = [path.stat().st_mtime_ns for path in anew]
    kang.build(tmp_path / "anew")
    assert [path.stat().st_mtime_ns for path in anew] == before


def test_a_spoilt_part_is_built_again(parts: KangFiles, tmp_path: Path) -> None:
    KangFiles.of(tmp_path).withheld.write_text("half a file")
    assert kang.build(tmp_path).withheld.read_bytes() == parts.withheld.read_bytes()


def test_symbols_have_no_ensembl_ids_attached(parts: KangFiles) -> None:
    genes = ad.read_h5ad(parts.atlas).var_names
    assert "PTPRC" in genes
    assert not genes.str.contains("ENSG").any()
    assert genes.is_unique


def test_the_demo_question_is_answered_from_real_cells_of_other_types(entry: DatasetEntry) -> None:
    view = CatalogView(datasets(), [entry, demo_entry()])
    found = read(QUESTION, view).interpretation
    assert found.dataset == KANG
    assert found.cell_type is not None
    assert found.cell_type.used is not None
    assert found.cell_type.used.label == WITHHELD_TYPE
    assert found.perturbation is not None
    assert found.perturbation.name == WITHHELD_CONDITION
    assert found.perturbation.evidence is Evidence.MEASURED_IN_OTHER_CELL_TYPES
    assert read("What does TNF do to CD8 T cells?", view).interpretation.dataset == SEMI_SYNTHETIC


def test_the_nearest_type_is_the_one_that_the_ontology_says(entry: DatasetEntry) -> None:
    others = [near.entry.label for near in near_cell_types(entry, "CL:0001054") if near.entry.label != WITHHELD_TYPE]
    assert others[0] == NEAREST_TYPE
