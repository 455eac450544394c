"""How much of one instance of a function a caller may use: requests per minute, and requests that wait at the same time.

The counts are in memory, so a limit costs no read, and each instance counts for itself. Not the library `limits`: it has no token bucket
and no limit of concurrency, and importing it took 110 ms.
"""

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.errors import TooManyWaitingRequests

if TYPE_CHECKING:  # the health function starts without it
    from shared.auth.identity import Caller

WINDOW_SECONDS: Final = 60
# Shortest pause of a caller whose quota is used up. The next request may be admitted sooner, but if many clients of one caller came back
# for it, refusing them would be the load.
PAUSE_SECONDS: Final = 5
# Callers in memory. Beyond it, the one whose last request is the oldest is forgotten, and may send a full quota again.
MAX_CALLERS: Final = 10_000


class Allowance(NamedTuple):
    """Whether a request is admitted, and what is left of its caller's requests.

    Attributes:
        quota: requests per window, and requests that a rested caller may send at once.
        remaining: requests that the caller may send now.
        reset_seconds: seconds until the whole quota remains or, if nothing remains, until the caller should ask again.
    """

    admitted: bool
    quota: int
    remaining: int
    reset_seconds: int
    window_seconds: int = WINDOW_SECONDS


class CallerLimits:
    """The limits of one instance. An instance belongs to one event loop.

    Args:
        requests_per_minute: of one caller; 0: no limit.
        waiting: requests of one caller that may wait at the same time; 0: no limit.
        clock: monotonic time in seconds.
    """

    def __init__(self, *, requests_per_minute: int, waiting: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._quota, self._waiting_limit, self._clock = requests_per_minute, waiting, clock
        # The tokens of each caller's bucket, and when they were counted; the oldest first. A bucket that is not here is full.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._waiting: Counter[str] = Counter()

    def admit(self, caller: "Caller") -> Allowance | None:
        """Count a request if the caller may send it, and return what is left; None without a limit."""
        if not self._quota:
            return None
        now, key = self._clock(), _key(caller)
        self._forget(now)
        tokens, counted_at = self._buckets.get(key, (float(self._quota), now))
        tokens = min(self._quota, tokens + self._tokens(now - counted_at))
        admitted = tokens >= 1
        left = tokens - 1 if admitted else tokens
        self._buckets[key] = left, now
        self._buckets.move_to_end(key)
        reset = self._seconds(self._quota - left) if left >= 1 else max(PAUSE_SECONDS, self._seconds(1 - left))
        return Allowance(admitted, self._quota, int(left), reset)

    @contextmanager
    def waiting(self, caller: "Caller") -> Iterator[None]:
        """Count a request as waiting while the block runs.

        Raises:
            TooManyWaitingRequests: as many requests of this caller wait as may.
        """
        key = _key(caller)
        if self._waiting_limit and self._waiting[key] >= self._waiting_limit:
            raise TooManyWaitingRequests(self._waiting_limit)
        self._waiting[key] += 1
        try:
            yield
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]

    def _forget(self, now: float) -> None:
        """Drop the buckets that are full again, and the oldest if there are too many."""
        while self._buckets:
            key, (_, counted_at) = next(iter(self._buckets.items()))
            if now - counted_at < WINDOW_SECONDS and len(self._buckets) < MAX_CALLERS:
                return
            del self._buckets[key]

    def _tokens(self, seconds: float) -> float:
        return seconds * self._quota / WINDOW_SECONDS

    def _seconds(self, tokens: float) -> int:
        """Return the seconds, rounded up, until this many tokens are added."""
        return math.ceil(tokens * WINDOW_SECONDS / self._quota)


def _key(caller: "Caller") -> str:
    return caller.subject
