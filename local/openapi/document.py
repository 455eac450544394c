"""The document as a whole."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, TypeAdapter

from local.openapi import components, problems
from local.openapi.operations import OPERATIONS, TAGS, Operation
from local.openapi.schemas import Json, Mode, Schemas, optional, schemas
from shared import routes
from shared.fields import RunId
from shared.routes import Route

FILE: Final = Path(__file__).resolve().parent.parent.parent / "docs" / "openapi.yaml"
VERSION: Final = "1.0.0"
DESCRIPTION: Final = """\
Ask in plain words how a cell type would respond to a perturbation. A run chooses prompt cells from single-cell atlases, predicts the
response, scores how well the prediction agrees with known biology, and hands out an AnnData file, a report and a log.

**A session**: `createRun`, then `getRun` until `done`, then `getRunResult`; `cancelRun` if you change your mind.

**Errors** are `application/problem+json` (RFC 9457). `code` is stable and meant for programs, `detail` says what to do, `request_id` is
what to quote. A path that is not listed is a 404 `not_found`, a method that a path does not answer a 405 with `Allow`. Another user's run
is a 404, as if it were not there.

**Compatibility**: paths and field names are stable. Fields may be added to answers, so ignore what you do not know; unknown fields in
requests are refused. A trailing slash is accepted everywhere, HEAD wherever GET is.
"""


def build() -> Json:
    """The document.

    Raises:
        KeyError: a user-facing route has no operation in `operations.OPERATIONS`.
    """
    found = schemas(dict(_types()))
    queries = {operation.query.__name__ for _, operation in _documented() if operation.query is not None}
    paths: Json = {}
    for route, operation in _documented():
        path = paths.setdefault(operation.path or route.template, {})
        path[route.method.lower()] = _operation(route, operation, found)
    responses = _share_responses(paths)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "HAYSTACK run service",
            "version": VERSION,
            "summary": "Ask how cells respond, get a grounded prediction.",
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The service that hands out this document"}],
        "security": components.SECURITY,
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in found.named.items() if name not in queries},
            "responses": responses,
            "headers": components.HEADERS,
            "parameters": components.parameters(found.of["run_id"]),
            "links": components.LINKS,
            "securitySchemes": components.SECURITY_SCHEMES,
        },
    }


def as_yaml() -> str:
    """The document as it is kept in `docs/openapi.yaml`."""
    text: str = yaml.dump(
        build(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False
    )
    return "# Made by `make openapi` from the code; a test fails when it is stale.\n" + text


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # yaml's signature
        """Write the same thing out each time: an alias is no use to a reader."""
        return True


def _literal(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _literal)


def _documented() -> Iterator[tuple[Route, Operation]]:
    for route in routes.ROUTES:
        if not route.internal:
            for operation in OPERATIONS[route.method, route.template]:
                yield route, operation


def _types() -> Iterator[tuple[str, tuple[Any, Mode]]]:
    yield "run_id", (RunId, "validation")
    yield "problem", (problems.Problem, "serialization")
    yield "invalid", (problems.InvalidRequestProblem, "serialization")
    for _, operation in _documented():
        yield f"{operation.name} answer", (operation.answer, "serialization")
        if operation.body is not None:
            yield f"{operation.name} body", (operation.body, "validation")
        if operation.query is not None:
            yield f"{operation.name} query", (operation.query, "validation")


def _operation(route: Route, operation: Operation, found: Schemas) -> Json:
    content: Json = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary or route.summary,
        "description": operation.description,
    }
    if route.anonymous:
        content["security"] = []
    cached = route.method == "GET" and "ETag" in operation.headers
    named = [*operation.parameters, *(["IfNoneMatch"] if cached else []), "RequestId"]
    content["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in named]
    if operation.query is not None:
        content["parameters"] += _query(found.named[operation.query.__name__])
    if operation.body is not None:
        bodies = {name: {"value": _sent(body)} for name, body in operation.bodies.items()}
        schema = found.of[f"{operation.name} body"]
        content["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema, "examples": bodies}},
        }
    content["responses"] = {"200": _answer(operation, found.of[f"{operation.name} answer"])}
    if cached:
        headers = [name for name in operation.headers if name != "Location"]
        content["responses"]["304"] = {
            "description": "Nothing changed since the answer that `If-None-Match` names.",
            "headers": _headers(headers),
        }
    content["responses"] |= problems.responses(operation.errors)
    return content


def _share_responses(paths: Json) -> Json:
    """Replace the responses that several operations have alike by references, and give them by name."""
    places = defaultdict(list)
    for path in paths.values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                places[json.dumps(response)].append((operation["responses"], status))
    shared: Json = {}
    for text, uses in places.items():
        response = json.loads(text)
        name = _response_name(response)
        if len(uses) > 1 and name not in shared:
            shared[name] = response
            for responses, status in uses:
                responses[status] = {"$ref": f"#/components/responses/{name}"}
    return shared


def _response_name(response: Json) -> str:
    content = list(response.get("content", {}).values())
    codes = "_or_".join(content[0]["examples"]) if content else "not_modified"
    return codes.title().replace("_", "")


def _answer(operation: Operation, schema: Json) -> Json:
    shown = {name: {"value": _given(value)} for name, value in operation.answers.items()}
    content: Json = {
        "description": operation.answered,
        "headers": _headers(operation.headers),
        "content": {"application/json": {"schema": schema, "examples": shown}},
    }
    if operation.links:
        content["links"] = {name: {"$ref": f"#/components/links/{name}"} for name in operation.links}
    return content


def _headers(names: Iterable[str]) -> Json:
    return problems.refer({components.NAMES[name]: name for name in [*names, "RequestId"]})


def _query(model: Json) -> list[Json]:
    parameters = []
    for name, field in model["properties"].items():
        schema = optional(field)
        description = schema.pop("description")
        parameters.append({"name": name, "in": "query", "description": description, "schema": schema})
    return parameters


def _sent(body: BaseModel) -> Any:  # noqa: ANN401  # JSON
    return body.model_dump(mode="json", exclude_defaults=True)


def _given(value: Any) -> Any:  # noqa: ANN401  # JSON
    return TypeAdapter(Any).dump_python(value, mode="json")
