"""Answers: a model as JSON, with the headers that fit it."""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared.runs.states import Phase

if TYPE_CHECKING:  # a function that answers with no run starts without its models
    from shared.runs.schemas import RunStatus
import re
import zlib

WHEN_PENDING: Final = 5
"""A machine takes a minute to come; asking more often than this tells nobody anything."""
WHEN_RUNNING: Final = {
    Phase.QUERY_ANALYSIS: 2,
    Phase.PROMPT_GENERATION: 2,
    Phase.INFERENCE: 5,
    Phase.EVALUATION: 3,
    Phase.OUTPUT_GENERATION: 2,
    None: 2,
}
"""Seconds after which it is worth asking again, by phase."""


def answer(request: Request, content: BaseModel | Sequence[BaseModel | str], **headers: str) -> Response:
    """A model, or a list of them, as JSON with a strong ETag; 304 where the client has it already.

    Args:
        request: whose `If-None-Match` is honoured.
        content: what to answer.
        headers: more headers, underscores standing for hyphens.
    """
    body = _encode(content)
    extra = {name.replace("_", "-"): value for name, value in headers.items()} | {"ETag": _tag(body)}
    if request.method in {"GET", "HEAD"} and _names(request, body):
        return Response(status_code=304, headers=extra)
    return Response(body, headers=extra, media_type="application/json")


def answer_run(request: Request, status: "RunStatus", **headers: str) -> Response:
    """A run's status, private to its owner, with `Retry-After` while it is not done."""
    if not status.done:
        wait = WHEN_RUNNING[status.current_phase] if status.status == "running" else WHEN_PENDING
        headers["Retry_After"] = str(wait)
    return answer(request, status, Cache_Control="private, no-cache", **headers)


def has(request: Request, content: BaseModel) -> bool:
    """Whether the client names this content in `If-None-Match`."""
    return _names(request, _encode(content))


def _encode(content: BaseModel | Sequence[BaseModel | str]) -> bytes:
    if isinstance(content, BaseModel):
        return content.model_dump_json().encode()
    plain = [item if isinstance(item, str) else item.model_dump(mode="json") for item in content]
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()


def _tag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _names(request: Request, body: bytes) -> bool:
    """Weak comparison, as RFC 9110 has it for `If-None-Match`; a compressed answer carries the tag with a suffix."""
    given = request.headers.get("if-none-match", "")
    tags = (part.strip().removeprefix("W/").replace('-gzip"', '"') for part in given.split(","))
    return given.strip() == "*" or _tag(body) in tags


# FOLDED from compression.py: """Gzip for answers that are long enough to gain by it."""
SHORTEST: Final = 1024
LEVEL: Final = 5
"""Nearly as small as 9 on JSON, at a third of its time."""
GZIP_FORM: Final = 31
"""`wbits` by which zlib writes gzip's header and trailer (https://docs.python.org/3/library/zlib.html#zlib.compressobj); no time is in it,
so the same answer has the same bytes, and the module `gzip`, made for files, is not brought in."""
_REFUSED: Final = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")


def compress(response: Response, accept_encoding: str) -> None:
    """Compress an answer in place, where the client takes gzip and the answer is long.

    The compressed form is another representation, so its ETag is another one: with `-gzip` at the end, which a later
    `If-None-Match` may name (see `respond`).
    """
    response.headers.append("Vary", "Accept-Encoding")
    if len(response.body) < SHORTEST or "content-encoding" in response.headers:
        return
    if "gzip" not in accept_encoding or _REFUSED.search(accept_encoding):
        return
    response.body = zlib.compress(response.body, LEVEL, GZIP_FORM)
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Content-Length"] = str(len(response.body))
    if tag := response.headers.get("etag"):
        response.headers["ETag"] = tag.removesuffix('"') + '-gzip"'
