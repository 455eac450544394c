"""What a function may import: its cold start pays for every module, so each one's set is held here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from shared import routes

ROOT = Path(__file__).parent.parent.parent
SCIENTIFIC = {"numpy", "scipy", "pandas", "anndata", "scanpy", "decoupler", "h5py", "matplotlib", "sklearn"}
NEVER = SCIENTIFIC | {"aiohttp", "orchestrator", "local"}
AT_IMPORT = NEVER | {"google.cloud.batch", "google.cloud.batch_v1", "google.cloud.storage", "google.cloud.firestore_v1"}
IMPORT = """
import json, sys
import functions_framework.aio
app = functions_framework.aio.create_asgi_app("handle", f"functions/{sys.argv[1]}/main.py", "http")
"""
ASK = """
import asyncio
_, _, method, path, body = sys.argv

async def ask():
    async def receive():
        return {"type": "http.request", "body": body.encode()}
    async def send(message):
        assert message.get("status", 200) == 200, message
    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers, "server": ("h", 1)}
    await app(scope, receive, send)

asyncio.run(ask())
"""
TELL = "print(json.dumps(sorted(sys.modules)))"
QUESTION = json.dumps({"query": "How would CD14 monocytes respond to IFN-gamma?"})


def report(program: str, tmp_path: Path, *arguments: str) -> set[str]:
    """The modules that a fresh process has imported after a program."""
    settings = {
        "ENVIRONMENT": "development",
        "PROJECT": "p",
        "REGION": "r",
        "RESULTS_BUCKET": "b",
        "STORE": "sqlite",
        "SQLITE_PATH": str(tmp_path / "runs.db"),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-c", program + TELL, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("name", routes.FUNCTIONS)
def test_importing_a_function_imports_no_client_and_nothing_scientific(name: str, tmp_path: Path) -> None:
    assert not report(IMPORT, tmp_path, name) & AT_IMPORT


@pytest.mark.parametrize(
    ("name", "method", "path", "body"),
    [
        ("health", "GET", "/api/v1/health/ready", ""),
        ("metadata", "GET", "/api/v1/metadata/datasets", ""),
        ("validate", "POST", "/api/v1/runs/validate-control-strategy", QUESTION),
    ],
)
def test_answering_pulls_in_neither_batch_nor_storage_where_neither_is_used(
    name: str, method: str, path: str, body: str, tmp_path: Path
) -> None:
    assert not report(IMPORT + ASK, tmp_path, name, method, path, body) & (
        NEVER | {"google.cloud.batch", "google.cloud.batch_v1", "google.cloud.storage"}
    )
