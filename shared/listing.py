"""A caller's runs, page by page: by token, which costs the same wherever the page lies, or by number, which bills what it skips."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from pydantic import Field

from shared.errors import InvalidPageToken
from shared.models import Model, RunList, rfc3339
from shared.ports import Caller, Cursor, RunStore
from shared.presentation import run_status
from shared.runs import RunState

_MAC_BYTES: Final = 16


class ListQuery(Model):
    """The query parameters of a list. With `page_token`, `page` is not looked at."""

    page: Annotated[int, Field(ge=1, le=10_000)] = 1
    page_size: Annotated[int, Field(ge=1, le=100)] = 20
    status: list[RunState] = []
    page_token: Annotated[str, Field(max_length=500)] | None = None


@dataclass(frozen=True)
class Place:
    """Where a page begins: behind a run, which is the last of page `page - 1`, with `seen` runs before it."""

    cursor: Cursor
    page: int
    seen: int


async def list_runs(query: ListQuery, caller: Caller, *, token_key: str = "", store: RunStore) -> RunList:
    """One page of the caller's runs, newest first, and how many there are in all.

    Args:
        query: which page, of which states.
        caller: whose runs.
        token_key: a secret that page tokens are signed with.
        store: where runs are kept; it is asked for the page and for the count side by side.

    Raises:
        InvalidPageToken: the token is not one of this caller and these states.
    """
    states = sorted(set(query.status))
    place = None
    if query.page_token is not None:
        place = _open(query.page_token, caller.email, states, token_key)
    number = place.page if place else query.page
    seen = place.seen if place else (number - 1) * query.page_size
    found, total = await asyncio.gather(
        store.page(
            caller.email,
            statuses=states,
            limit=query.page_size,
            after=place.cursor if place else None,
            offset=0 if place else seen,
        ),
        store.count(caller.email, statuses=states),
    )
    seen += len(found)
    token = None
    if len(found) == query.page_size and seen < total:
        behind = Place(Cursor(found[-1].created_at, found[-1].run_id), number + 1, seen)
        token = _seal(behind, caller.email, states, token_key)
    return RunList(
        runs=[run_status(run) for run in found],
        total=total,
        page=number,
        page_size=query.page_size,
        next_page_token=token,
    )


def _seal(place: Place, owner: str, states: Sequence[str], key: str) -> str:
    cursor = place.cursor
    content = json.dumps([rfc3339(cursor.created_at), cursor.run_id, place.page, place.seen]).encode()
    return base64.urlsafe_b64encode(_mac(content, owner, states, key) + content).decode().rstrip("=")


def _open(token: str, owner: str, states: Sequence[str], key: str) -> Place:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidPageToken from None
    mac, content = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(content, owner, states, key)):
        raise InvalidPageToken
    created_at, run_id, page, seen = json.loads(content)
    return Place(Cursor(datetime.fromisoformat(created_at), run_id), page, seen)


def _mac(content: bytes, owner: str, states: Sequence[str], key: str) -> bytes:
    bound = json.dumps([owner, list(states)]).encode() + b"\n" + content
    return hmac.new(key.encode(), bound, hashlib.sha256).digest()[:_MAC_BYTES]
