"""Functions as processes of their own, started by the command of production."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.serving import serving
from local.tokens import key_server
from tests.support.iap import AUDIENCE, IapEmulator

ROOT = Path(__file__).parent.parent.parent
PATH = "/api/v1/runs/run_0123456789ab"
COMMAND = ("-m", "uvicorn", "shared.http.server:app", "--host", "127.0.0.1", "--lifespan", "on", "--no-access-log")


class Served:
    """A function in a process of its own, and a client of it."""

    def __init__(self, process: asyncio.subprocess.Process, api: httpx.AsyncClient) -> None:
        self.process = process
        self.api = api

    async def lines(self) -> list[dict[str, Any]]:
        """Stop the process and return its log lines, without those of a server that has not imported the function yet."""
        self.process.terminate()
        _, errors = await self.process.communicate()
        return [json.loads(line) for line in errors.decode().splitlines() if not line.startswith("INFO:     ")]


async def started(source: Path, port: int, **settings: str) -> asyncio.subprocess.Process:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "FUNCTION_TARGET": "handle",
        "FUNCTION_SOURCE": str(source),
        **settings,
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, *COMMAND, "--port", str(port)),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def served(name: str, **settings: str) -> AsyncIterator[Served]:
    """Serve a function until the block ends."""
    port = free_port()
    process = await started(ROOT / "functions" / name / "main.py", port, **settings)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as api:
            for _ in range(300):
                assert process.returncode is None
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.1)
                else:
                    writer.close()
                    await writer.wait_closed()
                    break
            yield Served(process, api)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.fixture
def iap() -> IapEmulator:
    async def nothing(*_: object) -> None:
        raise AssertionError("only its tokens are used")

    return IapEmulator(nothing)


@pytest.fixture
async def settings(iap: IapEmulator, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """The settings of production, ENVIRONMENT unset, with a key server and a database of the test's own."""
    async with serving(key_server(iap.key_set)) as url:
        yield {
            "PROJECT": "p",
            "REGION": "r",
            "RESULTS_BUCKET": "b",
            "STORE": "sqlite",
            "SQLITE_PATH": str(tmp_path / "runs.db"),
            "IAP_AUDIENCE": AUDIENCE,
            "IAP_KEYS_URL": url,
        }


async def test_a_refused_token_is_a_line_of_the_functions_log(iap: IapEmulator, settings: dict[str, str]) -> None:
    """Regression: refusals were logged at a level that no function writes."""
    good = iap.assertion("ada@example.com").decode()
    head, payload, signature = good.split(".")
    forged = f"{head}.{payload}.{signature[8:16]}{signature[:8]}{signature[16:]}"
    async with served("status", **settings) as function:
        headers = {"X-Request-Id": "r-1", "X-Goog-Authenticated-User-Email": "accounts.google.com:ada@example.com"}
        for assertion, status in ((good, 404), (forged, 401)):
            answer = await function.api.get(PATH, headers={**headers, "X-Goog-IAP-JWT-Assertion": assertion})
            assert answer.status_code == status
        assert (await function.api.get(PATH, headers=headers)).status_code == 401
        lines = await function.lines()
    refused = [line for line in lines if line["message"] == "token refused"]
    assert refused == [
        {
            "severity": "WARNING",
            "message": "token refused",
            "request_id": "r-1",
            "function": "status",
            "route": "/api/v1/runs/{run_id}",
            "run_id": "run_0123456789ab",
            "reason": reason,
        }
        for reason in ("InvalidSignatureError", "no assertion")
    ]
    assert [line["status"] for line in lines if line["message"] == "request"] == [404, 401, 401]
    written = json.dumps(lines)
    assert not [secret for secret in (payload, signature, forged[-30:], "ada") if secret in written]


async def test_keys_that_cannot_be_fetched_are_a_line_of_the_functions_log(
    iap: IapEmulator, settings: dict[str, str]
) -> None:
    nowhere = {**settings, "IAP_KEYS_URL": f"http://127.0.0.1:{free_port()}/keys"}
    async with served("status", **nowhere) as function:
        headers = {"X-Goog-IAP-JWT-Assertion": iap.assertion("ada@example.com").decode()}
        assert (await function.api.get(PATH, headers=headers)).status_code == 503
        [line] = [line for line in await function.lines() if line["message"] == "public keys not fetched"]
    assert (line["severity"], line["function"]) == ("WARNING", "status")
    assert "refused" in line["reason"]


async def test_a_warning_of_the_server_is_a_line_and_its_other_lines_are_not(settings: dict[str, str]) -> None:
    async with served("health", **settings) as function:
        reader, writer = await asyncio.open_connection("127.0.0.1", function.api.base_url.port)
        writer.write(b"no request\r\n\r\n")
        await reader.read()
        writer.close()
        await function.api.get("/api/v1/health")
        lines = await function.lines()
    assert [(line["severity"], line["message"]) for line in lines] == [
        ("WARNING", "Invalid HTTP request received."),
        ("INFO", "request"),
    ]
    assert lines[0]["logger"] == "uvicorn.error"


async def test_the_server_omits_the_body_of_head(settings: dict[str, str]) -> None:
    async with served("health", **settings) as function:
        reader, writer = await asyncio.open_connection("127.0.0.1", function.api.base_url.port)
        writer.write(b"HEAD /api/v1/health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"content-length: 20\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("content", ["raise RuntimeError('broken')", "import no_such_module", "handl = None", "def"])
async def test_a_main_that_fails_fails_the_start(tmp_path: Path, content: str) -> None:
    source = tmp_path / "main.py"
    source.write_text(content)
    process = await started(source, free_port())
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode not in {0, None}, errors.decode()


async def test_invalid_settings_never_open_the_service(settings: dict[str, str]) -> None:
    async with served("status", **{**settings, "ENVIRONMENT": "developmnt"}) as function:
        answer = await function.api.get(PATH, headers={"X-Goog-Authenticated-User-Email": "ada@example.com"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
