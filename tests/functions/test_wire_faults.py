"""An endpoint whose call to Firestore fails returns a problem with the advice to retry, never a 500."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from grpc import StatusCode

from shared import wiring
from shared.runs.ports import RunDatabase
from tests.functions.conftest import AUDIENCE, Cloud
from tests.functions.test_runs import finish
from tests.support.wire_faults import FaultyGrpc, WireFault

RUNS = "/api/v1/runs"
QUESTION = {"query": "How would CD14 monocytes respond to IFN-gamma?"}
ENDPOINTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "create": ("POST", RUNS, {"json": QUESTION}),
    "list": ("GET", RUNS, {}),
    "status": ("GET", f"{RUNS}/RUN", {}),
    "status that waits": ("GET", f"{RUNS}/RUN?wait=1", {}),
    "result": ("GET", f"{RUNS}/RUN/result", {}),
    "cancel": ("POST", f"{RUNS}/RUN/cancel", {}),
    "validate": ("POST", f"{RUNS}/validate-control-strategy", {"json": QUESTION}),
    "metadata": ("GET", "/api/v1/metadata/datasets", {}),
    "ready": ("GET", "/api/v1/health/ready", {}),
    "reconcile": ("POST", "/api/v1/reconcile", {"json": {}}),
}
ONCE = ("ABORTED", "RESOURCE_EXHAUSTED", "ALREADY_EXISTS", "NOT_FOUND", "DEADLINE_EXCEEDED", "UNAVAILABLE")


@pytest.fixture
async def wire(firestore_host: str) -> AsyncIterator[FaultyGrpc]:
    """Start a proxy with faults in front of the emulator."""
    wire = FaultyGrpc(firestore_host)
    await wire.start()
    yield wire
    await wire.stop()


@pytest.fixture
def store_settings(wire: FaultyGrpc) -> dict[str, str]:
    """Use only Firestore, through the proxy."""
    return {"STORE": "firestore", "FIRESTORE_EMULATOR_HOST": wire.host, "PROJECT": f"test-{uuid4().hex[:12]}"}


async def test_an_error_of_firestore_is_never_a_500(
    api: httpx.AsyncClient, cloud: Cloud, wire: FaultyGrpc, store: RunDatabase, tmp_path: Path
) -> None:
    api.headers["Authorization"] = f"Bearer {cloud.issuer.token(AUDIENCE)}"
    run_id = (await api.post(RUNS, json=QUESTION)).json()["run_id"]
    await finish(run_id, store, tmp_path)

    async def ask(name: str, fault: WireFault) -> httpx.Response:
        wiring.replace(None)
        wire.fault = fault
        method, path, request = ENDPOINTS[name]
        return await api.request(method, path.replace("RUN", run_id), **request)

    tried = 0
    for name in ENDPOINTS:
        sound = WireFault()
        usual = (await ask(name, sound)).status_code
        assert usual < 500
        for at in range(len(sound.calls)):
            for status in ONCE:
                tried += 1
                answer = await ask(name, WireFault(at, trouble=StatusCode[status]))
                # A document that is not found is a missing run, or an empty catalog.
                lawful = {usual, 503, *([404, 422] if status == "NOT_FOUND" else [])}
                assert answer.status_code in lawful, (name, at, status, answer.text)
                if answer.status_code == 503:
                    assert answer.json()["code"] == "unavailable" or name == "ready"
                    assert answer.headers["retry-after"] == "5"
    wire.fault = WireFault()
    print(f"{tried} faults on the wire to Firestore behind {len(ENDPOINTS)} endpoints")  # noqa: T201  # `pytest -rP` shows it
