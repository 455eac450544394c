"""What a user of the service may be told, given what the user was told before. Pure, and written without the service's own rules.

An answer is compared with what was known when its request began: answers of one user may overtake each other, but none may go back behind
what was known before it was asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

Status = Mapping[str, Any]
"""A RunStatus as JSON."""

FOLLOWING: Final = MappingProxyType(
    {
        "pending": frozenset({"pending", "running", "completed", "failed", "cancelled"}),
        "running": frozenset({"running", "completed", "failed", "cancelled"}),
        "completed": frozenset({"completed"}),
        "failed": frozenset({"failed"}),
        "cancelled": frozenset({"cancelled"}),
    }
)
"""What a user who saw a run in one state may see later."""
FIXED: Final = ("run_id", "user_email", "query", "control_strategy", "max_iterations", "created_at")
RISING: Final = ("current_iteration", "attempt")


class WrongAnswer(Exception):
    """An answer that the service must never give."""


def require(holds: bool, sentence: str) -> None:
    """Insist on something about an answer.

    Raises:
        WrongAnswer: it does not hold.
    """
    if not holds:
        raise WrongAnswer(sentence)


@dataclass(frozen=True)
class Known:
    """What a user knows of a run at a moment: its status, and the ETag that came with it, if any."""

    status: Status
    etag: str = ""

    @property
    def done(self) -> bool:
        """Whether nothing about the run can change any more."""
        return bool(self.status["done"])


class SeenRun:
    """One run as its owner has seen it.

    Args:
        owner: whose run it is.
        query: the question as asked.
        first: the first status that was told.
        etag: the ETag that came with it.
    """

    def __init__(self, owner: str, query: str, first: Status, etag: str = "") -> None:
        require(first["user_email"] == owner, f"{owner} was told of a run of {first['user_email']}")
        require(first["query"] == query, f"{first['run_id']} has another question than was asked")
        _check_done(first)
        self.known = Known(first, etag)
        self.cancel_holds = False

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.known.status["run_id"])

    def told(self, status: Status, since: Known, etag: str = "") -> None:
        """Take a status.

        Args:
            status: what was answered.
            since: what was known when the request began.
            etag: the ETag that came with it; empty in a list.

        Raises:
            WrongAnswer: the service contradicts itself.
        """
        before, run_id = since.status, self.run_id
        for name in FIXED:
            require(status[name] == before[name], f"{run_id}: {name} changed from {before[name]} to {status[name]}")
        _check_done(status)
        old, new = before["status"], status["status"]
        require(new in FOLLOWING[old], f"{run_id} went from {old} to {new}")
        for name in RISING:
            require(status[name] >= before[name], f"{run_id}: {name} fell from {before[name]} to {status[name]}")
        require(_moment(status) >= _moment(before), f"{run_id}: updated_at went back")
        require(not since.done or status == before, f"{run_id} changed after its end: {before} became {status}")
        if etag and since.etag:
            same = status == before
            require((etag == since.etag) is same, f"{run_id}: the ETag does not tell whether the run changed")
        if _moment(status) >= _moment(self.known.status):
            self.known = Known(status, etag or (self.known.etag if status == self.known.status else ""))

    def cancel_confirmed(self, since: Known) -> None:
        """Take the answer that a cancel holds.

        Raises:
            WrongAnswer: the run had ended otherwise before.
        """
        require(since.status["status"] not in {"completed", "failed"}, f"{self.run_id} was cancelled after its end")
        self.cancel_holds = True

    def cancel_refused(self) -> None:
        """Take the answer that it is too late for a cancel.

        Raises:
            WrongAnswer: a cancel held before.
        """
        require(not self.cancel_holds, f"{self.run_id} was cancelled, and then could not be cancelled")

    def check_cancel(self, since_confirmed: bool, status: Status) -> None:
        """See that a cancel that was confirmed is seen by each request after it.

        Raises:
            WrongAnswer: it is not.
        """
        require(
            not since_confirmed or status["status"] == "cancelled",
            f"{self.run_id} was cancelled, but is told to be {status['status']}",
        )


@dataclass
class SeenRuns:
    """All that one user knows: the runs, and the questions whose create was never answered, which may have become runs or not."""

    owner: str
    runs: dict[str, SeenRun] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)

    def created(self, query: str, status: Status, etag: str) -> SeenRun:
        """Take the answer to a create. A repeated one, by its key, must give the same run.

        Raises:
            WrongAnswer: it is a run of another question, or of another user.
        """
        known = self.runs.get(status["run_id"])
        if known is not None:
            known.told(status, known.known)
            require(status["query"] == query, f"{known.run_id} stands for two questions")
            return known
        require(not self._asked(query), f"{self.owner} asked once, and has two runs of: {query}")
        run = SeenRun(self.owner, query, status, etag)
        self.runs[run.run_id] = run
        self.unanswered.discard(query)
        return run

    def found(self, status: Status) -> SeenRun:
        """Take a run from a list; one that is not known must belong to a create that was never answered.

        Raises:
            WrongAnswer: nobody asked for this run.
        """
        known = self.runs.get(status["run_id"])
        if known is not None:
            return known
        query = str(status["query"])
        require(query in self.unanswered, f"{self.owner} never asked for {status['run_id']}: {query}")
        return self.created(query, status, "")

    def listed(
        self,
        pages: Sequence[Status],
        *,
        since: Mapping[str, Known],
        cancelled: frozenset[str] = frozenset(),
        wanted: frozenset[str] = frozenset(),
    ) -> None:
        """Take a list, page by page.

        Args:
            pages: the RunLists, from the first to the last.
            since: what was known of each run when the first was asked for.
            cancelled: the runs whose cancel had been confirmed by then.
            wanted: the states that were asked for; empty: all.

        Raises:
            WrongAnswer: a run is missing, foreign, doubled, out of order, in another state, or the total is wrong.
        """
        maybe = len(self.unanswered)  # any of these may have become a run between a page and the count beside it
        listed = [status for page in pages for status in page["runs"]]
        ids = [status["run_id"] for status in listed]
        require(len(set(ids)) == len(ids), f"the list of {self.owner} holds a run twice")
        order = [(datetime.fromisoformat(status["created_at"]), status["run_id"]) for status in listed]
        require(order == sorted(order, reverse=True), f"the list of {self.owner} is out of order")
        for status in listed:
            run = self.found(status)
            require(not wanted or status["status"] in wanted, f"{run.run_id} is not in the states asked for")
            run.check_cancel(run.run_id in cancelled, status)
            run.told(status, since.get(run.run_id, run.known))
        due = {run_id for run_id, known in since.items() if not wanted or _stays(known, wanted)}
        require(due <= set(ids), f"the list of {self.owner} lacks {sorted(due - set(ids))}")
        if not wanted:
            for page in pages:
                off = abs(page["total"] - len(ids))
                require(off <= maybe, f"the total of {self.owner} is {page['total']}, not {len(ids)}")

    def _asked(self, query: str) -> bool:
        return any(run.known.status["query"] == query for run in self.runs.values())


def _stays(known: Known, wanted: frozenset[str]) -> bool:
    """Whether a run, as it was known, must be in one of those states now."""
    return FOLLOWING[known.status["status"]] <= wanted


def _check_done(status: Status) -> None:
    over = status["status"] in {"completed", "failed", "cancelled"}
    require(status["done"] is over, f"{status['run_id']} is {status['status']} and says done: {status['done']}")
    told_why = (status["failure"] is None) is (status["status"] != "failed")
    require(told_why, f"{status['run_id']} is {status['status']} with the failure {status['failure']}")


def _moment(status: Status) -> datetime:
    return datetime.fromisoformat(status["updated_at"])
