"""The garbage collector pauses until the first response, and then skips what the cold start created."""

import gc
from collections.abc import Iterator

import pytest

from shared.http import startup


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    gc.enable()
    yield
    gc.unfreeze()
    gc.enable()


def test_the_collector_pauses_until_the_first_response_and_skips_what_was_created_before() -> None:
    startup.begin()
    assert not gc.isenabled()
    created = [[] for _ in range(1000)]  # type: list[list[object]]
    before = gc.get_freeze_count()
    startup.finish()
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(created)


def test_later_responses_change_nothing() -> None:
    startup.begin()
    startup.finish()
    frozen = gc.get_freeze_count()
    created = [[] for _ in range(1000)]  # type: list[list[object]]
    startup.finish()
    assert gc.isenabled()
    assert gc.get_freeze_count() < frozen + len(created)
