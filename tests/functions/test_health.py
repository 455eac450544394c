"""The service is healthy without any dependency, and ready only with its store."""

import os

import httpx

from local.processes import free_port
from shared import wiring
from shared.errors import NotWritable
from shared.runs.readiness import Readiness


async def test_healthy_needs_no_dependency(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})


async def test_ready_means_that_the_store_responds(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/health/ready/")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "database": "connected"})


async def test_regression_a_store_that_refuses_writes_is_not_ready_and_the_answer_says_what_to_do(
    api: httpx.AsyncClient,
) -> None:
    class ReadOnly(Readiness):
        async def check(self) -> None:
            raise NotWritable("Firestore")

    container = wiring.container()
    container.readiness = ReadOnly(container.run_store, container.clock)
    answer = await api.get("/api/v1/health/ready")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.json()["detail"] == "Firestore can be read but not written. Tell the operators of the service."
    assert (await api.get("/api/v1/health")).status_code == 200


async def test_regression_no_host_name_turns_the_question_whether_it_is_ready_into_another(
    api: httpx.AsyncClient,
) -> None:
    """Regression: the path came from an address that is built from the header `Host`."""
    answer = await api.get("/api/v1/health/ready", headers={"Host": "service?"})
    assert answer.json()["status"] == "ready"


async def test_an_unavailable_store_is_a_503_with_retry_after(
    api: httpx.AsyncClient, environment: dict[str, str]
) -> None:
    nowhere = {"FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{free_port()}", "SQLITE_PATH": "/nowhere/runs.db"}
    os.environ.update({name: value for name, value in nowhere.items() if name in environment})
    wiring.replace(None)
    for path in ("/api/v1/health/ready", "/api/v1/runs/run_0123456789ab"):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"].isdecimal()
    assert (await api.get("/api/v1/health")).status_code == 200
