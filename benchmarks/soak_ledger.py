"""What is counted while users ask: every request by its kind and outcome, what was wrong, and what an outage excuses."""

import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx

from benchmarks.soak_model import require

STORE_GRACE: Final = 10.0
"""Seconds after a store is back in which a function may still say 503: its channel waits before it connects again."""
GATEWAY_GRACE: Final = 1.0


@dataclass
class Outage:
    """A time in which something was away on purpose.

    Attributes:
        what: in a few words.
        excused: the failures that it excuses: `503`, or `lost` for an answer that never came.
        grace: seconds after its end that count too.
        began: when.
        ended: when; None: not yet.
        back: seconds from its end to the end of the last request that it excuses.
    """

    what: str
    excused: frozenset[str]
    grace: float
    began: float
    ended: float | None = None
    back: float = 0.0

    def excuses(self, failure: str, began: float, ended: float) -> bool:
        """Whether a request that took so long may have failed that way."""
        if failure not in self.excused or ended < self.began:
            return False
        if self.ended is None:
            return True
        if began > self.ended + self.grace:
            return False
        self.back = max(self.back, ended - self.ended)
        return True


@dataclass
class Ledger:
    """The counts of one soak.

    Attributes:
        outcomes: how often each kind of request had each outcome: an HTTP status, or `lost`.
        seconds: how long the requests of a kind took that were answered as they should.
        wrong: sentences that say what was wrong.
        outages: what was away, and when.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: list[str] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)

    @contextmanager
    def outage(self, what: str, excused: str, grace: float) -> Iterator[None]:
        """Note that something is away while the block lasts, and which failures, divided by blanks, that excuses."""
        outage = Outage(what, frozenset(excused.split()), grace, time.monotonic())
        self.outages.append(outage)
        try:
            yield
        finally:
            outage.ended = time.monotonic()

    def answered(self, kind: str, answer: httpx.Response, began: float) -> bool:
        """Count an answer; gives whether it is one, and no excused 503.

        Raises:
            WrongAnswer: it is an error of the service, an error that is no problem document, or a 503 that nothing excuses.
        """
        self.outcomes[kind, str(answer.status_code)] += 1
        if answer.status_code < 400:
            self.seconds[kind].append(time.monotonic() - began)
            return True
        told = f"{kind}: {answer.status_code} {answer.text[:300]}"
        require(answer.headers.get("content-type") == "application/problem+json", f"no problem document: {told}")
        require(answer.json()["status"] == answer.status_code, f"the problem tells another status: {told}")
        if answer.status_code < 500:
            self.seconds[kind].append(time.monotonic() - began)
            return True
        require(answer.status_code == 503 and answer.headers.get("retry-after", "").isdecimal(), told)
        require(self._excused("503", began), f"nothing was away: {told}")
        return False

    def lost(self, kind: str, error: httpx.TransportError, began: float) -> None:
        """Count a request that was not answered.

        Raises:
            WrongAnswer: nothing excuses that.
        """
        self.outcomes[kind, "lost"] += 1
        require(self._excused("lost", began), f"nothing was away: {kind}: {error!r}")

    def table(self) -> str:
        """The requests by kind."""
        lines = [
            "| request | answered | 503 in an outage | lost in a restart | median, ms | 99th percentile, ms |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        for kind in sorted({kind for kind, _ in self.outcomes}):
            counts = {status: count for (of, status), count in self.outcomes.items() if of == kind}
            away, lost = counts.pop("503", 0), counts.pop("lost", 0)
            seconds = [1000 * each for each in self.seconds[kind]]
            middle, late = (statistics.median(seconds), _late(seconds)) if seconds else (0.0, 0.0)
            told = ", ".join(f"{count} × {status}" for status, count in sorted(counts.items())) or "none"
            lines.append(f"| {kind} | {told} | {away} | {lost} | {middle:,.0f} | {late:,.0f} |")
        return "\n".join(lines)

    def _excused(self, failure: str, began: float) -> bool:
        now = time.monotonic()
        return any(outage.excuses(failure, began, now) for outage in reversed(self.outages))


def _late(seconds: list[float]) -> float:
    return sorted(seconds)[int(0.99 * (len(seconds) - 1))]
