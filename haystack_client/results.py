"""The result of a run as an object: tables, predicted cells, report and evidence, downloaded when first needed.

pandas and anndata are imported only by what returns their objects: the client itself needs no scientific library.
"""

import asyncio
import html
import json
import shutil
import tempfile
import weakref
import webbrowser
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from haystack_client.download import Json
from haystack_client.errors import NotFound, RequestRefused

if TYPE_CHECKING:
    import anndata
    import pandas as pd

# New URLs are requested this long before the old ones expire.
MARGIN: Final = timedelta(minutes=1)
REPORT_HEIGHT: Final = 700


class Files(Protocol):
    """What a result needs of `Client`."""

    def result(self, run_id: str) -> Json:
        """See `Client.result`."""

    def download(self, file: Json, folder: Path | str) -> Path:
        """See `Client.download`."""


class AsyncFiles(Protocol):
    """What a result needs of `AsyncClient`."""

    async def result(self, run_id: str) -> Json:
        """See `Client.result`."""

    async def download(self, file: Json, folder: Path | str) -> Path:
        """See `Client.download`."""


class Report:
    """A downloaded report; a notebook displays it.

    Attributes:
        path: the HTML file, which works offline.
        kept_by: the result that removes the file when it is no longer used; None: nothing removes it.
    """

    def __init__(self, path: Path, kept_by: object = None) -> None:
        self.path = path.resolve()
        self._kept_by = kept_by

    def open(self) -> bool:
        """Open the report in a browser, and return whether there is one."""
        return webbrowser.open(self.path.as_uri())

    def _repr_html_(self) -> str:
        # A frame keeps the styles of the report and of the notebook apart, and its sandbox keeps scripts out of the notebook.
        content = html.escape(self.path.read_text(encoding="utf-8"), quote=True)
        return (
            f'<iframe title="Report" width="100%" height="{REPORT_HEIGHT}" style="border: 0" '
            f'sandbox="allow-scripts allow-popups allow-popups-to-escape-sandbox" srcdoc="{content}"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<report: {self.path}>"


class ResultSummary:
    """What a result says without its files.

    Attributes:
        json: the result as the API returned it.
    """

    def __init__(self, json: Json) -> None:
        self.json = json
        self._folder: Path | None = None

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return str(self.json["run_id"])

    @property
    def answer(self) -> str:
        """The answer in sentences."""
        return str(self.json["answer"])

    @property
    def evidence(self) -> Mapping[str, Any] | None:
        """How far the result can be trusted; None for runs from before this was stored."""
        evidence: Mapping[str, Any] | None = self.json.get("evidence")
        return evidence

    @property
    def confidence(self) -> str | None:
        """High, moderate, low or none, the words of `evidence`; None for runs from before this was stored."""
        return None if self.evidence is None else str(self.evidence["confidence"])

    @property
    def expected_r(self) -> float | None:
        """Median expected correlation with a measurement; None if it is unknown."""
        expected = (self.evidence or {}).get("expected_accuracy")
        return None if expected is None else float(expected["pearson"]["median"])

    def __repr__(self) -> str:
        return f"<result of {self.run_id}, confidence {self.confidence or 'unknown'}: {self.answer}>"

    def _repr_html_(self) -> str:
        why = (self.evidence or {}).get("confidence_reason", "")
        confidence = f"<p>Confidence: <b>{html.escape(self.confidence or 'unknown')}</b>. {html.escape(why)}</p>"
        return f"<p>{html.escape(self.answer)}</p>{confidence}"

    def _file(self, end: str) -> Json:
        """Return the entry of the file whose name ends like this.

        Raises:
            NotFound: the run has no such file.
        """
        for file in self.json["files"]:
            if str(file["name"]).endswith(end):
                found: Json = file
                return found
        raise NotFound(f"{self.run_id} has no file *{end}: it was made before the service wrote such files. Ask again.")

    def _fresh(self) -> bool:
        """Return whether the URLs of the files are still valid."""
        now = datetime.now(UTC) + MARGIN
        return all(datetime.fromisoformat(file["expires_at"]) > now for file in self.json["files"])

    def _own_folder(self) -> Path:
        """Return a folder that lives as long as this object."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="haystack-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder


class Result(ResultSummary):
    """The result of a completed run. Files are downloaded once, when they are first needed."""

    def __init__(self, client: Files, json: Json) -> None:
        super().__init__(json)
        self._client = client

    @property
    def genes(self) -> "pd.DataFrame":
        """All genes, the largest |z| first: effect, standard error, p-values.

        Raises:
            RequestRefused: pandas is not installed.
        """
        return table(self._path("_genes.csv"), ".genes")

    @property
    def gene_sets(self) -> "pd.DataFrame":
        """All gene sets with their score, adjusted p-value and leading edge.

        Raises:
            RequestRefused: pandas is not installed.
        """
        return table(self._path("_gene_sets.csv"), ".gene_sets")

    def to_anndata(self) -> "anndata.AnnData":
        """Return the query, control and predicted cells.

        Raises:
            RequestRefused: anndata is not installed.
        """
        return cells(self._path(".h5ad"))

    def report(self, folder: Path | str | None = None) -> Report:
        """Return the report; as the last line of a notebook cell, it is displayed.

        Args:
            folder: where its file stays; None: it is removed together with this object.
        """
        if folder is None:
            return Report(self._path("_report.html"), kept_by=self)
        self._renew()
        return Report(self._client.download(self._file("_report.html"), folder))

    def log(self) -> Json:
        """Return the log of the run, which docs/run_log.schema.json describes."""
        log: Json = json.loads(self._path("_log.json").read_text(encoding="utf-8"))
        return log

    def download(self, folder: Path | str) -> list[Path]:
        """Download all files into a folder and return their paths."""
        self._renew()
        return [self._client.download(file, folder) for file in self.json["files"]]

    def _path(self, end: str) -> Path:
        path = self._own_folder() / str(self._file(end)["name"])
        if not path.exists():
            self._renew()
            path = self._client.download(self._file(end), self._own_folder())
        return path

    def _renew(self) -> None:
        if not self._fresh():
            self.json = self._client.result(self.run_id)


class AsyncResult(ResultSummary):
    """The result of a completed run, for `AsyncClient`: what needs a file is awaited."""

    def __init__(self, client: AsyncFiles, json: Json) -> None:
        super().__init__(json)
        self._client = client

    async def genes(self) -> "pd.DataFrame":
        """See `Result.genes`."""
        return await asyncio.to_thread(table, await self._path("_genes.csv"), ".genes()")

    async def gene_sets(self) -> "pd.DataFrame":
        """See `Result.gene_sets`."""
        return await asyncio.to_thread(table, await self._path("_gene_sets.csv"), ".gene_sets()")

    async def to_anndata(self) -> "anndata.AnnData":
        """See `Result.to_anndata`."""
        return await asyncio.to_thread(cells, await self._path(".h5ad"))

    async def report(self, folder: Path | str | None = None) -> Report:
        """See `Result.report`."""
        if folder is None:
            return Report(await self._path("_report.html"), kept_by=self)
        await self._renew()
        return Report(await self._client.download(self._file("_report.html"), folder))

    async def log(self) -> Json:
        """See `Result.log`."""
        log: Json = json.loads((await self._path("_log.json")).read_text(encoding="utf-8"))
        return log

    async def download(self, folder: Path | str) -> list[Path]:
        """See `Result.download`."""
        await self._renew()
        return [await self._client.download(file, folder) for file in self.json["files"]]

    async def _path(self, end: str) -> Path:
        path = self._own_folder() / str(self._file(end)["name"])
        if not path.exists():
            await self._renew()
            path = await self._client.download(self._file(end), self._own_folder())
        return path

    async def _renew(self) -> None:
        if not self._fresh():
            self.json = await self._client.result(self.run_id)


def table(path: Path, wanted_by: str) -> "pd.DataFrame":
    """Return a table of a result.

    Raises:
        RequestRefused: pandas is not installed.
    """
    pandas = _library("pandas", wanted_by)
    # Only an empty cell is missing: there are genes whose names pandas takes for a missing value.
    return pandas.read_csv(path, keep_default_na=False, na_values=[""])


def cells(path: Path) -> "anndata.AnnData":
    """Return the cells of a result.

    Raises:
        RequestRefused: anndata is not installed.
    """
    return _library("anndata", ".to_anndata()").read_h5ad(path)


def _library(name: str, wanted_by: str) -> Any:  # noqa: ANN401  # a module
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise RequestRefused(f"`{wanted_by}` needs {name}, which is not installed. Run: pip install {name}") from None
