"""Errors of the domain. An error carries a slug; `shared/http/problems.py` alone maps slugs to HTTP statuses.

HaystackError
├── InvalidRequest                 the request cannot be accepted
│   ├── InvalidPageToken
│   ├── IdempotencyMismatch        the key was used with another request
│   └── NotificationRefused        the service does not send this notification
├── QuestionNotAnswerable          no ingested atlas answers the question, or a run cannot answer its kind
├── Unauthenticated                no valid identity
├── Forbidden                      a valid identity that is not allowed to do this
├── NotFound
│   ├── RunNotFound                also for another user's run
│   └── DatasetNotFound
├── RunExists                      a run with this id exists
├── Conflict                       the state of the run does not allow this
│   ├── TransitionRefused
│   ├── RunNotCompleted
│   ├── RunAlreadyFinished
│   ├── RunNotFinished
│   └── RunChanged                 it has changed since the caller read it
├── LimitReached                   a limit of one user
│   ├── TooManyRuns                of active runs
│   ├── TooManyRequests            of requests per minute
│   └── TooManyWaitingRequests     of requests that wait at the same time
├── Unavailable                    Firestore, Batch or Cloud Storage does not answer; a retry helps
│   └── NotWritable                the run store answers reads and refuses writes
├── PermissionMissing              a service that this one depends on refuses it; no retry helps
├── DeliveryFailed                 a notification did not reach its receiver
├── CatalogFull                    an entry is too large for the catalog
├── SubmitRejected                 Batch will never accept this job
└── SettingsInvalid                settings are missing or invalid
"""

from collections.abc import Mapping, Sequence


class HaystackError(Exception):
    """Base of all errors: `slug` is the stable name in responses and logs, `detail` a sentence that says what to do."""

    slug = "internal"
    detail = ""

    def __init__(self, detail: str = "") -> None:
        self.detail = detail or self.detail
        super().__init__(self.detail)


class InvalidRequest(HaystackError):
    """A request that cannot be accepted; `errors` has one `{loc, msg, type}` for each error found."""

    slug = "invalid_request"

    def __init__(self, detail: str, errors: Sequence[dict[str, object]] = ()) -> None:
        super().__init__(detail)
        self.errors = list(errors)


class InvalidPageToken(InvalidRequest):
    """A page token that this list did not issue."""

    slug = "invalid_page_token"

    def __init__(self) -> None:
        super().__init__(
            "This page_token is not valid for this list. Start again without page_token.",
            [{"loc": ["query", "page_token"], "msg": "not a page token of this list", "type": "page_token"}],
        )


class IdempotencyMismatch(InvalidRequest):
    """An Idempotency-Key that was used with another request."""

    slug = "idempotency_mismatch"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used with a different request. Use a new key for a new request.",
            [{"loc": ["header", "Idempotency-Key"], "msg": "used with another request", "type": "idempotency_key"}],
        )


class NotificationRefused(InvalidRequest):
    """A notification that this service does not send; `channel` is its field in `notify`."""

    slug = "notification_refused"

    def __init__(self, channel: str, detail: str) -> None:
        super().__init__(detail, [{"loc": ["body", "notify", channel], "msg": "not available", "type": "notification"}])


class QuestionNotAnswerable(HaystackError):
    """A question that a run cannot answer.

    Attributes:
        interpretation: how the question is read, as JSON values.
        suggestions: similar questions that can be answered.
    """

    slug = "question_not_answerable"

    def __init__(
        self, reasons: Sequence[str], interpretation: Mapping[str, object], suggestions: Sequence[str]
    ) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = list(reasons)
        self.interpretation = interpretation
        self.suggestions = list(suggestions)


class Unauthenticated(HaystackError):
    """No valid identity. The detail never says which check failed."""

    slug = "unauthenticated"
    detail = "Sign in at the address of the service and try again."


class Forbidden(HaystackError):
    """A valid identity that is not allowed to do this."""

    slug = "forbidden"


class NotFound(HaystackError):
    """No such thing."""

    slug = "not_found"


class RunNotFound(NotFound):
    """The caller has no run with this id."""

    slug = "run_not_found"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"You have no run {run_id}. Check the id, or list your runs.")


class DatasetNotFound(NotFound):
    """The catalog has no dataset with this name."""

    slug = "dataset_not_found"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"There is no dataset {name}. Known datasets: {', '.join(sorted(known))}.")


class RunExists(HaystackError):
    """A run with this id exists."""

    slug = "run_exists"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"Run {run_id} already exists.")


