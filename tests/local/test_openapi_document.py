"""The document is fresh, valid, complete, and says what the service enforces."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import TypeAdapter, ValidationError

from local.openapi import document
from local.openapi.operations import TAGS
from local.openapi.schemas import trimmed_pattern
from shared import routes
from shared.fields import Query
from shared.http.problems import STATUS_OF

DOCUMENT = document.build()
COMPONENTS = DOCUMENT["components"]
NOT_OF_AN_OPERATION = {"not_found", "method_not_allowed"}
"""Codes of paths that are not ours, and of methods that a path does not answer."""


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and content of every operation."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def resolved(content: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to, or the content itself."""
    if "$ref" not in content:
        return content
    found: dict[str, Any] = DOCUMENT
    for name in content["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """The content of every request and answer, with a name."""
    for _, _, operation in operations():
        name = operation["operationId"]
        for media in operation.get("requestBody", {}).get("content", {}).values():
            yield f"{name} request", media
        for status, response in operation["responses"].items():
            for media in resolved(response).get("content", {}).values():
                yield f"{name} {status}", media


def test_the_file_is_what_the_code_says() -> None:
    assert document.FILE.read_text(encoding="utf-8") == document.as_yaml(), "docs/openapi.yaml is stale: make openapi"


def test_the_document_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_every_user_facing_route_is_there_and_no_internal_one() -> None:
    for route in routes.ROUTES:
        found = [
            operation
            for method, path, operation in operations()
            if method == route.method and route.params(path.replace("{", "").replace("}", "")) is not None
        ]
        assert bool(found) is not route.internal, route.template
        assert all((operation.get("security") == []) is route.anonymous for operation in found)


@pytest.mark.parametrize(("name", "media"), list(contents()), ids=[name for name, _ in contents()])
def test_every_example_fits_its_schema(name: str, media: dict[str, Any]) -> None:
    validator = OAS31Validator({**media["schema"], "components": COMPONENTS})
    assert media["examples"], name
    for shown in media["examples"].values():
        assert [error.message for error in validator.iter_errors(shown["value"])] == []


def test_every_error_that_the_service_knows_is_told_where_it_can_happen() -> None:
    told = {
        (code, int(status))
        for _, _, operation in operations()
        for status, response in operation["responses"].items()
        for code in resolved(response).get("content", {}).get("application/problem+json", {}).get("examples", {})
    }
    assert told == {(code, status) for code, status in STATUS_OF.items() if code not in NOT_OF_AN_OPERATION}


def test_every_field_is_described() -> None:
    bare = [
        f"{model}.{name}"
        for model, schema in COMPONENTS["schemas"].items()
        for name, content in schema.get("properties", {}).items()
        if "description" not in content and model not in {"Health", "Readiness"}
    ]
    assert bare == []


def test_every_operation_has_its_tag_and_its_own_id() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)
    assert {tag for _, _, operation in operations() for tag in operation["tags"]} == set(TAGS)


def test_links_lead_to_operations_that_take_what_they_carry() -> None:
    taken = {
        operation["operationId"]: {resolved(parameter)["name"] for parameter in operation["parameters"]}
        for _, _, operation in operations()
    }
    assert {link["operationId"] for link in COMPONENTS["links"].values()} == {
        "getRun",
        "getRunResult",
        "cancelRun",
        "getDataset",
    }
    for link in COMPONENTS["links"].values():
        assert set(link["parameters"]) <= taken[link["operationId"]]


def test_requests_are_closed_and_answers_open() -> None:
    assert COMPONENTS["schemas"]["CreateRunRequest"]["additionalProperties"] is False
    assert "additionalProperties" not in COMPONENTS["schemas"]["RunStatus"]


BLANKS = "\t\n\x0b\x0c\r \x1c\x1f\x85\xa0\u1680\u2003\u200b\u2028\u202f\u205f\u3000\ufeff"


@given(st.text(st.sampled_from(BLANKS + "aé🧬\0\x1b\x7f"), max_size=24))
@example("x" * 2000)
@example("x" * 2001)
@example(" " * 50 + "x" * 2000 + "\n")
@example("x" + " " * 1999)
def test_the_pattern_of_a_question_takes_what_the_service_takes(text: str) -> None:
    fits = re.search(trimmed_pattern(10, 2000), text) is not None
    try:
        TypeAdapter(Query).validate_python(text)
    except ValidationError:
        assert not fits
    else:
        assert fits
