"""Trying again, a bounded number of times, what can be repeated safely."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from client.failures import Unavailable

PAUSES: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds before the second, third, fourth and fifth attempt, where the service does not say how long to wait."""

LONGEST_PAUSE: Final = 30.0

Say = Callable[[str], None]
T = TypeVar("T")


def patiently(attempt: Callable[[], T], say: Say) -> T:
    """Make an attempt, and repeat it while it fails in a way that may pass.

    Args:
        attempt: what to do; it must be safe to do twice.
        say: takes a line for a person before each pause.

    Raises:
        Unavailable: the last attempt's, or at once where repeating makes no sense.
    """
    for pause in PAUSES:
        try:
            return attempt()
        except Unavailable as failure:
            if not failure.worth_repeating:
                raise
            seconds = min(pause if failure.retry_after is None else failure.retry_after, LONGEST_PAUSE)
            say(f"{failure.message} Trying again in {seconds:g} s.")
            time.sleep(seconds)
    return attempt()
