"""Everything that can go wrong in the domain. An error carries a slug; `shared/http/problems.py` alone knows HTTP statuses.

HaystackError
├── InvalidRequest                 the question itself cannot be accepted
│   ├── InvalidPageToken
│   └── IdempotencyMismatch        the key was used with another body
├── Unauthenticated                nobody we know is asking
├── Forbidden                      we know who is asking, and it is not for them (reconcile only)
├── NotFound
│   ├── RunNotFound                also for another user's run
│   └── DatasetNotFound
├── RunExists                      a run of this id is there already
├── Conflict                       the run is not in a state for this
│   ├── TransitionRefused
│   ├── RunNotCompleted
│   └── RunAlreadyFinished
├── TooManyRuns                    the caller's limit of active runs is reached
├── Unavailable                    Firestore, Batch or Cloud Storage is away; trying again helps
├── SubmitRejected                 Batch will never take this job
└── SettingsInvalid                the process was started with wrong settings
"""

from collections.abc import Sequence


class HaystackError(Exception):
    """The root: `slug` is the stable name that clients and logs see, `detail` a sentence that says what to do."""

    slug = "internal"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class InvalidRequest(HaystackError):
    """A request that can never be accepted as it is.

    Args:
        detail: what to do about it.
        errors: one `{loc, msg, type}` for each fault found.
    """

    slug = "invalid_request"

    def __init__(self, detail: str, errors: Sequence[dict[str, object]] = ()) -> None:
        super().__init__(detail)
        self.errors = list(errors)


class InvalidPageToken(InvalidRequest):
    """A page token that this service did not give out for this list."""

    slug = "invalid_page_token"

    def __init__(self) -> None:
        super().__init__(
            "This page_token was not given out for this list. Start again without page_token.",
            [{"loc": ["query", "page_token"], "msg": "not a token of this list", "type": "page_token"}],
        )


class IdempotencyMismatch(InvalidRequest):
    """An Idempotency-Key that came before with another body."""

    slug = "idempotency_mismatch"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used with a different request. Use a new key for a new request.",
            [
                {
                    "loc": ["header", "Idempotency-Key"],
                    "msg": "used with another body",
                    "type": "idempotency_key",
                }
            ],
        )


class Unauthenticated(HaystackError):
    """No identity, or one that does not hold. The detail never tells which check failed."""

    slug = "unauthenticated"

    def __init__(self, detail: str = "Sign in through the service's address and try again.") -> None:
        super().__init__(detail)


class Forbidden(HaystackError):
    """A valid identity that may not do this."""

    slug = "forbidden"


class NotFound(HaystackError):
    """Nothing of that name."""

    slug = "not_found"


class RunNotFound(NotFound):
    """No run of this id that the caller may see."""

    slug = "run_not_found"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"There is no run {run_id} among your runs. Check the id, or list your runs.")


class DatasetNotFound(NotFound):
    """No dataset of this name in the catalog."""

    slug = "dataset_not_found"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"There is no dataset {name}. Known datasets: {', '.join(sorted(known))}.")


class RunExists(HaystackError):
    """Create-if-absent found a run of this id."""

    slug = "run_exists"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"Run {run_id} exists.")


class Conflict(HaystackError):
    """The run is not in a state for what was asked."""

    slug = "conflict"


class TransitionRefused(Conflict):
    """A change of status that the transition table does not hold."""

    slug = "transition_refused"

    def __init__(self, run_id: str, old: str, new: str) -> None:
        super().__init__(f"Run {run_id} is {old} and cannot become {new}.")
        self.old = old
        self.new = new


class RunNotCompleted(Conflict):
    """The result of a run that has none."""

    slug = "run_not_completed"

    def __init__(self, run_id: str, status: str, advice: str) -> None:
        super().__init__(f"Run {run_id} is {status} and has no result. {advice}")


class RunAlreadyFinished(Conflict):
    """A cancel that comes after the run completed or failed."""

    slug = "run_already_finished"

    def __init__(self, run_id: str, status: str) -> None:
        super().__init__(f"Run {run_id} is already {status} and cannot be cancelled.")


class TooManyRuns(HaystackError):
    """The caller has as many active runs as allowed."""

    slug = "too_many_runs"

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} active runs, the most allowed. Wait for one to finish, or cancel one.")


class Unavailable(HaystackError):
    """A service we stand on did not answer."""

    slug = "unavailable"

    def __init__(self, service: str) -> None:
        super().__init__(f"{service} is not answering just now. Try again in a few seconds.")
        self.service = service


class SubmitRejected(HaystackError):
    """Batch refuses the job for good (a bad request, no permission, no quota of jobs)."""

    slug = "submit_rejected"


class SettingsInvalid(HaystackError):
    """Settings that are missing or wrong, all told at once."""

    slug = "settings_invalid"

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("Settings are not usable: " + "; ".join(faults) + ".")
        self.faults = list(faults)
