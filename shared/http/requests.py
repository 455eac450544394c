"""Parse a request's body, query parameters and Idempotency-Key, or raise an error that says what to correct."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Coroutine, Iterable
from typing import Final, TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import ClientDisconnect, Request

from shared.errors import InvalidRequest
from shared.http.problems import (
    MAX_ERRORS,
    MAX_NAME_LENGTH,
    BodyTooLarge,
    ContentCodingUnsupported,
    MalformedJson,
    MediaTypeUnsupported,
)

MAX_BODY_BYTES: Final = 64 * 1024
# A key as it is, or as a string of structured fields (RFC 9651), which draft-ietf-httpapi-idempotency-key-header asks for.
IDEMPOTENCY_KEY: Final = re.compile(r'([!#-~]([!-~]{0,253}[!#-~])?|"([!#-\[\]-~]|\\["\\]){1,255}")')
_NOUNS: Final = {"body": "field", "query": "parameter"}
# Status in the log of a request whose client left; nobody reads the response.
CLIENT_CLOSED_REQUEST: Final = 499
M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


async def read(request: Request) -> bytes:
    """Return the body, and read no more than the limit.

    Raises:
        BodyTooLarge: the announced or the actual body exceeds 64 KiB.
        MalformedJson: the client disconnected before the end of the body.
    """
    announced = request.headers.get("content-length", "")
    # Python refuses to convert a number of some thousand digits.
    if announced.isdecimal() and (len(announced) > 9 or int(announced) > MAX_BODY_BYTES):
        raise BodyTooLarge(MAX_BODY_BYTES)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise BodyTooLarge(MAX_BODY_BYTES)
    except ClientDisconnect:
        # Nobody reads the response; as an unexpected error it would alert the operators.
        raise MalformedJson from None
    return bytes(body)


async def parse(request: Request, model: type[M]) -> M:
    """Return the JSON body as a model.

    Raises:
        BodyTooLarge: the body exceeds 64 KiB.
        MediaTypeUnsupported: the Content-Type is not JSON.
        ContentCodingUnsupported: the body is compressed.
        MalformedJson: the body is not JSON.
        InvalidRequest: the body does not match the model, or repeats a member of an object.
    """
    body = await read(request)
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise ContentCodingUnsupported
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise MediaTypeUnsupported
    try:
        parsed = model.model_validate_json(body)
    except ValidationError as error:
        errors = _details(error)
        if any(each["type"] == "json_invalid" for each in errors):
            raise MalformedJson from None
        raise _invalid(errors, "body") from None
    # Pydantic takes the last of repeated members; another reader of the same body may have taken the first.
    json.loads(body, object_pairs_hook=_refuse_repeated, parse_int=str, parse_float=str, parse_constant=str)
    return parsed


def parse_query(request: Request, model: type[M]) -> M:
    """Return the query parameters as a model.

    Raises:
        InvalidRequest: they do not match the model, have others, or repeat one that is no list.
    """
    given = request.query_params
    lists = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is list}
    values = {name: given.getlist(name) if name in lists else given[name] for name in given}
    repeated = _repeated(name for name, _ in given.multi_items() if name in model.model_fields.keys() - lists)
    try:
        parsed = model.model_validate(values)
    except ValidationError as error:
        raise _invalid([*_details(error), *repeated], "query") from None
    if repeated:
        raise _invalid(repeated, "query")
    return parsed


def idempotency_key(request: Request) -> str | None:
    """Return the Idempotency-Key header, or None without one. In quotes, it is the same key.

    Raises:
        InvalidRequest: there are several, or the key is not 1 to 255 visible ASCII characters.
    """
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1:
        raise _invalid_key("Send one Idempotency-Key, not several.", "given more than once")
    (key,) = keys
    if not IDEMPOTENCY_KEY.fullmatch(key):
        advice = "Send an Idempotency-Key of 1 to 255 visible ASCII characters, or none."
        raise _invalid_key(advice, "not 1 to 255 visible ASCII characters, with or without quotes around them")
    return re.sub(r"\\(.)", r"\1", key[1:-1]) if key.startswith('"') else key


def _invalid_key(detail: str, msg: str) -> InvalidRequest:
    return InvalidRequest(detail, [{"loc": ["header", "Idempotency-Key"], "msg": msg, "type": "idempotency_key"}])


async def unless_disconnected(request: Request, work: Coroutine[None, None, T]) -> T | None:
    """Return the result of the work, or None if the client disconnects first, which cancels the work.

    Servers do not cancel a request whose client left: a page that asks again would soon have many requests that wait.
    """
    tasks = working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_disconnection(request))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnection(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _details(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_context=False, include_input=False)


def _refuse_repeated(members: list[tuple[str, object]]) -> None:
    if errors := _repeated(name for name, _ in members):
        raise _invalid(errors, "body")


def _repeated(names: Iterable[str]) -> list[ErrorDetails]:
    return [
        ErrorDetails(type="repeated", loc=(name,), msg="given more than once", input=None)
        for name, count in Counter(names).items()
        if count > 1
    ]


def _invalid(errors: list[ErrorDetails], place: str) -> InvalidRequest:
    shown = [(_shortened(each["loc"]), each) for each in errors[:MAX_ERRORS]]
    listed: list[dict[str, object]] = [
        {"loc": [place, *loc], "msg": each["msg"], "type": each["type"]} for loc, each in shown
    ]
    names = sorted({str(loc[0]) for loc, _ in shown if loc})
    more = " and more" if len(errors) > MAX_ERRORS else ""
    plural = "s" * (len(names) > 1)
    detail = f"Invalid {_NOUNS[place]}{plural}: {', '.join(names)}{more}." if names else "Send one JSON object."
    return InvalidRequest(detail, listed)


def _shortened(loc: tuple[int | str, ...]) -> list[int | str]:
    return [part[:MAX_NAME_LENGTH] if isinstance(part, str) else part for part in loc]
