"""The lifecycle of results depends on the retention of runs."""

import pytest

from deploy.buckets import results_lifecycle


@pytest.mark.parametrize(
    ("days", "kinds"),
    [
        (0, ["AbortIncompleteMultipartUpload", "SetStorageClass"]),
        (60, ["AbortIncompleteMultipartUpload", "Delete"]),
        (365, ["AbortIncompleteMultipartUpload", "SetStorageClass", "Delete"]),
    ],
)
def test_results_lie_cheaper_only_where_they_stay_long_enough_for_it(days: int, kinds: list[str]) -> None:
    assert [rule["action"]["type"] for rule in results_lifecycle(days)["rule"]] == kinds
