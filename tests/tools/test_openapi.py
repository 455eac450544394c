"""`docs/openapi.yaml` is current, valid and complete, and describes what the service enforces."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import TypeAdapter, ValidationError

from shared import routes
from shared.fields import Query
from shared.http.problems import DOCUMENTATION, KINDS
from shared.http.requests import IDEMPOTENCY_KEY

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8"))
COMPONENTS = DOCUMENT["components"]
# Codes of paths and methods that the service does not have.
NOT_OF_AN_OPERATION = {"not_found", "method_not_allowed"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and content of every operation."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def resolved(content: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference refers to, or the content itself."""
    if "$ref" not in content:
        return content
    found: dict[str, Any] = DOCUMENT
    for name in content["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a name and the content of every request and response."""
    for _, _, operation in operations():
        name = operation["operationId"]
        for media in operation.get("requestBody", {}).get("content", {}).values():
            yield f"{name} request", media
        for status, response in operation["responses"].items():
            for media in resolved(response).get("content", {}).values():
                yield f"{name} {status}", media


@pytest.mark.parametrize("program", ["tools.openapi", "tools.derived"])
def test_generated_files_are_current(program: str) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", program, "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_the_document_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_every_user_facing_route_is_documented_and_no_internal_route() -> None:
    for route in routes.ROUTES:
        found = [
            operation
            for method, path, operation in operations()
            if method == route.method and route.params(path.replace("{", "").replace("}", "")) is not None
        ]
        assert bool(found) is not route.internal, route.template
        assert all((operation.get("security") == []) is route.anonymous for operation in found)


@pytest.mark.parametrize(("name", "media"), list(contents()), ids=[name for name, _ in contents()])
def test_every_example_is_valid_against_its_schema(name: str, media: dict[str, Any]) -> None:
    validator = OAS31Validator({**media["schema"], "components": COMPONENTS})
    assert media["examples"], name
    for shown in media["examples"].values():
        assert [error.message for error in validator.iter_errors(shown["value"])] == []


def test_every_field_of_a_response_has_an_example() -> None:
    """An example without a field that the service returns would mislead readers, and its schema may not require the field."""
    for name, media in contents():
        schema = resolved(media["schema"])
        if name.endswith("200") and "properties" in schema:
            for shown in media["examples"].values():
                assert shown["value"].keys() == schema["properties"].keys(), name


def test_the_two_answers_of_create_run_are_told_apart_by_a_discriminator() -> None:
    (media,) = (media for name, media in contents() if name.startswith("createRun") and name.endswith("200"))
    mapping = media["schema"]["discriminator"]["mapping"]
    assert {name: last.rpartition("/")[2] for name, last in mapping.items()} == {
        "run": "RunStatus",
        "preview": "RunPreview",
    }
    for kind, reference in mapping.items():
        schema = resolved({"$ref": reference})
        assert "kind" in schema["required"]
        assert schema["properties"]["kind"]["const"] == kind
    for shown in media["examples"].values():
        assert shown["value"]["kind"] in mapping


def test_the_document_names_a_contact_and_what_a_client_can_do_wrong_with_health() -> None:
    assert DOCUMENT["info"]["contact"].keys() == {"name", "url"}
    for path in ("/api/v1/health", "/api/v1/health/ready"):
        assert "422" in DOCUMENT["paths"][path]["get"]["responses"]


def test_every_operation_with_query_parameters_is_a_route_with_them_and_no_other() -> None:
    for method, path, operation in operations():
        match = routes.match(method, path)
        assert isinstance(match, routes.Match)
        assert match.route.query == any(resolved(each)["in"] == "query" for each in operation["parameters"]), path


def test_the_type_of_a_problem_is_an_https_uri() -> None:
    pattern = COMPONENTS["schemas"]["Problem"]["properties"]["type"]["pattern"]
    for code in KINDS:
        assert re.fullmatch(pattern, f"{DOCUMENTATION}#{code}")
    assert DOCUMENTATION.startswith("https://")


def test_every_error_code_is_documented_where_it_can_occur() -> None:
    documented = {
        (code, int(status))
        for _, _, operation in operations()
        for status, response in operation["responses"].items()
        for code in resolved(response).get("content", {}).get("application/problem+json", {}).get("examples", {})
    }
    assert documented == {(code, kind.status) for code, kind in KINDS.items() if code not in NOT_OF_AN_OPERATION}


def test_every_field_has_a_description() -> None:
    bare = [
        f"{model}.{name}"
        for model, schema in COMPONENTS["schemas"].items()
        for name, content in schema.get("properties", {}).items()
        if "description" not in content and model not in {"Health", "Readiness"}
    ]
    assert bare == []


def test_every_operation_has_a_known_tag_and_a_unique_id() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)
    known = {tag["name"] for tag in DOCUMENT["tags"]}
    assert {tag for _, _, operation in operations() for tag in operation["tags"]} == known


def test_links_lead_to_operations_that_accept_their_parameters() -> None:
    accepted = {
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
        assert set(link["parameters"]) <= accepted[link["operationId"]]


def test_request_schemas_are_closed_and_response_schemas_open() -> None:
    assert COMPONENTS["schemas"]["CreateRunRequest"]["additionalProperties"] is False
    assert "additionalProperties" not in COMPONENTS["schemas"]["RunStatus"]


def test_the_pattern_of_idempotency_keys_is_the_one_that_the_service_enforces() -> None:
    assert COMPONENTS["parameters"]["IdempotencyKey"]["schema"]["pattern"] == f"^{IDEMPOTENCY_KEY.pattern}$"


BLANKS = "\t\n\x0b\x0c\r \x1c\x1f\x85\xa0\u1680\u2003\u200b\u2028\u202f\u205f\u3000\ufeff\xad\u2800\ufe0f"


@given(st.text(st.sampled_from(BLANKS + "aé🧬\0\x1b\x7f"), max_size=24))
@example("x" * 2000)
@example("x" * 2001)
@example(" " * 50 + "x" * 2000 + "\n")
@example("x" + " " * 1999)
def test_the_pattern_of_a_question_accepts_what_the_service_accepts(text: str) -> None:
    pattern = COMPONENTS["schemas"]["CreateRunRequest"]["properties"]["query"]["pattern"]
    fits = re.search(pattern, text) is not None
    try:
        TypeAdapter(Query).validate_python(text)
    except ValidationError:
        assert not fits
    else:
        assert fits


def test_the_page_of_the_api_has_each_operation_and_model_and_loads_nothing() -> None:
    page = (ROOT / "docs" / "reference.html").read_text(encoding="utf-8")
    ids = set(re.findall(r' id="(\w+)"', page))
    assert {operation["operationId"] for _, _, operation in operations()} <= ids
    assert COMPONENTS["schemas"].keys() <= ids
    linked = set(re.findall(r'href="([^"]+)"', page))
    assert {link.removeprefix("#") for link in linked if link.startswith("#")} <= ids
    assert {link for link in linked if not link.startswith("#")} == {"/", "/openapi.yaml"}
    assert not re.search(r"<script|<img|<link|src=|url\(|@import", page)
