"""The parts of the document that more than one operation refers to: headers, parameters, links and security schemes."""

from types import MappingProxyType
from typing import Any, Final

from local.openapi import examples
from local.openapi.schemas import Json
from shared.http.requests import KEY

NAMES: Final = MappingProxyType(
    {
        "ETag": "ETag",
        "CacheControl": "Cache-Control",
        "OptionalCacheControl": "Cache-Control",
        "Location": "Location",
        "RetryAfterWhileNotDone": "Retry-After",
        "RequestId": "X-Request-Id",
    }
)
"""The headers of answers, by the name of their component."""

_SECONDS: Final[Json] = {"type": "integer", "minimum": 1}
_TEXT: Final[Json] = {"type": "string"}

HEADERS: Final[Json] = {
    "Authenticate": {"description": "How to sign in.", "required": True, "schema": _TEXT, "example": "Bearer"},
    "CacheControl": {
        "description": "Who may keep the answer, and for how long.",
        "required": True,
        "schema": _TEXT,
        "example": "private, no-cache",
    },
    "OptionalCacheControl": {"description": "Who may keep the answer, and for how long.", "schema": _TEXT},
    "ETag": {
        "description": "Names this very content; send it as `If-None-Match`.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[!#-~]+"$'},
        "example": '"9c56cc51b374c3ba189210d5b6d4bf57"',
    },
    "Location": {
        "description": "The address of the run; not there where `validate_only` was asked for.",
        "schema": {"type": "string", "format": "uri-reference"},
        "example": f"/api/v1/runs/{examples.RUN_ID}",
    },
    "RequestId": {
        "description": "The `X-Request-Id` of the request, or one made for it; the logs hold it.",
        "required": True,
        "schema": _TEXT,
        "example": "22bdba5bbce4420c854a9d8b386f9aef",
    },
    "RetryAfter": {
        "description": "Seconds after which to try again.",
        "required": True,
        "schema": _SECONDS,
        "example": 5,
    },
    "RetryAfterWhileNotDone": {
        "description": "Seconds after which to ask again; not there once the run is done.",
        "schema": _SECONDS,
        "example": 2,
    },
}


def parameters(run_id: Json) -> Json:
    """The parameters that operations refer to.

    Args:
        run_id: the schema of a run's id.
    """
    return {
        "RunId": {
            "name": "run_id",
            "in": "path",
            "required": True,
            "description": "The run's id, as createRun answered it.",
            "schema": run_id,
            "example": examples.RUN_ID,
        },
        "Dataset": {
            "name": "dataset",
            "in": "path",
            "required": True,
            "description": "The dataset's name, as listDatasets answered it.",
            "schema": {"type": "string", "minLength": 1},
            "example": "parse_pbmc",
        },
        "IdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "A key of your own for this request, such as a UUID; it makes a repeat safe.",
            "schema": {"type": "string", "pattern": f"^{KEY.pattern}$"},
        },
        "IfNoneMatch": {
            "name": "If-None-Match",
            "in": "header",
            "description": "The ETag of the answer that you have; where nothing changed, the answer is 304 without a body.",
            "schema": _TEXT,
        },
        "RequestId": {
            "name": "X-Request-Id",
            "in": "header",
            "description": "A name of your own for this request, 1 to 128 visible ASCII characters; anything else is replaced.",
            "schema": _TEXT,
        },
    }


def _link(operation: str, parameter: str, expression: str, description: str) -> Json:
    return {"operationId": operation, "parameters": {parameter: expression}, "description": description}


_ITS_ID: Final = "$response.body#/run_id"
_FIRST_ID: Final = "$response.body#/runs/0/run_id"

LINKS: Final[Json] = {
    "Status": _link("getRun", "run_id", _ITS_ID, "Where the run stands."),
    "Result": _link("getRunResult", "run_id", _ITS_ID, "What the run found, once it is completed."),
    "Cancel": _link("cancelRun", "run_id", _ITS_ID, "Cancel the run while it is not done."),
    "FirstStatus": _link("getRun", "run_id", _FIRST_ID, "Where the first run of the page stands; so for the others."),
    "FirstResult": _link("getRunResult", "run_id", _FIRST_ID, "What the first run of the page found."),
    "FirstCancel": _link("cancelRun", "run_id", _FIRST_ID, "Cancel the first run of the page."),
    "FirstDataset": _link("getDataset", "dataset", "$response.body#/0", "The first dataset; so for the others."),
}

SECURITY_SCHEMES: Final[Json] = {
    "iap_identity_token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": (
            "For programs: an OpenID Connect identity token signed by Google, whose audience is the OAuth client id of Identity-Aware "
            "Proxy (`gcloud auth print-identity-token --audiences=CLIENT_ID`). Where `Authorization` is taken, `Proxy-Authorization` "
            "will do. IAP verifies it and hands the caller on in an assertion that it signs; the service trusts nothing else."
        ),
    },
    "iap_session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "GCP_IAP_AUTH_TOKEN",
        "description": (
            "For people: sign in with Google in the browser. IAP leads there by itself and keeps the session in a cookie, whose name "
            "begins with this or with `__Host-` and this, and ends with a part that IAP chooses."
        ),
    },
}
SECURITY: Final[list[dict[str, list[Any]]]] = [{name: []} for name in SECURITY_SCHEMES]
"""Either of them will do."""
