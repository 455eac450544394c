"""A client that `openapi-python-client` generates from the document works with the functions over HTTP."""

import importlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from local.gateway import OPENAPI, Gateway
from local.serving import serving
from shared import wiring
from tests.functions.conftest import small_dataset

PACKAGE = "generated_client"
CONFIG = f"project_name_override: {PACKAGE}\npackage_name_override: {PACKAGE}\npost_hooks: []\n"
QUESTION = "How would CD14 monocytes respond to IFN-gamma?"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the generated package; a warning of the generator is a failure."""
    folder = tmp_path_factory.mktemp("client")
    config = folder / "config.yaml"
    config.write_text(CONFIG)
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning", "--meta", "none"]
    options = ["--path", str(OPENAPI), "--config", str(config), "--output-path", str(folder / PACKAGE)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def store_settings(tmp_path: Path) -> dict[str, str]:
    return {"STORE": "sqlite", "SQLITE_PATH": str(tmp_path / "runs.db")}


@pytest.fixture
async def client(
    environment: dict[str, str], generated: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator["GeneratedClient"]:
    """Return the generated client of functions that are served."""
    assert environment
    await wiring.container().catalog.put(small_dataset())
    monkeypatch.syspath_prepend(generated)
    async with serving(Gateway({})) as url, GeneratedClient(url) as made:
        yield made


class GeneratedClient:
    """The generated package, whose names mypy does not know."""

    def __init__(self, url: str) -> None:
        package = importlib.import_module(PACKAGE)
        self.models = importlib.import_module(f"{PACKAGE}.models")
        self._client = package.Client(base_url=url, raise_on_unexpected_status=True, httpx_args={"trust_env": False})

    async def call(self, operation: str, *arguments: object, **options: object) -> Any:  # noqa: ANN401  # any model
        """Call a generated operation and return its parsed response."""
        module = importlib.import_module(f"{PACKAGE}.api.{operation}")
        return await module.asyncio(*arguments, client=self._client, **options)

    async def __aenter__(self) -> "GeneratedClient":
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.__aexit__(*error)


async def test_a_run_is_created_polled_listed_and_cancelled(client: GeneratedClient) -> None:
    models = client.models
    request = models.CreateRunRequest(query=QUESTION, max_iterations=2)
    run = await client.call("runs.create_run", body=request, idempotency_key="once")
    again = await client.call("runs.create_run", body=request, idempotency_key="once")
    assert isinstance(run, models.RunStatus)
    assert (run.status, run.done, run.max_iterations) == (models.RunState.PENDING, False, 2)
    assert again.run_id == run.run_id
    assert await client.call("runs.get_run", run.run_id) == run
    page = await client.call("runs.list_runs", status=[models.RunState.PENDING], created_before=run.updated_at)
    assert page.runs == []
    page = await client.call("runs.list_runs", status=[models.RunState.PENDING], created_after=run.created_at)
    assert (page.total, page.runs, page.next_page_token) == (1, [run], None)
    cancelled = await client.call("runs.cancel_run", run.run_id)
    assert (cancelled.run_id, cancelled.status) == (run.run_id, models.RunState.CANCELLED)
    assert (await client.call("runs.get_run", run.run_id)).done


async def test_refusals_come_as_typed_problems(client: GeneratedClient) -> None:
    models = client.models
    unknown = await client.call("runs.get_run", "run_0123456789ab")
    assert isinstance(unknown, models.Problem)
    assert (unknown.status, unknown.code) == (404, "run_not_found")
    short = await client.call("runs.create_run", body=models.CreateRunRequest(query="IL-2"))
    assert isinstance(short, models.InvalidRequestProblem)
    assert [error.loc for error in short.errors] == [["body", "query"]]
    refused = await client.call(
        "runs.create_run", body=models.CreateRunRequest(query="Would zork do something to flurbs?")
    )
    assert isinstance(refused, models.QuestionNotAnswerableProblem)
    assert refused.code == "question_not_answerable"
    assert not refused.interpretation.answerable
    assert refused.reasons == [caveat.detail for caveat in refused.interpretation.caveats if caveat.blocking]


async def test_a_question_is_checked_before_it_is_run(client: GeneratedClient) -> None:
    models = client.models
    request = models.CreateRunRequest(query=QUESTION, validate_only=True)
    preview = await client.call("runs.create_run", body=request)
    assert isinstance(preview, models.RunPreview)
    assert preview.would_run
    assert preview.request.validate_only
    question = models.ControlStrategyValidationRequest(query=QUESTION)
    assert await client.call("runs.validate_control_strategy", body=question) == preview.validation
    assert "small_pbmc" in await client.call("catalog.list_datasets")
    assert (await client.call("health.get_readiness")).database == "connected"
