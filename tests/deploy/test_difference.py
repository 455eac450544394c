"""What there is covers what is wanted, or it does not."""

import pytest

from deploy.difference import covers, last_segment

LINK = "https://www.googleapis.com/compute/v1/projects/p/global/backendServices/b"


@pytest.mark.parametrize(
    ("actual", "wanted"),
    [
        ({"a": 1, "added": "by the cloud"}, {"a": 1}),
        ({"rules": [{"p": 1, "id": 7}]}, {"rules": [{"p": 1}]}),
        (LINK, "projects/p/global/backendServices/b"),
        (LINK, LINK.replace("www", "compute")),
    ],
)
def test_what_the_cloud_adds_and_how_it_writes_urls_does_not_matter(actual: object, wanted: object) -> None:
    assert covers(actual, wanted)


@pytest.mark.parametrize(
    ("actual", "wanted"),
    [
        (None, {"a": 1}),
        ({}, {"iap": {"enabled": True}}),
        ({"iap": {"enabled": False}}, {"iap": {"enabled": True}}),
        ({"rules": [1, 2]}, {"rules": [2, 1]}),
        ({"rules": [1, 2]}, {"rules": [1]}),
        (LINK, "projects/p/global/backendServices/c"),
        ("https://a.example.org", "https://b.example.org"),
    ],
)
def test_anything_else_does(actual: object, wanted: object) -> None:
    assert not covers(actual, wanted)


def test_a_name_s_last_segment() -> None:
    assert last_segment(LINK) == "b"
    assert last_segment("b") == "b"
