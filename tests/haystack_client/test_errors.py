"""The error tree, and retries."""

import pytest

import haystack_client
from haystack_client import (
    HaystackError,
    NotFound,
    NotSignedIn,
    QuestionNotAnswerable,
    RequestRefused,
    RetryPolicy,
    Unavailable,
)
from haystack_client.errors import Interrupted, retry


class Attempts:
    """Calls that raise the given errors in order, then return how often they were made."""

    def __init__(self, *errors: HaystackError) -> None:
        self.made = 0
        self._errors = list(errors)

    def __call__(self) -> int:
        self.made += 1
        if self._errors:
            raise self._errors.pop(0)
        return self.made


def test_each_error_has_its_exit_code() -> None:
    codes = {kind: kind.exit_code for kind in HaystackError.__subclasses__()}
    assert codes == {RequestRefused: 2, NotFound: 3, NotSignedIn: 4, Unavailable: 5, Interrupted: 130}
    assert {kind.__name__ for kind in codes} - set(haystack_client.__all__) == {"Interrupted"}
    assert QuestionNotAnswerable.exit_code == RequestRefused.exit_code


def test_the_text_of_an_error_says_what_is_wrong_and_what_to_do() -> None:
    assert str(RequestRefused("error 422: Invalid request.", "query: too short")) == (
        "error 422: Invalid request.\nquery: too short"
    )


def test_a_call_is_retried_until_it_succeeds_and_each_retry_is_reported() -> None:
    messages: list[str] = []
    attempts = Attempts(Unavailable("Busy."), Unavailable("Busy.", retry_after=60))
    assert retry(attempts, RetryPolicy(pauses=(0.0, 0.0), longest_pause=0.01, on_retry=messages.append)) == 3
    assert messages == ["Busy. Retrying in 0 s.", "Busy. Retrying in 0.01 s."]


def test_the_last_error_is_raised_after_the_last_attempt() -> None:
    attempts = Attempts(*(Unavailable(f"{number}") for number in range(9)))
    with pytest.raises(Unavailable, match="2"):
        retry(attempts, RetryPolicy(pauses=(0.0, 0.0)))
    assert attempts.made == 3


@pytest.mark.parametrize("error", [Unavailable("Gone.", retryable=False), RequestRefused("Invalid.")])
def test_errors_that_do_not_pass_are_not_retried(error: HaystackError) -> None:
    attempts = Attempts(error)
    with pytest.raises(type(error)):
        retry(attempts, RetryPolicy(pauses=(0.0, 0.0)))
    assert attempts.made == 1


def test_a_policy_without_pauses_makes_one_attempt() -> None:
    attempts = Attempts(Unavailable("Busy."))
    with pytest.raises(Unavailable):
        retry(attempts, RetryPolicy(pauses=()))
    assert attempts.made == 1
