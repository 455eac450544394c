"""Answers: a model as JSON, with the headers that fit it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared.models import RunStatus
from shared.runs import RunState

RETRY_AFTER: Final = {RunState.PENDING: "2", RunState.RUNNING: "2"}


def answer(request: Request, content: BaseModel | Sequence[BaseModel | str], **headers: str) -> Response:
    """A model, or a list of them, as JSON with a strong ETag; 304 where the client has it already.

    Args:
        request: whose `If-None-Match` is honoured.
        content: what to answer.
        headers: more headers, underscores standing for hyphens.
    """
    body = _encode(content)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    extra = {name.replace("_", "-"): value for name, value in headers.items()} | {"ETag": tag}
    if request.method in {"GET", "HEAD"} and _has(request.headers, tag):
        return Response(status_code=304, headers=extra)
    return Response(body, headers=extra, media_type="application/json")


def answer_run(request: Request, status: RunStatus, **headers: str) -> Response:
    """A run's status, private to its owner, with `Retry-After` while it is not done."""
    if not status.done:
        headers["Retry_After"] = RETRY_AFTER[status.status]
    return answer(request, status, Cache_Control="private, no-cache", **headers)


def _encode(content: BaseModel | Sequence[BaseModel | str]) -> bytes:
    if isinstance(content, BaseModel):
        return content.model_dump_json().encode()
    plain = [item if isinstance(item, str) else item.model_dump(mode="json") for item in content]
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()


def _has(headers: Mapping[str, str], tag: str) -> bool:
    given = headers.get("if-none-match", "")
    return given.strip() == "*" or tag in (part.strip().removeprefix("W/") for part in given.split(","))