class Conflict(HaystackError):
    """The state of the run does not allow the request."""

    slug = "conflict"


class TransitionRefused(Conflict):
    """A change of status that is not in the transition table."""

    slug = "transition_refused"

    def __init__(self, run_id: str, old: str, new: str) -> None:
        super().__init__(f"Run {run_id} is {old} and cannot become {new}.")
        self.old = old
        self.new = new


class RunNotCompleted(Conflict):
    """A run that has no result."""

    slug = "run_not_completed"

    def __init__(self, run_id: str, status: str, advice: str) -> None:
        super().__init__(f"Run {run_id} is {status} and has no result. {advice}")


class RunAlreadyFinished(Conflict):
    """A cancel after the run completed or failed."""

    slug = "run_already_finished"

    def __init__(self, run_id: str, status: str) -> None:
        super().__init__(f"Run {run_id} is already {status} and cannot be cancelled.")


class RunNotFinished(Conflict):
    """A run that is not finished cannot be deleted."""

    slug = "run_not_finished"

    def __init__(self, run_id: str, why: str) -> None:
        super().__init__(f"Run {run_id} {why}")


class RunChanged(Conflict):
    """A cancel of a run that has changed since the caller read it."""

    slug = "run_changed"

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"Run {run_id} has changed since the version in If-Match. Read its status, and cancel it with the new ETag if you still "
            "want to."
        )


class LimitReached(HaystackError):
    """The caller has reached `limit`; another attempt may succeed after `retry_after` seconds."""

    retry_after = 30

    def __init__(self, limit: int, detail: str) -> None:
        super().__init__(detail)
        self.limit = limit


class TooManyRuns(LimitReached):
    """The caller has reached the limit of active runs."""

    slug = "too_many_runs"

    def __init__(self, limit: int) -> None:
        super().__init__(
            limit, f"You have {limit} active runs, which is the limit. Wait for one to finish, or cancel one."
        )


class TooManyRequests(LimitReached):
    """The caller has reached the limit of requests per minute."""

    slug = "too_many_requests"

    def __init__(self, limit: int, retry_after: int) -> None:
        super().__init__(
            limit,
            f"You have sent {limit} requests within a minute, which is the limit. Wait {retry_after} s, and send fewer.",
        )
        self.retry_after = retry_after


class TooManyWaitingRequests(LimitReached):
    """The caller has reached the limit of requests that wait for changes."""

    slug = "too_many_waiting_requests"
    retry_after = 5

    def __init__(self, limit: int) -> None:
        super().__init__(
            limit,
            f"{limit} of your requests wait for changes, which is the limit. Ask without `wait`, or wait for fewer runs.",
        )


class Unavailable(HaystackError):
    """A service that this one depends on did not answer."""

    slug = "unavailable"

    def __init__(self, service: str, problem: str = "is not responding. Try again in a few seconds.") -> None:
        super().__init__(f"{service} {problem}")
        self.service = service


class NotWritable(Unavailable):
    """A database that can be read but not written."""

    def __init__(self, service: str) -> None:
        super().__init__(service, "can be read but not written. Tell the operators of the service.")


class PermissionMissing(HaystackError):
    """A service that this one depends on refuses it, because its account lacks a permission or the API is disabled."""

    slug = "permission_missing"

    def __init__(self, service: str) -> None:
        super().__init__(
            f"This service lacks a permission to use {service}. A retry does not help: tell the operators of the service."
        )
        self.service = service


class DeliveryFailed(HaystackError):
    """A notification that its receiver did not accept; `permanent` if another attempt cannot succeed.

    The detail is for the owner of the run and the log. It names the host at most, since the rest of an address may be secret.
    """

    slug = "delivery_failed"

    def __init__(self, detail: str, *, permanent: bool = False) -> None:
        super().__init__(detail)
        self.permanent = permanent


class CatalogFull(HaystackError):
    """A dataset whose entry is too large for the catalog."""

    slug = "catalog_full"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The catalog has no room for {name}: it has too many groups. "
            "Ingest it as several datasets, or with coarser cell types or donors."
        )


class SubmitRejected(HaystackError):
    """Batch rejects the job permanently, because the request is bad."""

    slug = "submit_rejected"


class SettingsInvalid(HaystackError):
    """Missing or invalid settings, all reported at once."""

    slug = "settings_invalid"

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("Invalid settings: " + "; ".join(errors) + ".")
        self.errors = list(errors)
