"""A caller's runs, page by page: by token, which costs the same wherever the page lies, or by number, which bills what it skips."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
from datetime import datetime
from typing import Final, NamedTuple

from shared.errors import InvalidPageToken
from shared.fields import rfc3339
from shared.models import RunList
from shared.ports import Caller, Cursor, RunFilter, RunStore
from shared.presentation import run_status
from shared.queries import ListQuery

_MAC_BYTES: Final = 16


class Place(NamedTuple):
    """Where a page begins: behind a run, which is the last of page `page - 1`, with `seen` runs before it."""

    cursor: Cursor
    page: int
    seen: int


async def list_runs(query: ListQuery, caller: Caller, *, token_key: str = "", store: RunStore) -> RunList:
    """One page of the caller's runs, newest first, and how many there are in all.

    Args:
        query: which page, of which runs.
        caller: whose runs.
        token_key: a secret that page tokens are signed with.
        store: where runs are kept; it is asked for the page and for the count side by side.

    Raises:
        InvalidPageToken: the token is not one of this caller and this filter.
    """
    wanted = RunFilter(caller.email, tuple(sorted(set(query.status))), query.created_after, query.created_before)
    place = None if query.page_token is None else _open(query.page_token, wanted, token_key)
    number = place.page if place else query.page
    seen = place.seen if place else (number - 1) * query.page_size
    after, offset = (place.cursor, 0) if place else (None, seen)
    found, total = await asyncio.gather(
        store.page(wanted, limit=query.page_size, after=after, offset=offset), store.count(wanted)
    )
    seen += len(found)
    token = None
    if len(found) == query.page_size and seen < total:
        behind = Place(Cursor(found[-1].created_at, found[-1].run_id), number + 1, seen)
        token = _seal(behind, wanted, token_key)
    return RunList(
        runs=[run_status(run) for run in found],
        total=total,
        page=number,
        page_size=query.page_size,
        next_page_token=token,
    )


def _seal(place: Place, wanted: RunFilter, key: str) -> str:
    cursor = place.cursor
    content = json.dumps([rfc3339(cursor.created_at), cursor.run_id, place.page, place.seen]).encode()
    return base64.urlsafe_b64encode(_mac(content, wanted, key) + content).decode().rstrip("=")


def _open(token: str, wanted: RunFilter, key: str) -> Place:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidPageToken from None
    mac, content = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(content, wanted, key)):
        raise InvalidPageToken
    created_at, run_id, page, seen = json.loads(content)
    return Place(Cursor(datetime.fromisoformat(created_at), run_id), page, seen)


def _mac(content: bytes, wanted: RunFilter, key: str) -> bytes:
    """Binds a place to the owner and the filter: a token of another list is none of this one."""
    times = [rfc3339(moment) if moment else None for moment in (wanted.created_after, wanted.created_before)]
    bound = json.dumps([wanted.owner, wanted.statuses, *times]).encode() + b"\n" + content
    return hmac.new(key.encode(), bound, hashlib.sha256).digest()[:_MAC_BYTES]
