"""The notebook of the documentation runs, cell by cell, against the real functions."""

import ast
import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.haystack_client.conftest import ROOT, Haystack, complete
from tests.haystack_client.test_runs import EVIDENCE, GENES, REPORT, contents

__all__ = ["contents"]  # a fixture
NOTEBOOK = ROOT / "docs" / "ask.ipynb"
GENE_SETS = b"name,collection,score,adjusted_p_value,expected,n_genes,leading_edge\nIFN,Hallmark,39,0,true,3,A;B\n"


def code_cells() -> list[str]:
    """Return the code of the notebook."""
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def run_cells() -> list[Any]:
    """Run the cells in one namespace, and return the value that each displays."""
    namespace: dict[str, Any] = {}
    shown = []
    for source in code_cells():
        *statements, last = ast.parse(source).body
        if not isinstance(last, ast.Expr):
            statements.append(last)
        exec(compile(ast.Module(statements, []), str(NOTEBOOK), "exec"), namespace)  # noqa: S102  # the notebook of this project
        value = ast.Expression(last.value) if isinstance(last, ast.Expr) else ast.parse("None", mode="eval")
        shown.append(eval(compile(value, str(NOTEBOOK), "eval"), namespace))  # noqa: S307  # as above
    namespace["client"].close()
    return shown


async def test_every_cell_of_the_notebook_runs(
    haystack: Haystack,
    tmp_path: Path,
    contents: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HAYSTACK_URL", haystack.url)
    monkeypatch.chdir(tmp_path)
    running = asyncio.create_task(asyncio.to_thread(run_cells))
    listed: list[dict[str, Any]] = []
    async with httpx.AsyncClient(base_url=haystack.url, trust_env=False) as http:
        while not listed and not running.done():
            listed = (await http.get("/api/v1/runs")).json()["runs"]
            await asyncio.sleep(0.1)
    if listed:
        await complete(listed[0]["run_id"], tmp_path, {**contents, "_gene_sets.csv": GENE_SETS}, EVIDENCE)
    shown = await running
    assert "IFN-gamma" in shown[1]
    *_, genes, gene_sets, conditions, report, paths = shown
    assert (len(genes), GENES.count(b"\n")) == (2, 3)
    assert gene_sets["name"].tolist() == ["IFN"]
    assert conditions.sum() == 2
    assert report.path.read_bytes() == REPORT
    assert all(path.exists() for path in paths)
    printed = capsys.readouterr().out
    assert "low None" in printed


def test_the_notebook_holds_no_output() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")
