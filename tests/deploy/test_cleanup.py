"""The cleanup deletes no image that is in use or that a rollback may need."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deploy import image
from deploy.cleanup import DAYS, IN_USE, NEWEST, POLICIES
from deploy.gcloud import Gcloud
from deploy.target import Target
from tests.deploy.conftest import PROJECT, answering

# Images of one package: age in days, and tags.
IMAGES = st.lists(
    st.tuples(
        st.integers(0, 400), st.sampled_from([(), ("content-1",), ("latest",), (IN_USE,), ("content-1", IN_USE)])
    ),
    max_size=40,
)


def matches(policy: dict[str, Any], place: int, age: int, tags: tuple[str, ...]) -> bool:
    """Return whether a policy is about an image, by the documented rules; `place` counts from the newest."""
    if "mostRecentVersions" in policy:
        return place < int(policy["mostRecentVersions"]["keepCount"])
    condition = policy["condition"]
    if condition["tagState"] == "TAGGED":
        return any(tag.startswith(prefix) for tag in tags for prefix in condition["tagPrefixes"])
    return age * 86400 > int(condition["olderThan"].removesuffix("s"))


@given(images=IMAGES)
def test_images_in_use_the_newest_and_the_recent_stay_and_all_others_go(
    images: list[tuple[int, tuple[str, ...]]],
) -> None:
    for place, (age, tags) in enumerate(sorted(images)):
        kinds = {policy["action"]["type"] for policy in POLICIES if matches(policy, place, age, tags)}
        stays = "KEEP" in kinds or "DELETE" not in kinds
        assert stays == (IN_USE in tags or place < NEWEST or age <= DAYS)


def test_without_a_build_jobs_keep_the_image_that_they_use(target: Target) -> None:
    """Regression: after a rollback, `--only` took the newest image instead of the deployed one."""
    listed = [
        {"version": "sha256:new", "tags": ["content-2"], "updateTime": "2026-02-01T00:00:00Z"},
        {"version": "sha256:old", "tags": ["content-1", IN_USE], "updateTime": "2026-01-01T00:00:00Z"},
    ]
    cloud = Gcloud(PROJECT, run=answering(listed))
    assert image.job_image(cloud, target, build=False).endswith("/orchestrator@sha256:old")
