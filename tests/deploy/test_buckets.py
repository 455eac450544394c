"""The lifecycle of results depends on the retention of runs."""

import pytest

from deploy.buckets import OLD_SOURCES, results_lifecycle, sources_lifecycle


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


def test_source_archives_expire_and_the_rules_of_others_stay() -> None:
    """The project's other services upload their sources to the same bucket."""
    other = {"action": {"type": "Delete"}, "condition": {"age": 365}}
    rules = sources_lifecycle({"lifecycle": {"rule": [other]}})["rule"]
    assert rules == [other, OLD_SOURCES]
    assert sources_lifecycle({"lifecycle": {"rule": rules}})["rule"] == rules
    assert OLD_SOURCES["condition"] == {"age": 30, "matchesPrefix": ["services/haystack-"]}
