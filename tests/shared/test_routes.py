"""The route table: every path has a function, every function a folder."""

from pathlib import Path

import pytest

from shared import routes
from shared.routes import Match, MethodMismatch

FOLDERS = Path(__file__).parent.parent.parent / "functions"
RUN = "/api/v1/runs/run_0123456789ab"


@pytest.mark.parametrize(
    ("method", "path", "function"),
    [
        ("POST", "/api/v1/runs", "create"),
        ("POST", "/api/v1/runs/", "create"),
        ("GET", "/api/v1/runs", "list"),
        ("HEAD", "/api/v1/runs", "list"),
        ("GET", RUN, "status"),
        ("GET", f"{RUN}/", "status"),
        ("GET", f"{RUN}/result", "result"),
        ("POST", f"{RUN}/cancel", "cancel"),
        ("DELETE", RUN, "cancel"),
        ("POST", "/api/v1/runs/validate-control-strategy", "validate"),
        ("GET", "/api/v1/metadata/cell-types", "metadata"),
        ("GET", "/api/v1/health", "health"),
        ("GET", "/api/v1/health/ready/", "health"),
        ("POST", "/api/v1/reconcile", "reconcile"),
        ("GET", "/", "web"),
        ("HEAD", "/runs/run_0123456789ab", "web"),
        ("GET", "/apis/v1/runs", "web"),
        ("GET", "/v1/api/runs", "web"),
    ],
)
def test_a_request_finds_its_function(method: str, path: str, function: str) -> None:
    found = routes.match(method, path)
    assert isinstance(found, Match)
    assert found.route.function == function


def test_path_parameters_come_with_the_match() -> None:
    found = routes.match("GET", RUN)
    assert isinstance(found, Match)
    assert found.params == {"run_id": "run_0123456789ab"}


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/api/v1/runs", ("GET", "HEAD", "POST")),
        ("POST", RUN, ("DELETE", "GET", "HEAD")),
        ("GET", f"{RUN}/cancel", ("POST",)),
        ("GET", "/api/v1/runs/validate-control-strategy", ("POST",)),
        ("get", "/api/v1/health", ("GET", "HEAD")),
        ("POST", "/runs", ("GET", "HEAD")),
    ],
)
def test_a_wrong_method_is_told_what_the_path_allows(method: str, path: str, allow: tuple[str, ...]) -> None:
    found = routes.match(method, path)
    assert isinstance(found, MethodMismatch)
    assert found.allow == allow


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1", "/api/v1/runs//", "/api/v2/runs", f"{RUN}/result/x", "/api/v1/run\n"]
)
def test_a_path_that_is_not_ours_finds_nothing(path: str) -> None:
    assert routes.match("GET", path) is None


def test_each_route_has_its_folder_and_each_folder_its_route() -> None:
    folders = {main.parent.name for main in FOLDERS.glob("*/main.py")}
    assert folders == set(routes.FUNCTIONS)
