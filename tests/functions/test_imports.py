"""A function imports only what it needs for its responses, because its cold start pays forevery module."""

import asyncio
import json
import sys
from pathlib import Path

import httpx
import pytest

from shared import routes
from shared.runs.ports import RunDatabase
from shared.stores.firestore_client import FirestoreDatabase
from tests.functions.conftest import AUDIENCE, Cloud
from tests.functions.test_runs import finish

ROOT = Path(__file__).parent.parent.parent
# A fresh process that serves a function, sends it one request, and prints the names of its modules.
PROGRAM = """
import asyncio, gc, json, sys
import functions_framework.aio
_, name, method, path, body, token = sys.argv
app = functions_framework.aio.create_asgi_app("handle", f"functions/{name}/main.py", "http")
assert not gc.isenabled()

async def send_request():
    async def receive():
        return {"type": "http.request", "body": body.encode()}
    async def send(message):
        assert message.get("status", 200) == 200, message
    headers = [(b"content-type", b"application/json"), (b"authorization", b"Bearer " + token.encode())]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers, "server": ("h", 1)}
    await app(scope, receive, send)

asyncio.run(send_request())
assert gc.isenabled() and gc.get_freeze_count() > 10_000
print(json.dumps(sorted(sys.modules)))
"""
QUESTION = json.dumps({"query": "How would CD14 monocytes respond to IFN-gamma?"})
REQUESTS = {
    "cancel": ("POST", "/api/v1/runs/{run_id}/cancel", ""),
    "create": ("POST", "/api/v1/runs", QUESTION),
    "health": ("GET", "/api/v1/health", ""),
    "list": ("GET", "/api/v1/runs", ""),
    "metadata": ("GET", "/api/v1/metadata/perturbations", ""),
    "reconcile": ("POST", "/api/v1/reconcile", "{}"),
    "result": ("GET", "/api/v1/runs/{run_id}/result", ""),
    "status": ("GET", "/api/v1/runs/{run_id}", ""),
    "validate": ("POST", "/api/v1/runs/validate-control-strategy", QUESTION),
    "web": ("GET", "/", ""),
}
SCIENTIFIC = {"numpy", "scipy", "pandas", "anndata", "scanpy", "decoupler", "h5py", "matplotlib", "sklearn"}
OF_OTHER_PROGRAMS = {"deploy", "haystack_client", "local", "orchestrator", "tests", "tools"}
GOOGLE_CLIENTS = {"grpc", "google.api_core", "google.auth", "google.cloud.firestore_v1", "google.protobuf"}
# The only functions that may import these.
ONLY = {
    "google.cloud.batch_v1": {"cancel", "create", "reconcile"},
    "google.cloud.storage": {"result"},
    "shared.resolver": {"create", "validate"},
    "shared.runs.notifier": {"reconcile"},
    "shared.runs.reconciler": {"reconcile"},
    "shared.runs.sweeper": {"reconcile"},
    "shared.senders": set[str](),  # imported at the first notification
    "smtplib": set[str](),
    "standardwebhooks": set[str](),
}


@pytest.fixture
def store_settings(firestore: FirestoreDatabase, firestore_host: str) -> dict[str, str]:
    """Use only Firestore, as deployed functions do."""
    return {"STORE": "firestore", "FIRESTORE_EMULATOR_HOST": firestore_host, "PROJECT": firestore.name.split("/")[1]}


async def modules_after_a_response(name: str, settings: dict[str, str], run_id: str, token: str) -> set[str]:
    method, path, body = REQUESTS[name]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, name, method, path.format(run_id=run_id), body, token),
        cwd=ROOT,
        env={**settings, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return set(json.loads(output))


def test_every_function_is_tested() -> None:
    assert set(REQUESTS) == set(routes.FUNCTIONS)


@pytest.fixture
async def run_id(name: str, api: httpx.AsyncClient, store: RunDatabase, tmp_path: Path) -> str:
    """Create a run, which is completed for the function `result`."""
    run_id: str = (await api.post("/api/v1/runs", json=json.loads(QUESTION))).json()["run_id"]
    if name == "result":
        await finish(run_id, store, tmp_path)
    return run_id


def is_loaded(package: str, modules: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for module in modules)


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_response_imports_only_what_its_function_needs(
    name: str, settings: dict[str, str], run_id: str, cloud: Cloud
) -> None:
    modules = await modules_after_a_response(name, settings, run_id, cloud.issuer.token(AUDIENCE))
    assert not modules & (SCIENTIFIC | OF_OTHER_PROGRAMS | {"aiohttp", "httpx", "sqlite3"})
    for package, functions in ONLY.items():
        assert name in functions or not is_loaded(package, modules), package
    assert is_loaded("google.cloud.batch_v1", modules) == (name in ONLY["google.cloud.batch_v1"])
    if name in {"health", "web"}:
        assert not modules & (GOOGLE_CLIENTS | {"pydantic", "cryptography", "jwt"})
