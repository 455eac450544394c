"""One question, from asking to the files on this disk, told to a person as it goes."""

import asyncio
import base64
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import google_crc32c
import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from local import atlas, processes
from local.processes import Child

QUESTION: Final = "How would CD14 monocytes respond to IFN-gamma?"
READY_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.4
PHASES: Final = ("prompt_generation", "inference", "evaluation")

console = Console()


def _print(line: str, style: str | None = None) -> None:
    """A line for a person: not broken, so that paths and URLs can be copied, and brackets in it mean themselves."""
    console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


class DemoFailed(Exception):
    """The demo cannot go on; the message says why, for a person."""


def run(body: Mapping[str, object], *, data_dir: Path, store: str | None, results_dir: Path) -> int:
    """Make the atlas, start the service, ask, wait, fetch the results.

    Args:
        body: the request to create a run.
        data_dir: where the service keeps its data.
        store: `firestore`, `sqlite`, or None for what there is.
        results_dir: the result files go into a folder of the run's id below it.

    Returns:
        0 only if the run completed; else 1.
    """
    try:
        atlas.make(data_dir)
        return asyncio.run(_ask(body, data_dir, store, results_dir))
    except DemoFailed as failure:
        _print(str(failure), "red")
        return 1
    except KeyboardInterrupt:
        _print("stopped")
        return 1


async def _ask(body: Mapping[str, object], data_dir: Path, store: str | None, results_dir: Path) -> int:
    service = await _start(data_dir, store)
    try:
        url = await _ready(service)
        async with httpx.AsyncClient(base_url=url, timeout=30.0, trust_env=False) as client:
            run = await _answer(client.post("/api/v1/runs", json=body))
            _print(run["query"], "bold")
            _print(f"{url}/api/v1/runs/{run['run_id']}")
            run = await _watch(client, run)
            _tell(run)
            if run["status"] != "completed":
                return 1
            result = await _answer(client.get(f"/api/v1/runs/{run['run_id']}/result"))
        _fetch(result, results_dir / run["run_id"])
        return 0
    finally:
        await service.stop(grace_seconds=20.0)


async def _start(data_dir: Path, store: str | None) -> Child:
    command = [sys.executable, "-m", "local", "up", "--port", "0", "--data-dir", str(data_dir)]
    if store:
        command += ["--store", store]
    return await processes.start(command, log=data_dir / "logs" / "service.log")


async def _ready(service: Child) -> str:
    """Wait until the service prints where it is, and pass on what it says of its parts."""
    began = time.monotonic()
    told = 0
    with console.status("starting the local service"):
        while time.monotonic() - began < READY_SECONDS and service.running:
            lines = service.log.read_text().splitlines()
            for line in lines[told:]:
                if line.startswith("local: "):
                    _print(line.removeprefix("local: "), "dim")
            told = len(lines)
            for line in lines:
                if line.startswith("ready: "):
                    return line.removeprefix("ready: ")
            await asyncio.sleep(0.1)
    raise DemoFailed(f"the local service did not get ready; the end of {service.log}:\n{service.tail()}")


async def _watch(client: httpx.AsyncClient, run: dict[str, Any]) -> dict[str, Any]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    # Without a terminal to draw on, each new phase is a line.
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("pending", total=1.0)
        shown = ""
        while not run["done"]:
            await asyncio.sleep(POLL_SECONDS)
            run = await _answer(client.get(f"/api/v1/runs/{run['run_id']}"))
            description = _describe(run)
            progress.update(task, completed=_fraction(run), description=description)
            if not console.is_terminal and description != shown:
                _print(description)
            shown = description
        progress.update(task, completed=1.0)
    return run


def _describe(run: Mapping[str, Any]) -> str:
    phase = (run["current_phase"] or run["status"]).replace("_", " ")
    iteration = f" · iteration {run['current_iteration']}/{run['max_iterations']}" if run["current_iteration"] else ""
    scores = f" · scores {' '.join(map(str, run['grounding_scores']))}" if run["grounding_scores"] else ""
    return f"{phase}{iteration}{scores}"


def _fraction(run: Mapping[str, Any]) -> float:
    """How far a run is if it uses all its iterations: an upper bound of what is left, since it may stop at the threshold."""
    if run["current_phase"] == "output_generation":
        return 0.95
    if run["current_phase"] not in PHASES:
        return 0.02 if run["status"] == "pending" else 0.05
    steps: int = (run["current_iteration"] - 1) * len(PHASES) + PHASES.index(run["current_phase"])
    most: int = run["max_iterations"] * len(PHASES)
    return 0.05 + 0.9 * steps / most


def _tell(run: Mapping[str, Any]) -> None:
    colour = {"completed": "green", "failed": "red"}.get(run["status"], "yellow")
    _print(f"status: {run['status']}", colour)
    _print(f"grounding scores: {' '.join(map(str, run['grounding_scores'])) or 'none'}")
    if run["failure"]:
        _print(f"{run['error_message']}\n{run['failure']['reason']}: {run['failure']['advice']}")


def _fetch(result: Mapping[str, Any], folder: Path) -> None:
    """Download the result files through their signed URLs, check their checksums, and list them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    with httpx.Client(timeout=60.0, trust_env=False) as client:
        for file in result["files"]:
            answer = client.get(file["url"])
            if not answer.is_success:
                raise DemoFailed(f"{file['name']} cannot be downloaded: {answer.status_code} {answer.text}")
            checksum = base64.b64encode(google_crc32c.value(answer.content).to_bytes(4)).decode()
            if checksum != file["crc32c"] or len(answer.content) != file["size"]:
                raise DemoFailed(f"{file['name']} did not arrive as it was stored")
            path = folder / file["name"]
            path.write_bytes(answer.content)
            lines.append(f"  {path}  ({file['size'] / 1024:.0f} KiB, CRC32C {checksum} as stored)")
    up = ", ".join(gene["gene"] for gene in result["top_upregulated"][:8])
    _print(f"{result['num_de_genes']} differentially expressed genes; most up: {up}")
    for note in result["notes"]:
        _print(f"note: {note}", "dim")
    _print("results, downloaded through their signed URLs:")
    for line in lines:
        _print(line)


async def _answer(request: Any) -> dict[str, Any]:  # noqa: ANN401  # an awaitable of httpx, whatever its exact type
    response: httpx.Response = await request
    if not response.is_success:
        try:
            detail = response.json()["detail"]
        except ValueError:
            detail = response.text
        raise DemoFailed(f"{response.status_code}: {detail}")
    content: dict[str, Any] = response.json()
    return content
