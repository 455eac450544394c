"""Runs and results as objects, of the synchronous and the asynchronous client, against the real functions."""

import asyncio
import gc
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import anndata as ad
import httpx
import numpy as np
import pandas as pd
import pytest

from haystack_client import AsyncClient, Client, NotFound, RequestRefused, Result, Run, Unavailable
from haystack_client.download import Json
from haystack_client.results import Report
from shared.runs.evidence import RunEvidence
from tests.haystack_client.conftest import FILES, QUESTION, Haystack, complete, fail

T = TypeVar("T")
RUN_ID = "run_0123456789ab"
GENES = b"gene,z,is_de,known_responder\nNA,3.5,true,\nCXCL10,-1.5,false,true\n"
REPORT = b'<html><body onload="x()">"\xce\xb2" & more</body></html>'
EVIDENCE = RunEvidence.model_validate(
    {
        "expected_accuracy": None,
        "expected_accuracy_note": "Nothing can be left out.",
        "grounding": {"score": 8, "p_value": 0.005, "permutations": 199},
        "confidence": "low",
        "confidence_reason": "Nothing is <known>.",
        "donors": 1,
        "cell_types": 1,
        "cells": 20,
    }
)


@pytest.fixture
def contents(tmp_path: Path) -> dict[str, bytes]:
    cells = ad.AnnData(
        np.zeros((2, 1), dtype=np.float32), pd.DataFrame({"condition": ["control", "predicted"]}, ["a", "b"])
    )
    cells.write_h5ad(tmp_path / "cells.h5ad")
    return {"_genes.csv": GENES, "_report.html": REPORT, "_predictions.h5ad": (tmp_path / "cells.h5ad").read_bytes()}


def in_thread(work: Callable[[], T]) -> asyncio.Task[T]:
    """Start a synchronous client's work; the service runs in this event loop."""
    return asyncio.create_task(asyncio.to_thread(work))


async def test_a_run_is_asked_waited_for_and_read(
    haystack: Haystack, tmp_path: Path, contents: dict[str, bytes]
) -> None:
    with Client(haystack.url) as client:
        run: Run = await in_thread(lambda: client.ask(QUESTION, max_iterations=2))
        assert (run.query, run.status, run.done, run.json["max_iterations"]) == (QUESTION, "pending", False, 2)
        assert run.interpretation is not None
        assert repr(run) == f"<{run.run_id}, pending: {QUESTION!r}>"
        reading = in_thread(run.result)
        await complete(run.run_id, tmp_path, contents, EVIDENCE)
        result = await reading
        assert run.status == "completed"
        assert (result.confidence, result.expected_r) == ("low", None)
        assert result.answer.startswith("Yes: IFN-gamma")
        assert result.evidence == EVIDENCE.model_dump(mode="json")
        assert "low" in repr(result)
        assert "Nothing is &lt;known&gt;." in result._repr_html_()

        genes = await in_thread(lambda: result.genes)
        # A gene is called like a missing value in other tables.
        assert genes["gene"].tolist() == ["NA", "CXCL10"]
        assert genes["is_de"].dtype == bool
        assert (await in_thread(result.to_anndata)).obs["condition"].tolist() == ["control", "predicted"]
        assert isinstance(result, Result)
        paths = await in_thread(lambda: result.download(tmp_path / "all"))
        assert [path.name for path in paths] == [f"{run.run_id}{end}" for end in FILES]
        again = await in_thread(lambda: client.run(run.run_id))
        assert again.json == run.json


async def test_the_asynchronous_client_does_the_same_without_blocking(
    haystack: Haystack, tmp_path: Path, contents: dict[str, bytes]
) -> None:
    async with AsyncClient(haystack.url) as client:
        run = await client.ask(QUESTION)
        assert (await client.run(run.run_id)).json == run.json
        reading = asyncio.create_task(run.result())
        await complete(run.run_id, tmp_path, contents, EVIDENCE)
        result = await reading
        assert (await result.genes())["gene"].tolist() == ["NA", "CXCL10"]
        assert (await result.to_anndata()).n_obs == 2
        assert (await result.report()).path.read_bytes() == REPORT
        assert len(await result.download(tmp_path / "all")) == len(FILES)
        with pytest.raises(NotFound):
            await client.status(RUN_ID)
        listed = await client.list_runs(status="completed")
        assert [each["run_id"] for each in listed["runs"]] == [run.run_id]
        assert await client.datasets() != []
        assert (await client.validate(QUESTION))["interpretation"]["answerable"]
        (first, *_) = await client.perturbations()
        assert (await client.cell_types(everything=True)) != []
        assert (await client.dataset(first["datasets"][0]))["name"] == first["datasets"][0]
        other = await client.ask(QUESTION)
        assert (await other.cancel()).status == "cancelled"
        assert (await other.wait()).json == (await other.refresh()).json


