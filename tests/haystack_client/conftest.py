"""The command as a child process, against the real functions on a loopback port or against a server with scripted responses."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from local.gateway import Gateway
from local.serving import serving
from shared import wiring
from shared.catalog.interpretation import Direction
from shared.fields import Answer, ControlStrategy, utc_now
from shared.runs.evidence import RunEvidence
from shared.runs.records import Failure, GeneAnswer, GeneChange, Iteration, PathwayChange, RunOutcome, ScorePart
from shared.runs.states import FailureReason, Phase
from tests.functions.conftest import batch, cloud, environment, settings, small_dataset
from tests.support.builders import lease

__all__ = ["batch", "cloud", "environment", "settings"]  # fixtures of the tests of the functions

ROOT = Path(__file__).parent.parent.parent
QUESTION = "How would CD14 monocytes respond to IFN-gamma?"
# The catalog of the tests has no TNF.
UNANSWERABLE = "What does TNF do to NK cells?"
FILES = {
    "_predictions.h5ad": "application/x-hdf5",
    "_genes.csv": "text/csv",
    "_gene_sets.csv": "text/csv",
    "_ranked_genes.rnk": "text/tab-separated-values",
    "_report.html": "text/html",
    "_log.json": "application/json",
}


@dataclass(frozen=True)
class Done:
    """The outcome of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401  # the JSON that the command printed
        """Return standard output, which must be one JSON document."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Haystack:
    """The command line for a service."""

    url: str

    async def __call__(self, *arguments: str, **env: str) -> Done:
        """Run a command until it ends."""
        return await ended(await self.start(*arguments, env=env))

    async def start(
        self,
        *arguments: str,
        stdin: int | None = None,
        stdout: int = PIPE,
        stderr: int = PIPE,
        env: Mapping[str, str] = MappingProxyType({}),
    ) -> Process:
        """Start a command."""
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "HAYSTACK_URL": self.url, **env}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "haystack_client", *arguments),
            cwd=ROOT,
            env=environment,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )

    async def submit(self) -> str:
        """Submit a run over HTTP and return its id."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as client:
            run_id: str = (await client.post("/api/v1/runs", json={"query": QUESTION})).json()["run_id"]
        return run_id


async def ended(process: Process) -> Done:
    """Wait for a command and return its outcome; kill it after a minute."""
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        process.send_signal(signal.SIGKILL)
        raise
    assert process.returncode is not None
    return Done(process.returncode, (out or b"").decode(), (err or b"").decode())


@pytest.fixture
def store_settings(tmp_path: Path) -> dict[str, str]:
    """Select SQLite; other tests cover the differences between the stores."""
    return {"STORE": "sqlite", "SQLITE_PATH": str(tmp_path / "runs.db")}


@pytest.fixture
async def haystack(environment: dict[str, str]) -> AsyncIterator[Haystack]:
    """Serve the functions, with one small dataset in the catalog, and return the command line for them."""
    assert environment
    await wiring.container().catalog.put(small_dataset())
    async with serving(Gateway({})) as url:
        yield Haystack(url)


async def complete(
    run_id: str, folder: Path, contents: Mapping[str, bytes] = MappingProxyType({}), evidence: RunEvidence | None = None
) -> None:
    """Complete a run as its job does, with small files.

    Args:
        contents: content of a file by the end of its name; others get a line of text.
    """
    store = wiring.container().run_store
    await lease(run_id, store=store, clock=utc_now).begin()
    parts = [
        ScorePart(name="pathway_coherence", score=8, reason="The expected pathway [IFN] comes first."),
        ScorePart(name="network_coherence", score=None, reason="Too few genes move."),
    ]
    summary = Iteration(number=1, strategy="direct", score=8, components=parts, duration_seconds=2.0)
    await lease(run_id, store=store, clock=utc_now).progress(
        phase=Phase.OUTPUT_GENERATION, iteration=1, finished=summary
    )
    files = []
    for end, kind in FILES.items():
        path = folder / f"{run_id}{end}"
        path.write_bytes(contents.get(end, f"content of {path.name}".encode()))
        files.append(await wiring.container().result_files.upload(run_id, path, kind))
    outcome = RunOutcome(
        answer="Yes: IFN-gamma is predicted to raise CXCL10 in MDC. Overall, it is predicted to raise 12 genes.",
        grounding_score=8,
        evidence=evidence,
        termination_reason="score_threshold: 8 reaches the threshold of 7",
        control_strategy_effective=ControlStrategy.SYNTHETIC_CONTROL,
        num_de_genes=12,
        top_upregulated=[GeneChange(gene="CXCL10", log2_fold_change=2.72, adjusted_p_value=1e-9)],
        top_downregulated=[],
        enriched_pathways=[PathwayChange(name="INTERFERON_GAMMA", score=39.0, adjusted_p_value=0.0)],
        gene_answers=[
            GeneAnswer(
                gene="CXCL10",
                direction=Direction.UP,
                answer=Answer.YES,
                log2_fold_change=2.72,
                adjusted_p_value=1e-9,
                text="Yes: IFN-gamma is predicted to raise CXCL10 in MDC.",
            )
        ],
        notes=["semi-synthetic atlas"],
        files=files,
    )
    await lease(run_id, store=store, clock=utc_now).complete(outcome)


async def fail(run_id: str) -> None:
    """Fail a run as its job does when Batch preempts the machine."""
    failure = Failure(reason=FailureReason.PREEMPTED, retryable=True, advice="Submit the question again.")
    await lease(run_id, store=wiring.container().run_store, clock=utc_now).fail(failure, "The machine was preempted.")


class Script:
    """A server that sends the given responses in order, repeats the last one, and records the requests."""

    def __init__(self, *answers: Response) -> None:
        self._answers = list(answers)
        self.requests: list[Request] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  # ASGI is untyped
        if scope["type"] == "http":
            self.requests.append(Request(scope))
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            await answer(scope, receive, send)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Haystack]:
        """Serve, and return the command line for this server."""
        async with serving(self) as url:
            yield Haystack(url)


def problem(status: int, detail: str, code: str = "unavailable", **headers: str) -> Response:
    """Return an error response in the format of the service."""
    content = {"status": status, "detail": detail, "code": code, "request_id": "request-1"}
    return Response(json.dumps(content), status, headers=headers, media_type="application/problem+json")
