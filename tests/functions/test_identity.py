"""Production accepts nobody without IAP's assertion, whatever the other headers contain."""

import os
from pathlib import Path

import httpx
import pytest

from shared import routes, wiring

PATHS = [(route.method, route.template) for route in routes.ROUTES if not route.anonymous]


@pytest.fixture
def store_settings(tmp_path: Path) -> dict[str, str]:
    """Use one store: refusals do not depend on it."""
    return {"STORE": "sqlite", "SQLITE_PATH": str(tmp_path / "runs.db")}


@pytest.mark.parametrize("environment_name", ["production", ""])
@pytest.mark.parametrize(("method", "template"), PATHS)
async def test_production_is_the_default_and_trusts_no_header(
    api: httpx.AsyncClient, method: str, template: str, environment_name: str
) -> None:
    os.environ["ENVIRONMENT"] = environment_name
    wiring.replace(None)
    path = template.format(run_id="run_0123456789ab", subject="datasets", dataset="parse_pbmc")
    headers = {
        "X-Goog-Authenticated-User-Email": "accounts.google.com:ada@example.com",
        "X-Goog-IAP-JWT-Assertion": "made.up.assertion",
    }
    answer = await api.request(method, path, headers=headers)
    assert answer.json() == {
        "type": "https://haystack.example.org/docs/api#unauthenticated",
        "title": "Not signed in",
        "status": 401,
        "detail": "Sign in at the address of the service and try again.",
        "code": "unauthenticated",
        "request_id": "request-1",
    }


async def test_in_development_the_header_names_the_user(api: httpx.AsyncClient) -> None:
    headers = {"X-Goog-Authenticated-User-Email": "accounts.google.com:Ada@Example.com"}
    query = {"query": "How would CD14 monocytes respond to IFN-gamma?"}
    assert (await api.post("/api/v1/runs", json=query, headers=headers)).json()["user_email"] == "ada@example.com"


async def test_invalid_settings_are_a_500_without_details(api: httpx.AsyncClient) -> None:
    del os.environ["PROJECT"]
    wiring.replace(None)
    answer = await api.get("/api/v1/runs")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "PROJECT" not in answer.text
