"""What a function may import: its cold start pays for every module, so each one's set and their number are held in `modules.json`.

A change that brings a module in changes the list too, knowingly; `python -m benchmarks.cold_start` tells what it costs.
"""

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from shared.stores.firestore import FirestoreRunStore
from shared.stores.firestore_client import FirestoreDatabase

from benchmarks import made_runs
from shared import routes
from tests.functions.conftest import AUDIENCE, Cloud

ROOT = Path(__file__).parent.parent.parent
LISTED: dict[str, Any] = json.loads((Path(__file__).parent / "modules.json").read_text())
SCIENTIFIC = {"numpy", "scipy", "pandas", "anndata", "scanpy", "decoupler", "h5py", "matplotlib", "sklearn"}
NEVER = SCIENTIFIC | {"aiohttp", "local", "orchestrator", "requests"}
NEVER |= {"google.api_core", "google.cloud.firestore_v1", "google.cloud.storage"}
IMPORT = """
import json, sys
import functions_framework.aio
app = functions_framework.aio.create_asgi_app("handle", f"functions/{sys.argv[1]}/main.py", "http")
"""
ASK = """
import asyncio
_, _, method, path, body, token = sys.argv

async def ask():
    async def receive():
        return {"type": "http.request", "body": body.encode()}
    async def send(message):
        assert message.get("status", 200) == 200, message
    headers = [(b"content-type", b"application/json"), (b"authorization", b"Bearer " + token.encode())]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers, "server": ("h", 1)}
    await app(scope, receive, send)

asyncio.run(ask())
"""
TELL = "print(json.dumps(sorted(sys.modules)))"
QUESTION = json.dumps({"query": "How would CD14 monocytes respond to IFN-gamma?"})
ASKED = {
    "cancel": ("POST", "/api/v1/runs/{run_id}/cancel", ""),
    "create": ("POST", "/api/v1/runs", QUESTION),
    "health": ("GET", "/api/v1/health", ""),
    "list": ("GET", "/api/v1/runs", ""),
    "metadata": ("GET", "/api/v1/metadata/perturbations", ""),
    "reconcile": ("POST", "/api/v1/reconcile", "{}"),
    "result": ("GET", "/api/v1/runs/{run_id}/result", ""),
    "status": ("GET", "/api/v1/runs/{run_id}", ""),
    "validate": ("POST", "/api/v1/runs/validate-control-strategy", QUESTION),
}


@pytest.fixture
def store_settings(firestore: FirestoreDatabase, firestore_host: str) -> dict[str, str]:
    """Firestore alone: that is what is deployed."""
    return {"STORE": "firestore", "FIRESTORE_EMULATOR_HOST": firestore_host, "PROJECT": firestore.name.split("/")[1]}


async def modules_after(program: str, settings: dict[str, str], *arguments: str) -> set[str]:
    """The modules that a fresh process has imported after a program."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program + TELL, *arguments),
        cwd=ROOT,
        env={**settings, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return set(json.loads(told))


async def modules_of_a_first_answer(
    name: str, settings: dict[str, str], firestore: FirestoreDatabase, token: str
) -> set[str]:
    """The modules of a fresh process that has answered one request well."""
    made = made_runs.waiting() if name == "cancel" else made_runs.completed()
    run = made_runs.belonging(made, "dev@example.com", 0, random.Random())  # noqa: S311  # an id
    await FirestoreRunStore(firestore).create(run)
    method, path, body = ASKED[name]
    return await modules_after(IMPORT + ASK, settings, name, method, path.format(run_id=run.run_id), body, token)


def package(module: str) -> str:
    """The package that a module is paid for by: of Google's shared name spaces, the library."""
    parts = module.split(".")
    depth = 3 if module.startswith("google.cloud.") else 2 if module.startswith("google.") else 1
    return ".".join(parts[:depth])


def is_paid_for(module: str) -> bool:
    """Whether a module is of a package, and not of Python itself, of this test, or of how packages are installed."""
    top = module.partition(".")[0]
    return top not in sys.stdlib_module_names and not top.startswith("_") and top != "main"


@pytest.mark.parametrize("name", routes.FUNCTIONS)
async def test_importing_a_function_imports_no_client_and_nothing_scientific(name: str) -> None:
    found = {package(module) for module in await modules_after(IMPORT, {}, name)}
    assert not found & (NEVER | {"google.cloud.batch_v1", "grpc"})


@pytest.mark.parametrize("name", routes.FUNCTIONS)
async def test_a_first_answer_imports_what_is_listed_and_no_more(
    name: str, settings: dict[str, str], firestore: FirestoreDatabase, cloud: Cloud
) -> None:
    modules = await modules_of_a_first_answer(name, settings, firestore, cloud.issuer.token(AUDIENCE))
    ours = {module for module in modules if package(module) == "shared"}
    theirs = {module for module in modules - ours if is_paid_for(module)}
    listed = LISTED[name]
    assert sorted(ours) == listed["ours"]
    assert sorted({package(module) for module in theirs}) == listed["packages"]
    assert len(theirs) <= listed["modules of packages"]


@pytest.mark.parametrize("name", routes.FUNCTIONS)
def test_what_is_listed_is_what_the_function_is_for(name: str) -> None:
    listed = set(LISTED[name]["packages"])
    assert not listed & NEVER
    assert ("google.cloud.batch_v1" in listed) == (name in {"create", "cancel", "reconcile"})
    assert ("grpc" in listed) == (name != "health")
    assert ("pydantic" in listed) == (name != "health")
    assert ("shared.resolver" in LISTED[name]["ours"]) == (name == "validate")
    assert ("shared.records" in LISTED[name]["ours"]) == (name not in {"health", "metadata", "validate"})


@pytest.mark.parametrize("name", sorted(set(routes.FUNCTIONS) - {"health"}))
async def test_the_collector_is_kept_out_while_a_function_is_imported(name: str) -> None:
    """It would go some thirty times through modules that stay for good: a fifteenth of a cold start."""
    watched = "import functions_framework.aio, gc\nfound = []\ngc.callbacks.append(lambda *told: found.append(told))\n"
    counted = "assert len(found) < 8, len(found)  # one is told of twice\n"
    assert await modules_after(watched + IMPORT + counted, {}, name)
