"""Notices that the clock of another process or service differs from that of this process.

Functions and jobs compare times that the other wrote: leases, heartbeats, deadlines. Their limits leave room for `CLOCK_SKEW`; a larger
difference makes them early or late, so operators must learn of it.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from shared import logs
from shared.logs import Severity
from shared.runs.states import CLOCK_SKEW

if TYPE_CHECKING:  # the stores need only the times
    from shared.runs.records import Run

_NONE: Final = timedelta(0)


class ClockCheck:
    """Compares another clock with that of this process, and logs the first difference of more than `CLOCK_SKEW`.

    Args:
        other: whose clock it is, for the log.
    """

    def __init__(self, other: str) -> None:
        self._other = other
        self._noticed = False

    def compare(self, theirs: datetime, *, after: datetime | None = None, before: datetime) -> None:
        """Compare a time of the other clock with the times of this one between which it was read.

        Args:
            after: not known if None; then only a clock that is ahead of this one is noticed.
        """
        ahead = theirs - before
        behind = _NONE if after is None else after - theirs
        difference = ahead if ahead > behind else -behind
        if self._noticed or abs(difference) <= CLOCK_SKEW:
            return
        self._noticed = True
        seconds = round(difference.total_seconds())
        logs.log(Severity.WARNING, "clocks differ by more than a minute", other=self._other, ahead_seconds=seconds)

    def compare_run(self, run: "Run", now: datetime) -> None:
        """Compare the times in a run, which others wrote before now."""
        self.compare(max(run.updated_at, run.heartbeat_at or run.updated_at), before=now)
