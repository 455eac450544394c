"""The adapters of a process."""

import pytest

from shared.errors import SettingsInvalid
from shared.settings import Settings
from shared.wiring import Container


def test_a_run_needs_the_image_of_its_job_before_anything_is_stored() -> None:
    """Without JOB_IMAGE, Batch refused the job after the run was stored."""
    container = Container(Settings(project="p", region="r", results_bucket="b", store="sqlite", sqlite_path="runs.db"))
    with pytest.raises(SettingsInvalid, match="JOB_IMAGE is missing"):
        _ = container.submission
