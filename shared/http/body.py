"""A request's body and query parameters as models, or an error that says what is wrong with them."""

from typing import Final, TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from shared.errors import InvalidRequest
from shared.http.problems import BodyTooLarge, MalformedJson, MediaTypeUnsupported

LIMIT: Final = 64 * 1024
M = TypeVar("M", bound=BaseModel)


async def read(request: Request) -> bytes:
    """The body, read no further than the limit.

    Raises:
        BodyTooLarge: more than 64 KiB were announced or came.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > LIMIT:
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
        MalformedJson: it is not JSON.
        InvalidRequest: it does not fit the model; every fault is listed.
    """
    body = await read(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise MediaTypeUnsupported
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        if any(fault["type"] == "json_invalid" for fault in faults):
            raise MalformedJson from None
        raise _invalid(faults, "body") from None


def parse_query(request: Request, model: type[M]) -> M:
    """The query parameters that a model knows, as that model; others are let be.

    Raises:
        InvalidRequest: they do not fit the model; every fault is listed.
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


def _invalid(faults: list[ErrorDetails], place: str) -> InvalidRequest:
    listed: list[dict[str, object]] = [
        {"loc": [place, *fault["loc"]], "msg": fault["msg"], "type": fault["type"]} for fault in faults
    ]
    names = sorted({str(fault["loc"][0]) for fault in faults if fault["loc"]})
    detail = f"Correct {', '.join(names)} and send the request again." if names else "Send one JSON object."
    return InvalidRequest(detail, listed)
