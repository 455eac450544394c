"""The atlases that are measured are made by the same command that measures them."""

from pathlib import Path

from benchmarks import atlas_scale
from benchmarks.atlas_steps import ATLAS


def test_an_atlas_that_is_not_there_yet_is_made(tmp_path: Path) -> None:
    """The making once told no seconds, and whoever had no atlas from before got no figures."""
    made = atlas_scale.take("write", tmp_path / ATLAS, tmp_path, 300)
    assert made.seconds > made.work_seconds > 0
    assert (tmp_path / ATLAS).stat().st_size > 0
