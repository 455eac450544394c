"""What lives as long as the process is left alone by the collector, and only that."""

import gc

import pytest

from shared.http.startup import FirstAnswer, undisturbed


def test_what_is_made_undisturbed_is_left_alone_for_good() -> None:
    with undisturbed():
        assert not gc.isenabled()
        made = [[] for _ in range(1000)]  # type: list[list[object]]
        before = gc.get_freeze_count()
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(made)


def test_the_collector_is_kept_out_until_the_first_answer_is_out_and_leaves_alone_what_that_brought() -> None:
    first = FirstAnswer()
    assert not gc.isenabled()
    with first.undisturbed():
        assert not gc.isenabled()
        brought = [[] for _ in range(1000)]  # type: list[list[object]]
        before = gc.get_freeze_count()
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(brought)


def test_later_answers_are_none_of_its_business() -> None:
    first = FirstAnswer()
    with first.undisturbed():
        pass
    frozen = gc.get_freeze_count()
    with first.undisturbed():
        assert gc.isenabled()
    assert gc.get_freeze_count() <= frozen


def test_the_collector_works_again_after_an_answer_that_failed() -> None:
    with pytest.raises(ValueError, match="broken"), FirstAnswer().undisturbed():
        raise ValueError("broken")
    assert gc.isenabled()
