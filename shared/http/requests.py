"""A request's body and query parameters as models, or an error that says what is wrong with them."""

import json
import re
from collections import Counter
from typing import Final, TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from shared.errors import InvalidRequest
from shared.http.problems import BodyTooLarge, ContentCodingUnsupported, MalformedJson, MediaTypeUnsupported

LIMIT: Final = 64 * 1024
KEY: Final = re.compile(r"[!-~]{1,255}")
MOST_FAULTS: Final = 20
"""Faults that are told of one request: a body of nothing but faults would be answered with eight times its size."""
LONGEST_NAME: Final = 100
"""Characters of an unknown field's name that are told back."""
M = TypeVar("M", bound=BaseModel)


async def read(request: Request) -> bytes:
    """The body, read no further than the limit.

    Raises:
        BodyTooLarge: more than 64 KiB were announced or came.
    """
    announced = request.headers.get("content-length", "")
    # Python refuses to read a number of some thousand digits.
    if announced.isdecimal() and (len(announced) > 9 or int(announced) > LIMIT):
        raise BodyTooLarge(LIMIT)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LIMIT:
            raise BodyTooLarge(LIMIT)
    return bytes(body)


async def parse(request: Request, model: type[M]) -> M:
    """The JSON body as a model.

    Raises:
        BodyTooLarge: over 64 KiB.
        MediaTypeUnsupported: it is not said to be JSON.
        ContentCodingUnsupported: it is said to be compressed.
        MalformedJson: it is not JSON.
        InvalidRequest: it does not fit the model, or an object in it names a member twice; the faults are listed.
    """
    body = await read(request)
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise ContentCodingUnsupported
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise MediaTypeUnsupported
    try:
        parsed = model.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        if any(fault["type"] == "json_invalid" for fault in faults):
            raise MalformedJson from None
        raise _invalid(faults, "body") from None
    # The parser above takes the last of equal names; another reader of the same body may have taken the first.
    json.loads(body, object_pairs_hook=_refuse_repeated, parse_int=str, parse_float=str, parse_constant=str)
    return parsed


def parse_query(request: Request, model: type[M]) -> M:
    """The query parameters that a model knows, as that model; others are let be.

    Raises:
        InvalidRequest: they do not fit the model; the faults are listed.
    """
    given = request.query_params
    values = {
        name: given.getlist(name) if get_origin(field.annotation) is list else given[name]
        for name, field in model.model_fields.items()
        if name in given
    }
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise _invalid(faults, "query") from None


def _refuse_repeated(members: list[tuple[str, object]]) -> None:
    repeated = [name for name, times in Counter(name for name, _ in members).items() if times > 1]
    if repeated:
        faults = [
            ErrorDetails(type="repeated", loc=(name,), msg="given more than once", input=None) for name in repeated
        ]
        raise _invalid(faults, "body")


def _invalid(faults: list[ErrorDetails], place: str) -> InvalidRequest:
    told = [(_shown(fault["loc"]), fault) for fault in faults[:MOST_FAULTS]]
    listed: list[dict[str, object]] = [
        {"loc": [place, *loc], "msg": fault["msg"], "type": fault["type"]} for loc, fault in told
    ]
    names = sorted({str(loc[0]) for loc, _ in told if loc})
    more = " and more" if len(faults) > MOST_FAULTS else ""
    detail = f"Correct {', '.join(names)}{more} and send the request again." if names else "Send one JSON object."
    return InvalidRequest(detail, listed)


def _shown(loc: tuple[int | str, ...]) -> list[int | str]:
    return [part[:LONGEST_NAME] if isinstance(part, str) else part for part in loc]


def idempotency_key(request: Request) -> str | None:
    """Return the Idempotency-Key, or None if there is none.

    Raises:
        InvalidRequest: it is not 1 to 255 visible ASCII characters.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not KEY.fullmatch(key):
        error: dict[str, object] = {
            "loc": ["header", "Idempotency-Key"],
            "msg": "not 1 to 255 visible ASCII characters",
            "type": "idempotency_key",
        }
        raise InvalidRequest("Send an Idempotency-Key of 1 to 255 visible ASCII characters, or none.", [error])
    return key
