"""ListJobs: its filter, its order and its pages; pure.

Of the filter language (https://google.aip.dev/160) this knows terms joined by AND: `status.state`, `name`, `uid`, `priority` and
`labels.KEY`, compared by `=`, `!=` or `:` (has). The rest is refused, not ignored.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from google.cloud import batch_v1

from local.batch.refusal import invalid

Item = TypeVar("Item")

DEFAULT_PAGE: Final = 100
MAX_PAGE: Final = 1000

_TERM: Final = re.compile(
    r"""(?P<field>[A-Za-z_][\w.-]*)\s*(?P<op>!=|=|:)\s*(?P<quote>["']?)(?P<value>[^"'\s]*)(?P=quote)"""
)
_NEWEST_FIRST: Final = "create_time desc"
_ORDERS: Final = ("name", "name desc", "create_time", _NEWEST_FIRST)


def list_jobs(jobs: Iterable[batch_v1.Job], request: batch_v1.ListJobsRequest) -> batch_v1.ListJobsResponse:
    """One page of the jobs below the request's parent.

    Raises:
        Refused: INVALID_ARGUMENT for a filter, order, page size or page token that is not understood.
    """
    keep = job_filter(request.filter)
    found = _ordered(
        [job for job in jobs if job.name.startswith(f"{request.parent}/jobs/") and keep(job)], request.order_by
    )
    page, token = page_of(found, request.page_size, request.page_token)
    return batch_v1.ListJobsResponse(jobs=page, next_page_token=token)


def job_filter(expression: str) -> Callable[[batch_v1.Job], bool]:
    """The test that a filter expression stands for; an empty one keeps all.

    Raises:
        Refused: INVALID_ARGUMENT, it is not understood.
    """
    terms = [_term(part.strip()) for part in re.split(r"\s+AND\s+", expression.strip())] if expression.strip() else []
    return lambda job: all(term(job) for term in terms)


def page_of(items: Sequence[Item], size: int, token: str) -> tuple[Sequence[Item], str]:
    """One page and the token of the next, empty after the last.

    Raises:
        Refused: INVALID_ARGUMENT, a negative size or a token that was not given out.
    """
    if size < 0:
        raise invalid(f"page_size field is invalid. It must not be negative, got {size}")
    if token and not token.isdecimal():
        raise invalid("page_token field is invalid")
    begin = int(token or 0)
    end = begin + min(size or DEFAULT_PAGE, MAX_PAGE)
    return items[begin:end], str(end) if end < len(items) else ""


def _ordered(jobs: list[batch_v1.Job], order: str) -> list[batch_v1.Job]:
    order = order or _NEWEST_FIRST
    if order not in _ORDERS:
        raise invalid(
            f"order_by field is invalid. Supported are name and create_time, with or without desc, got {order!r}"
        )
    field, _, direction = order.partition(" ")
    return sorted(jobs, key=lambda job: getattr(job, field), reverse=direction == "desc")


def _term(text: str) -> Callable[[batch_v1.Job], bool]:
    found = _TERM.fullmatch(text)
    if not found:
        raise invalid(f"filter field is invalid. Not understood: {text!r}")
    read, value = _field(found["field"]), found["value"]
    if found["op"] == "=":
        return lambda job: read(job) == value
    if found["op"] == "!=":
        return lambda job: read(job) != value
    return lambda job: (actual := read(job)) is not None and (value in {"*", ""} or value in actual)


def _field(name: str) -> Callable[[batch_v1.Job], str | None]:
    if name in {"name", "uid", "priority"}:
        return lambda job: str(getattr(job, name))
    if name == "status.state":
        return lambda job: job.status.state.name
    if name.startswith("labels."):
        key = name.removeprefix("labels.")
        return lambda job: job.labels.get(key)
    raise invalid(f"filter field is invalid. Unknown field {name!r}")
