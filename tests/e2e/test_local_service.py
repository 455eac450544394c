"""One question all the way through the local service, and what may interrupt it."""

import asyncio
import json
import os
import signal
from pathlib import Path

import anndata
import httpx
import pytest

from tests.e2e.conftest import Service, copy_of, start

QUESTION = "How would CD14 monocytes respond to IFN-gamma?"
NOTHING_KNOWN = "Would zork do something to flurbs?"
# An emulator that the service cannot do without, for each store: a part of its command, and its name in messages.
EMULATORS = {
    "sqlite": (b"fake-gcs-server", "fake-gcs-server"),
    "firestore": (b"CloudFirestore", "the Firestore emulator"),
}


@pytest.mark.timeout(120)
async def test_one_question_goes_all_the_way_through(service: Service, tmp_path: Path) -> None:
    run = await service.create(QUESTION, max_iterations=2)
    assert run["status"] == "pending"
    assert run["interpretation"]["answerable"]
    done = await service.until(run["run_id"])
    assert done["status"] == "completed", service.job_log(run["run_id"])
    assert done["grounding_scores"]
    result = await service.result(run["run_id"])
    assert done["interpretation"] == result["interpretation"] == run["interpretation"]
    assert result["interpretation"]["cell_type"]["used"]["cell_ontology_id"] == "CL:0000113"
    assert result["num_de_genes"] > 10
    assert {"STAT1", "IRF1", "GBP1"} & {gene["gene"] for gene in result["top_upregulated"]}
    simulated = [each for each in result["interpretation"]["caveats"] if each["code"] == "semi_synthetic"]
    assert simulated
    assert all(each["detail"] in result["notes"] for each in simulated)
    async with httpx.AsyncClient(trust_env=False) as client:
        for file in result["files"]:
            (tmp_path / file["name"]).write_bytes((await client.get(file["url"])).content)
            tampered = file["url"][:-4] + ("0000" if file["url"][-4:] != "0000" else "1111")
            assert (await client.get(tampered)).status_code == 403
    cells = anndata.read_h5ad(tmp_path / f"{run['run_id']}_predictions.h5ad")
    assert cells.n_obs > 0
    assert QUESTION in (tmp_path / f"{run['run_id']}_report.html").read_text()
    assert json.loads((tmp_path / f"{run['run_id']}_log.json").read_text())


@pytest.mark.timeout(120)
async def test_a_question_that_names_nothing_known_is_refused_and_starts_no_job(service: Service) -> None:
    before = (await service.client.get("/api/v1/runs")).json()["total"]
    answer = await service.client.post("/api/v1/runs", json={"query": NOTHING_KNOWN})
    refusal = answer.json()
    assert (answer.status_code, refusal["code"]) == (422, "question_not_answerable")
    assert not refusal["interpretation"]["answerable"]
    assert refusal["detail"] == " ".join(refusal["reasons"])
    assert (await service.client.get("/api/v1/runs")).json()["total"] == before


@pytest.mark.timeout(120)
async def test_with_a_language_model_the_job_fails_a_question_that_names_nothing_known(service: Service) -> None:
    run = await service.create(NOTHING_KNOWN, llm_provider="openai")  # without a key: the job asks the catalog alone
    assert run["interpretation"] is None
    done = await service.until(run["run_id"])
    assert (done["status"], done["failure"]["reason"]) == ("failed", "QUERY_NOT_UNDERSTOOD")
    assert not done["failure"]["retryable"]


@pytest.mark.timeout(120)
async def test_a_running_run_can_be_cancelled_and_its_job_leaves(service: Service) -> None:
    run = await service.create(QUESTION, max_iterations=10, score_threshold=10)
    await service.until(run["run_id"], "query_analysis", "prompt_generation", "inference")
    answer = await service.client.post(f"/api/v1/runs/{run['run_id']}/cancel")
    assert answer.json() == {"status": "cancelled", "run_id": run["run_id"]}
    job = f"haystack-{run['run_id'].removeprefix('run_')}-1"
    for _ in range(150):
        if not _processes_with(job, run["run_id"]):
            break
        await asyncio.sleep(0.1)
    assert _processes_with(job, run["run_id"]) == []
    assert (await service.status(run["run_id"]))["status"] == "cancelled"


async def test_unknown_paths_get_404(service: Service) -> None:
    answer = await service.client.get("/api/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    page = await service.client.get("/nowhere")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_one_signal_ends_every_process_that_the_service_started(
    ingested: Path, tmp_path: Path, how: signal.Signals
) -> None:
    service = await start(copy_of(ingested, tmp_path / "data"), "sqlite")
    run = await service.create(QUESTION)
    await service.until(run["run_id"], "running")
    family = _descendants(service.child.pid)
    assert len(family) >= 3  # the service itself, fake-gcs-server, the job
    os.kill(service.child.pid, how)
    assert await asyncio.wait_for(service.child.wait(), 30) == 0
    await service.client.aclose()
    assert [pid for pid in family if _lives(pid)] == []


@pytest.mark.timeout(120)
async def test_the_service_ends_with_an_error_when_an_emulator_dies(store: str, tmp_path: Path) -> None:
    program, name = EMULATORS[store]
    service = await start(tmp_path, store)
    await service.client.aclose()
    [victim] = [pid for pid in _descendants(service.child.pid) if program in _command_of(pid)]
    os.kill(victim, signal.SIGKILL)
    assert await asyncio.wait_for(service.child.wait(), 30) == 1
    output = service.child.log.read_text()
    assert f"local: {name} ended unexpectedly (exit code 137); its output is in {tmp_path}" in output
    assert "Traceback" not in output


@pytest.mark.timeout(120)
async def test_the_service_says_whether_runs_survive_a_restart(store: str, tmp_path: Path) -> None:
    service = await start(tmp_path, store)
    await service.stop()
    output = service.child.log.read_text()
    assert ("continues the runs" in output) == (store == "sqlite")
    assert ("a restart loses all runs and jobs" in output) == (store == "firestore")


def _command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _descendants(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        parents[int(stat.parent.name)] = int(fields[1])
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _processes_with(job: str, run_id: str) -> list[str]:
    """Return the processes with a run's id in their environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"RUN_ID={run_id}".encode() in environ.read_bytes():
                found.append(f"{job}: {environ.parent.name}")
        except OSError:
            continue  # it has just ended, or is not ours to look at
    return found
