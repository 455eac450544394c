"""The commands of `haystack`."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, TypeVar
from uuid import uuid4

import typer

from client import identity, progress, show, show_catalog
from client.api import Api, Json
from client.failures import ExitCode, Failure, Unavailable
from client.options import LOCAL, AsJson, OfDataset, Provider, Question, RunId, Status, Strategy, Url
from client.terminal import Terminal

T = TypeVar("T")

HELP: Final = """Ask HAYSTACK how cells respond to a perturbation, and fetch what it finds.

**Service:** `--url` or HAYSTACK_URL. A service behind Identity-Aware Proxy wants an identity token: HAYSTACK_TOKEN, or
HAYSTACK_AUDIENCE (its OAuth client id) for one from gcloud, as the service account HAYSTACK_SERVICE_ACCOUNT.

**Exit codes:**

- 0: done
- 1: the run failed or was cancelled (watch, submit --watch)
- 2: the command or the request was refused
- 3: not found
- 4: not signed in
- 5: the service is unreachable or unavailable, or a file did not arrive intact
- 130: interrupted

With `--json`, standard output is the API's own answer, one JSON document, or empty when the command fails.
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_enable=False)


@app.command()
def submit(
    question: Question,
    control_strategy: Annotated[Strategy | None, typer.Option(help="What the prediction is compared with.")] = None,
    max_iterations: Annotated[int | None, typer.Option(help="At most so many attempts, 1 to 10.")] = None,
    score_threshold: Annotated[int | None, typer.Option(help="Good enough, 1 to 10.")] = None,
    seed: Annotated[int | None, typer.Option(help="For a result that can be had again.")] = None,
    llm_provider: Annotated[Provider | None, typer.Option(help="Who may propose a structure for the question.")] = None,
    llm_model: Annotated[str | None, typer.Option(help="Which of the provider's models.")] = None,
    validate_only: Annotated[bool, typer.Option("--validate-only", help="Say what would run; submit nothing.")] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key and question never run twice; default: a new key.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow the run to its end.")] = False,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Ask a question: submit a run."""
    options: dict[str, object | None] = {
        "control_strategy": control_strategy,
        "max_iterations": max_iterations,
        "score_threshold": score_threshold,
        "random_seed": seed,
        "llm_provider": llm_provider,
        "llm_model": llm_model,
        "validate_only": validate_only or None,
    }
    request = {"query": question} | {name: value for name, value in options.items() if value is not None}
    with _service(url, as_json) as (api, terminal):
        run = _submit(api, request, idempotency_key or uuid4().hex)
        if validate_only:
            _tell(terminal, run, show.preview)
        elif watch:
            terminal.line(f"run: {run['run_id']}")
            _watch(api, terminal, run["run_id"])
        else:
            _tell(terminal, run, show.submitted)


@app.command()
def watch(run_id: RunId, url: Url = LOCAL, as_json: AsJson = False) -> None:
    """Follow a run to its end; Ctrl-C stops the watching, not the run."""
    with _service(url, as_json) as (api, terminal):
        _watch(api, terminal, api.run_id(run_id))


@app.command()
def status(run_id: RunId, url: Url = LOCAL, as_json: AsJson = False) -> None:
    """See where a run stands."""
    with _service(url, as_json) as (api, terminal):
        _tell(terminal, api.status(api.run_id(run_id)), show.status)


@app.command()
def result(
    run_id: RunId,
    download: Annotated[Path | None, typer.Option(metavar="DIR", help="Fetch the files into this folder.")] = None,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """See what a completed run found, and fetch its files."""
    with _service(url, as_json) as (api, terminal):
        found = api.result(api.run_id(run_id))
        if not as_json:
            show.result(terminal, found)
        if download is not None:
            terminal.line("files:")
            progress.download(terminal, found, download)
        elif not as_json:
            show.files(terminal, found)
        if as_json:  # last, so that a document is there only if the files are
            terminal.document(found)


@app.command(name="list")
def list_runs(
    status: Annotated[list[Status] | None, typer.Option(help="Only runs in this state; may be repeated.")] = None,
    created_after: Annotated[
        str | None, typer.Option(help="Only runs since this time, as 2026-01-31T00:00:00Z.")
    ] = None,
    created_before: Annotated[str | None, typer.Option(help="Only runs before this time.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """List your runs, newest first."""
    options: dict[str, object | None] = {
        "status": status or None,
        "created_after": created_after,
        "created_before": created_before,
    }
    filters = {name: value for name, value in options.items() if value is not None}
    with _service(url, as_json) as (api, terminal):
        pages = list(api.pages(filters, None if everything else limit))
        runs = [run for page in pages for run in page["runs"]]
        # Several pages are told as the one page that they make together.
        _tell(terminal, {**pages[-1], "runs": runs, "page": 1, "page_size": len(runs)}, show.runs)


@app.command()
def cancel(run_id: RunId, url: Url = LOCAL, as_json: AsJson = False) -> None:
    """Cancel a run."""
    with _service(url, as_json) as (api, terminal):
        _tell(terminal, api.cancel(api.run_id(run_id)), show.cancelled)


@app.command()
def validate(
    question: Question,
    control_strategy: Annotated[Strategy | None, typer.Option(help="The strategy to check.")] = None,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """See what a question is taken for, before it is run."""
    request: dict[str, object] = {"query": question}
    if control_strategy:
        request["control_strategy"] = control_strategy
    with _service(url, as_json) as (api, terminal):
        _tell(terminal, api.validate(request), show.validation)


@app.command()
def datasets(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="See what this one holds.")] = None,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """List the datasets, or see what one holds."""
    with _service(url, as_json) as (api, terminal):
        if name is None:
            _tell(terminal, api.catalog("datasets"), show_catalog.names)
        else:
            _tell(terminal, api.dataset(name), show_catalog.dataset)


@app.command()
def perturbations(dataset: OfDataset = None, url: Url = LOCAL, as_json: AsJson = False) -> None:
    """List the perturbations that can be asked for."""
    with _service(url, as_json) as (api, terminal):
        _tell(terminal, api.catalog("perturbations", dataset), show_catalog.perturbations)


@app.command(name="cell-types")
def cell_types(dataset: OfDataset = None, url: Url = LOCAL, as_json: AsJson = False) -> None:
    """List the cell types that can be asked for."""
    with _service(url, as_json) as (api, terminal):
        _tell(terminal, api.catalog("cell-types", dataset), show_catalog.cell_types)


def main() -> None:
    """Run the command line; what ends a command early is told here, once."""
    try:
        app()
    except Failure as failure:
        Terminal().fail(failure)
        sys.exit(failure.exit_code)


@contextmanager
def _service(url: str, as_json: bool) -> Iterator[tuple[Api, Terminal]]:
    terminal = Terminal(for_program=as_json)
    with Api(url, identity.from_environment(os.environ), say=terminal.warn) as api:
        yield api, terminal


def _tell(terminal: Terminal, answer: T, lay_out: Callable[[Terminal, T], None]) -> None:
    """Print an answer as JSON for a program, laid out for a person."""
    if terminal.for_program:
        terminal.document(answer)
    else:
        lay_out(terminal, answer)


def _submit(api: Api, request: dict[str, object], key: str) -> Json:
    again = (
        f"It may have been accepted all the same: repeat the command with --idempotency-key {key}, and it runs once."
    )
    try:
        return api.submit(request, key)
    except Unavailable as failure:
        if failure.worth_repeating:
            failure.details += (again,)
        raise
    except KeyboardInterrupt:
        raise Failure(ExitCode.INTERRUPTED, "Interrupted before the service answered.", again) from None


def _watch(api: Api, terminal: Terminal, run_id: str) -> None:
    try:
        run = progress.watch(terminal, api, run_id)
    except KeyboardInterrupt:
        raise Failure(
            ExitCode.INTERRUPTED,
            f"You stopped watching; {run_id} goes on.",
            f"haystack watch {run_id} follows it again",
            f"haystack cancel {run_id} ends it",
        ) from None
    _tell(terminal, run, show.ended)
    if run["status"] != "completed":
        raise typer.Exit(ExitCode.RUN_NOT_COMPLETED)


if __name__ == "__main__":
    main()