async def test_the_asynchronous_client_retries(haystack: Haystack) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    async with AsyncClient(haystack.url, transport=httpx.MockTransport(refuse)) as client:
        with pytest.raises(Unavailable, match="Nothing answers"):
            await client.datasets()


async def test_a_run_without_a_result_says_why(haystack: Haystack) -> None:
    with Client(haystack.url) as client:
        cancelled = await in_thread(lambda: client.ask(QUESTION))
        await in_thread(cancelled.cancel)
        with pytest.raises(RequestRefused, match=f"{cancelled.run_id} is cancelled and has no result"):
            await in_thread(cancelled.result)
        failed = await in_thread(lambda: client.ask(QUESTION))
        await fail(failed.run_id)
        with pytest.raises(
            RequestRefused, match=r"is failed.*\nThe machine was preempted\.\nSubmit the question again\."
        ):
            await in_thread(failed.result)


class Stored:
    """The files of a result in a folder."""

    def __init__(self, files: dict[str, bytes], *, lasts: timedelta = timedelta(hours=1)) -> None:
        self._files = files
        self._lasts = lasts
        self.calls: list[str] = []

    def result(self, run_id: str) -> Json:
        self.calls.append("result")
        expires_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        return {"run_id": run_id, "answer": "", "files": [{"name": n, "expires_at": expires_at} for n in self._files]}

    def download(self, file: Json, folder: Path | str) -> Path:
        self.calls.append(file["name"])
        path = Path(folder) / str(file["name"])
        path.write_bytes(self._files[file["name"]])
        return path

    def first(self) -> Json:
        expires_at = (datetime.now(UTC) + self._lasts).isoformat()
        files: list[dict[str, Any]] = [{"name": name, "expires_at": expires_at} for name in self._files]
        return {"run_id": RUN_ID, "answer": "", "files": files}


def test_a_file_is_downloaded_once_and_removed_with_its_result() -> None:
    stored = Stored({f"{RUN_ID}_genes.csv": GENES, f"{RUN_ID}_report.html": REPORT})
    result = Result(stored, stored.first())
    assert len(result.genes) == len(result.genes) == 2
    assert stored.calls == [f"{RUN_ID}_genes.csv"]
    path = result.report().path
    assert path.exists()
    del result
    gc.collect()
    assert not path.exists()


def test_expired_urls_are_requested_again() -> None:
    stored = Stored({f"{RUN_ID}_genes.csv": GENES}, lasts=timedelta(seconds=10))
    result = Result(stored, stored.first())
    assert len(result.genes) == 2
    assert stored.calls == ["result", f"{RUN_ID}_genes.csv"]


def test_a_result_without_a_table_or_evidence_says_so() -> None:
    stored = Stored({f"{RUN_ID}_report.html": REPORT})
    result = Result(stored, stored.first())
    assert (result.evidence, result.confidence, result.expected_r) == (None, None, None)
    with pytest.raises(NotFound, match=r"has no file \*_genes.csv"):
        _ = result.genes


def test_a_report_is_framed_apart_from_the_notebook(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_bytes(REPORT)
    shown = Report(tmp_path / "report.html")._repr_html_()
    assert "allow-same-origin" not in shown
    assert 'srcdoc="&lt;html&gt;&lt;body onload=&quot;x()&quot;&gt;&quot;β&quot; &amp; more' in shown


@pytest.mark.parametrize("library", ["pandas", "anndata"])
def test_a_missing_library_gets_a_sentence(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    stored = Stored({f"{RUN_ID}_genes.csv": GENES, f"{RUN_ID}_predictions.h5ad": b""})
    result = Result(stored, stored.first())
    with pytest.raises(RequestRefused, match=f"needs {library}, which is not installed. Run: pip install {library}"):
        _ = result.genes if library == "pandas" else result.to_anndata()


def test_a_client_without_an_address_takes_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAYSTACK_URL", "https://haystack.example.com/")
    with Client() as client, Client.from_environment() as same, Client("http://127.0.0.1:1") as other:
        assert client.url == same.url == "https://haystack.example.com"
        assert other.url == "http://127.0.0.1:1"
