"""Names that become paths or headers cannot leave their folder or end their header."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator import main
from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.ingest.build import ingest
from shared.catalog.entries import DatasetEntry
from shared.gcp.storage import disposition

OUTSIDE = ["..", "../x", "/etc", "a/b", "a\0", "a\n", "", "A", "a" * 64, "%2e%2e", "a\u202e"]


def entry(name: str, atlas: str | None) -> DatasetEntry:
    return DatasetEntry(name=name, atlas=atlas, title="", description="", licence="", source="", ingested=True)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_dataset_and_its_folder_stay_below_the_atlases(name: str, tmp_path: Path) -> None:
    assert entry("good", "good").atlas == "good"
    for outside in ((name, None), ("good", name)):
        with pytest.raises(ValidationError):
            entry(*outside)
    with pytest.raises(AtlasUnusable, match="not a valid dataset name"):
        ingest(name, tmp_path / "a.h5ad", tmp_path / "atlases")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("run_id", ["", "..", "run_0123456789ab\n", "../run_0123456789ab", "run_٠١٢٣٤٥٦٧٨٩ab"])
def test_the_job_refuses_an_invalid_run_id(run_id: str) -> None:
    assert main.main({"RUN_ID": run_id}) is main.Exit.USAGE


def test_a_file_name_cannot_end_its_header() -> None:
    header = disposition('a"; \r\nX-Forged: 1\0é/..', "text/html")
    assert header.isascii()
    assert header.isprintable()
    assert header == "inline; filename*=UTF-8''a%22%3B%20%0D%0AX-Forged%3A%201%00%C3%A9%2F.."
