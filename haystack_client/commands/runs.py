"""The commands about runs: follow, show, list, cancel, delete and repeat them."""

from pathlib import Path
from typing import Any, Final

from typer import confirm

from haystack_client import history, progress, show
from haystack_client.api import LOCAL_URL, Client
from haystack_client.commands.options import (
    AllRuns,
    AsJson,
    CreatedAfter,
    CreatedBefore,
    DownloadTo,
    Limit,
    OfLabel,
    ReportFolder,
    RunId,
    States,
    Url,
    Yes,
)
from haystack_client.commands.session import follow, resolve, service, show_answer
from haystack_client.errors import RequestRefused
from haystack_client.results import Result

RESULTS_FOLDER: Final = Path("results")


def watch(run_id: RunId, url: Url = LOCAL_URL, as_json: AsJson = False) -> None:
    """Follow a run until it ends. Ctrl-C stops following; the run continues."""
    with service(url, as_json) as (client, terminal):
        follow(client, terminal, resolve(client, run_id))


def status(run_id: RunId, url: Url = LOCAL_URL, as_json: AsJson = False) -> None:
    """Show the status of a run."""
    with service(url, as_json) as (client, terminal):
        show_answer(terminal, client.status(resolve(client, run_id)), show.status)


def result(
    run_id: RunId,
    download: DownloadTo = None,
    url: Url = LOCAL_URL,
    as_json: AsJson = False,
) -> None:
    """Show the result of a completed run, and download its files."""
    with service(url, as_json) as (client, terminal):
        found = _result(client, resolve(client, run_id))
        if not as_json:
            show.result(terminal, found)
        if download is not None:
            terminal.line("files:")
            progress.download(terminal, client, found, download)
        elif not as_json:
            show.files(terminal, found)
        if as_json:  # last, so that the document appears only if all files have arrived
            terminal.document(found)


def list_runs(
    status: States = None,
    label: OfLabel = None,
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
    limit: Limit = 20,
    everything: AllRuns = False,
    url: Url = LOCAL_URL,
    as_json: AsJson = False,
) -> None:
    """List your runs, newest first. A TIME looks like 2026-01-31T00:00:00Z."""
    with service(url, as_json) as (client, terminal):
        page = client.list_runs(
            limit=None if everything else limit,
            status=status or None,
            label=label,
            created_after=created_after,
            created_before=created_before,
        )
        show_answer(terminal, page, show.runs)


def cancel(run_id: RunId, url: Url = LOCAL_URL, as_json: AsJson = False) -> None:
    """Cancel a run."""
    with service(url, as_json) as (client, terminal):
        show_answer(terminal, client.cancel(resolve(client, run_id)), show.cancelled)


def delete(run_id: RunId, yes: Yes = False, url: Url = LOCAL_URL, as_json: AsJson = False) -> None:
    """Delete a finished run and its files, for good."""
    with service(url, as_json) as (client, terminal):
        found = resolve(client, run_id)
        if terminal.is_interactive and not yes:
            terminal.prose(client.status(found)["query"], style="bold")
            confirm(f"Delete {found}, its result and its files for good?", abort=True)
        show_answer(terminal, client.delete(found), show.deleted)


def retry(run_id: RunId, url: Url = LOCAL_URL, as_json: AsJson = False) -> None:
    """Submit the question of a run again, with the same options."""
    with service(url, as_json) as (client, terminal):
        show_answer(terminal, client.retry(resolve(client, run_id)), show.submitted)


def open_report(
    run_id: RunId,
    download: ReportFolder = RESULTS_FOLDER,
    url: Url = LOCAL_URL,
    as_json: AsJson = False,
) -> None:
    """Download the report of a completed run, and open it in a browser."""
    with service(url, as_json) as (client, terminal):
        result = Result(client, _result(client, resolve(client, run_id)))
        report = result.report(download)
        opened = report.open()
        if as_json:
            terminal.document({"run_id": result.run_id, "path": str(report.path), "opened": opened})
            return
        terminal.line(str(report.path))
        if not opened:
            terminal.line(f"No browser was found. Open this address in one: {report.path.as_uri()}")


def logs(run_id: RunId, url: Url = LOCAL_URL, as_json: AsJson = False) -> None:
    """Show the history of a run: of a completed one from its log, of others what is known so far."""
    with service(url, as_json) as (client, terminal):
        run = client.status(resolve(client, run_id))
        if run["status"] != "completed":
            show_answer(terminal, run, lambda terminal, run: show.lines(terminal, history.of_status(run)))
            return
        log = Result(client, client.result(run["run_id"])).log()
        show_answer(terminal, log, lambda terminal, log: show.lines(terminal, history.of_log(log, run)))


def _result(client: Client, run_id: str) -> Any:  # noqa: ANN401
    """Return the result of a run; if it is not done yet, name the command that follows it instead of the API's path."""
    try:
        return client.result(run_id)
    except RequestRefused as error:
        if error.code != "run_not_completed" or (run := client.status(run_id))["done"]:
            raise
        told = RequestRefused(
            f"{run_id} is {run['status']} and has no result yet.", f"To follow it: haystack watch {run_id}"
        )
        told.code, told.request_id = error.code, error.request_id
        raise told from error
