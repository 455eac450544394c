"""The commands of `haystack`."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeVar
from uuid import uuid4

from typer import Argument, Exit, Option, Typer, echo

from haystack_client import __version__, history, identity, progress, questions, reading, show
from haystack_client.api import LOCAL_URL, Client
from haystack_client.errors import (
    HaystackError,
    Interrupted,
    NotFound,
    QuestionNotAnswerable,
    RequestRefused,
    RetryPolicy,
    Unavailable,
)
from haystack_client.errors import retry as repeat
from haystack_client.operations import address, notify
from haystack_client.results import Result
from haystack_client.terminal import Terminal

T = TypeVar("T")

HELP: Final = """Ask HAYSTACK how cells respond to a perturbation, and download the results.

**Service:** set its address with `--url` or HAYSTACK_URL. A service behind Identity-Aware Proxy requires a token. Set
HAYSTACK_SERVICE_ACCOUNT to a service account that may use the service: each command then signs a token as this account,
for which you need roles/iam.serviceAccountTokenCreator on it. Or set HAYSTACK_TOKEN to a token of `haystack token`.

**Exit codes:**

- 0: success
- 1: the run failed or was cancelled (watch, submit --watch), the question cannot be answered (validate, submit --validate-only), or not all
  of many questions have an answer (submit --file, submit --cell-types)
- 2: the command or the request is invalid, or the service refuses it (submit: also a question that cannot be answered)
- 3: not found
- 4: not signed in
- 5: the service is unavailable, or a file did not arrive intact
- 130: interrupted

**Many questions:** `haystack submit --file questions.csv` asks all questions of a file, and prints one table in the end. The file
is a table (.csv, .tsv) with the column `query` and, if you like, columns of options (control_strategy, max_iterations,
score_threshold, random_seed, llm_provider, llm_model, label), or text with a question on each line.
`--cell-types "NK cells,B cells" --perturbations IL-2,TNF` asks about each pair. At the limit of active runs, the command waits.
Repeated within 24 hours, it continues.

With `--json`, standard output is the response of the API as one JSON document; `token` prints its own. It is empty for exit codes above 1.
"""
STRATEGY_HELP: Final = (
    "`synthetic_control` (the default) compares with a predicted control, `query_as_control` with the query cells."
)
PROVIDER_HELP: Final = "Let a model of `anthropic`, `openai` or `google_genai` analyze the question."
KEY_HELP: Final = "Submitting the same question again with the same key returns the same run. Default: a new key."
STATE_HELP: Final = "Only runs in this state: pending, running, completed, failed or cancelled. Repeatable."
ACCOUNT_HELP: Final = "The service account that signs the token; it must be a member of the service."
LAST: Final = "last"
RESULTS_FOLDER: Final = Path("results")

FILE_HELP: Final = (
    "Ask all questions of a table (.csv, .tsv) with the column `query`, or of a text with one on each line."
)
CELL_TYPES_HELP: Final = (
    "Ask about each of these cell types and each of --perturbations; separated by commas, or repeated."
)
WEBHOOK_HELP: Final = "Let the service send a signed webhook to this address when the run ends."
OUTPUT_HELP: Final = "Also write the table of many questions to this CSV file."

Strategy = StrEnum("Strategy", ["SYNTHETIC_CONTROL", "QUERY_AS_CONTROL"])
Provider = StrEnum("Provider", ["ANTHROPIC", "OPENAI", "GOOGLE_GENAI"])
Status = StrEnum("Status", ["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"])

Url = Annotated[str, Option(envvar="HAYSTACK_URL", help="Address of the service, without /api/v1.")]
AsJson = Annotated[bool, Option("--json", help="Print the response of the API as one JSON document.")]
Question = Annotated[str, Argument(metavar="QUESTION", help="The question, in plain language.")]
RunId = Annotated[str, Argument(metavar="RUN_ID", help="The id of the run, or `last` for your newest run.")]
ControlStrategy = Annotated[Strategy | None, Option(metavar="STRATEGY", help=STRATEGY_HELP)]
Dataset = Annotated[str | None, Option("--dataset", help="List only this dataset.")]
Everything = Annotated[bool, Option("--all", help="Also list those without enough cells in an ingested atlas.")]

app = Typer(no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        echo(f"haystack {__version__}")
        raise Exit


@app.callback(help=HELP)
def haystack(
    version: Annotated[
        bool, Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Accept the options that stand before a command."""


@app.command()
def submit(
    question: Annotated[str | None, Argument(metavar="QUESTION", help="The question, in plain language.")] = None,
    file: Annotated[Path | None, Option("--file", metavar="TABLE", help=FILE_HELP)] = None,
    cell_types: Annotated[list[str] | None, Option(metavar="NAMES", help=CELL_TYPES_HELP)] = None,
    perturbations: Annotated[list[str] | None, Option(metavar="NAMES", help="See --cell-types.")] = None,
    output: Annotated[Path | None, Option(metavar="FILE", help=OUTPUT_HELP)] = None,
    control_strategy: ControlStrategy = None,
    max_iterations: Annotated[int | None, Option(help="Maximum number of iterations (1 to 10).")] = None,
    score_threshold: Annotated[int | None, Option(help="Stop when the score reaches this value (1 to 10).")] = None,
    seed: Annotated[int | None, Option(help="Random seed, for reproducible results.")] = None,
    llm_provider: Annotated[Provider | None, Option(metavar="PROVIDER", help=PROVIDER_HELP)] = None,
    llm_model: Annotated[str | None, Option(help="The provider's model to use.")] = None,
    validate_only: Annotated[bool, Option("--validate-only", help="Show what would run, without running it.")] = False,
    idempotency_key: Annotated[str | None, Option(help=KEY_HELP)] = None,
    label: Annotated[
        str | None, Option(help="Name of your own for a group of runs; `haystack list --label` lists it.")
    ] = None,
    notify_webhook: Annotated[str | None, Option(metavar="URL", help=WEBHOOK_HELP)] = None,
    notify_email: Annotated[bool, Option("--notify-email", help="Get an e-mail when the run ends.")] = False,
    watch: Annotated[bool, Option("--watch", "-w", help="Follow the run until it ends.")] = False,
    url: Url = LOCAL_URL,
    as_json: AsJson = False,
) -> None:
    """Submit a question as a new run, or many questions; for many, wait and print a table in the end."""
    options: dict[str, object] = {
        "control_strategy": control_strategy,
        "max_iterations": max_iterations,
        "score_threshold": score_threshold,
        "random_seed": seed,
        "llm_provider": llm_provider,
        "llm_model": llm_model,
        "label": label,
        "notify": notify(notify_webhook, notify_email),
    }
    if question is None or file or cell_types or perturbations:
        if validate_only or idempotency_key:
            raise RequestRefused("--validate-only and --idempotency-key are for one QUESTION.")
        _submit_many(_many(question, file, cell_types, perturbations, options), output, url, as_json)
        return
    key = idempotency_key or uuid4().hex
    repeat = f"The run may have been accepted. To avoid a second run, repeat the command with --idempotency-key {key}"
    with _service(url, as_json) as (client, terminal):
        try:
            run = client.submit(
                question,
                idempotency_key=key,
                validate_only=validate_only or None,
                **options,
            )
        except Unavailable as error:
            if error.retryable:
                error.details += (repeat,)
            raise
        except KeyboardInterrupt:
            raise Interrupted("Interrupted before the service responded.", repeat) from None
        if validate_only:
            _print(terminal, run, show.preview)
            _exit_unless(run["would_run"])
        elif watch:
            show.accepted(terminal, run)
            _watch(client, terminal, run["run_id"])
        else:
            _print(terminal, run, show.submitted)


@app.command()
def watch(run_id: RunId, url: Url = LOCAL_URL, as_json: AsJson = False) -> None:
    """Follow a run until it ends. Ctrl-C stops following; the run continues."""
    with _service(url, as_json) as (client, terminal):
        _watch(client, terminal, _resolve(client, run_id))


@app.command()
def status(run_id: RunId, url: Url = LOCAL_URL, as_json: AsJson = False) -> None:
    """Show the status of a run."""
    with _service(url, as_json) as (client, terminal):
        _print(terminal, client.status(_resolve(client, run_id)), show.status)


@app.command()
def result(
    run_id: RunId,
    download: Annotated[Path | None, Option(metavar="DIR", help="Download the result files to this folder.")] = None,
    url: Url = LOCAL_URL,
    as_json: AsJson = False,
) -> None:
    """Show the result of a completed run, and download its files."""
    with _service(url, as_json) as (client, terminal):
        found = client.result(_resolve(client, run_id))
        if not as_json:
            show.result(terminal, found)
        if download is not None:
            terminal.line("files:")
            progress.download(terminal, client, found, download)
        elif not as_json:
            show.files(terminal, found)
        if as_json:  # last, so that the document appears only if all files have arrived
            terminal.document(found)


@app.command(name="list")
def list_runs(
    status: Annotated[list[Status] | None, Option(metavar="STATE", help=STATE_HELP)] = None,
    label: Annotated[str | None, Option(help="Only runs with this label.")] = None,
    created_after: Annotated[str | None, Option(metavar="TIME", help="Only runs created after this time.")] = None,
    created_before: Annotated[str | None, Option(metavar="TIME", help="Only runs created before this time.")] = None,
    limit: Annotated[int, Option(min=1, help="Maximum number of runs.")] = 20,
    everything: Annotated[bool, Option("--all", help="List all runs.")] = False,
    url: Url = LOCAL_URL,
    as_json: AsJson = False,
) -> None:
    """List your runs, newest first. A TIME looks like 2026-01-31T00:00:00Z."""
    with _service(url, as_json) as (client, terminal):
        page = client.list_runs(
            limit=None if everything else limit,
            status=status or None,
            label=label,
            created_after=created_after,
            created_before=created_before,
        )
        _print(terminal, page, show.runs)


@app.command()
def cancel(run_id: RunId, url: Url = LOCAL_URL, as_json: AsJson = False) -> None:
    """Cancel a run."""
    with _service(url, as_json) as (client, terminal):
        _print(terminal, client.cancel(_resolve(client, run_id)), show.cancelled)


@app.command()
def delete(run_id: RunId, url: Url = LOCAL_URL, as_json: AsJson = False) -> None:
    """Delete a finished run and its files, for good."""
    with _service(url, as_json) as (client, terminal):
        _print(terminal, client.delete(_resolve(client, run_id)), show.deleted)


@app.command()
def retry(run_id: RunId, url: Url = LOCAL_URL, as_json: AsJson = False) -> None:
    """Submit the question of a run again, with the same options."""
    with _service(url, as_json) as (client, terminal):
        _print(terminal, client.retry(_resolve(client, run_id)), show.submitted)


@app.command(name="open")
def open_report(
    run_id: RunId,
    download: Annotated[Path, Option(metavar="DIR", help="Download the report to this folder.")] = RESULTS_FOLDER,
    url: Url = LOCAL_URL,
    as_json: AsJson = False,
) -> None:
    """Download the report of a completed run, and open it in a browser."""
    with _service(url, as_json) as (client, terminal):
        result = Result(client, client.result(_resolve(client, run_id)))
        report = result.report(download)
        opened = report.open()
        if as_json:
            terminal.document({"run_id": result.run_id, "path": str(report.path), "opened": opened})
            return
        terminal.line(str(report.path))
        if not opened:
            terminal.line(f"No browser was found. Open this address in one: {report.path.as_uri()}")


@app.command()
def logs(run_id: RunId, url: Url = LOCAL_URL, as_json: AsJson = False) -> None:
    """Show the history of a run: of a completed one from its log, of others what is known so far."""
    with _service(url, as_json) as (client, terminal):
        run = client.status(_resolve(client, run_id))
        if run["status"] != "completed":
            _print(terminal, run, lambda terminal, run: show.lines(terminal, history.of_status(run)))
            return
        log = Result(client, client.result(run["run_id"])).log()
        _print(terminal, log, lambda terminal, log: show.lines(terminal, history.of_log(log, run)))


@app.command()
def validate(
    question: Question,
    control_strategy: ControlStrategy = None,
    url: Url = LOCAL_URL,
    as_json: AsJson = False,
) -> None:
    """Show how the service reads a question, without running it."""
    with _service(url, as_json) as (client, terminal):
        found = client.validate(question, control_strategy=control_strategy)
        _print(terminal, found, show.validation)
        _exit_unless(found["interpretation"]["answerable"])


@app.command()
def datasets(
    name: Annotated[str | None, Argument(metavar="NAME", help="Show the details of this dataset.")] = None,
    url: Url = LOCAL_URL,
    as_json: AsJson = False,
) -> None:
    """List the datasets, or show the details of one."""
    with _service(url, as_json) as (client, terminal):
        if name is None:
            _print(terminal, client.datasets(), show.datasets)
        else:
            _print(terminal, client.dataset(name), show.dataset)


@app.command()
def perturbations(
    dataset: Dataset = None, everything: Everything = False, url: Url = LOCAL_URL, as_json: AsJson = False
) -> None:
    """List the perturbations that you can ask about."""
    with _service(url, as_json) as (client, terminal):
        found = client.perturbations(dataset, everything=everything)
        _print(terminal, found, show.perturbations)
        if not as_json:
            known = found if everything else client.perturbations(dataset, everything=True)
            show.count(terminal, len(found), len(known), "perturbations")


@app.command(name="cell-types")
def cell_types(
    dataset: Dataset = None, everything: Everything = False, url: Url = LOCAL_URL, as_json: AsJson = False
) -> None:
    """List the cell types that you can ask about."""
    with _service(url, as_json) as (client, terminal):
        found = client.cell_types(dataset, everything=everything)
        _print(terminal, found, show.cell_types)
        if not as_json:
            known = found if everything else client.cell_types(dataset, everything=True)
            show.count(terminal, len(found), len(known), "cell types")


@app.command()
def token(
    service_account: Annotated[str, Option(envvar="HAYSTACK_SERVICE_ACCOUNT", help=ACCOUNT_HELP)],
    url: Annotated[str, Option(envvar="HAYSTACK_URL", help="Address of the service, without /api/v1.")],
    as_json: Annotated[bool, Option("--json", help="Print token and expiry as one JSON document.")] = False,
) -> None:
    """Print a token for another program, valid for an hour.

    For example: `curl -H "Authorization: Bearer $(haystack token)" "$HAYSTACK_URL/api/v1/runs"`
    """
    terminal = Terminal(for_program=as_json)
    account = identity.ServiceAccount(service_account)
    signed = repeat(lambda: account.token(address(url)), RetryPolicy(on_retry=terminal.warn))
    if as_json:
        expires_at = datetime.fromtimestamp(identity.expiry(signed), UTC).isoformat().replace("+00:00", "Z")
        terminal.document({"token": signed, "expires_at": expires_at})
    else:
        echo(signed)


def main() -> None:
    """Run the command line, and print the error of a command that fails."""
    try:
        app()
    except QuestionNotAnswerable as error:
        reading.refusal(Terminal(for_program=True), error)  # on standard error
        sys.exit(error.exit_code)
    except HaystackError as error:
        Terminal().fail(error)
        sys.exit(error.exit_code)


@contextmanager
def _service(url: str, as_json: bool) -> Iterator[tuple[Client, Terminal]]:
    terminal = Terminal(for_program=as_json)
    with Client(
        url, identity=identity.from_environment(os.environ), retry_policy=RetryPolicy(on_retry=terminal.warn)
    ) as client:
        yield client, terminal


def _many(
    question: str | None,
    file: Path | None,
    cell_types: list[str] | None,
    perturbations: list[str] | None,
    options: dict[str, object],
) -> list[questions.Question]:
    grid = bool(cell_types or perturbations)
    if (question is not None) + (file is not None) + grid != 1:
        raise RequestRefused("Give one QUESTION, or --file, or --cell-types and --perturbations.")
    if file is not None:
        return questions.read(file, options)
    return questions.grid(cell_types or [], perturbations or [], options)


def _submit_many(asked: list[questions.Question], output: Path | None, url: str, as_json: bool) -> None:
    resume = (
        "Submitted runs continue. To continue: repeat the same command within 24 hours; no question runs twice.",
        "To see the runs: haystack list",
    )
    with _service(url, as_json) as (client, terminal):
        try:
            answers = progress.ask_many(terminal, client, asked)
        except Unavailable as error:
            if error.retryable:
                error.details += resume
            raise
        except KeyboardInterrupt:
            raise Interrupted("Stopped waiting.", *resume) from None
        if output is not None:
            answers.to_csv(output)
        if as_json:
            terminal.document(answers.json)
        else:
            show.answers(terminal, answers)
        _exit_unless(answers.complete)


def _print(terminal: Terminal, answer: T, layout: Callable[[Terminal, T], None]) -> None:
    if terminal.for_program:
        terminal.document(answer)
    else:
        layout(terminal, answer)


def _exit_unless(answerable: bool) -> None:
    if not answerable:
        raise Exit(1)


def _resolve(client: Client, run_id: str) -> str:
    """Return the run id that the user means; `last` is the newest run."""
    if run_id != LAST:
        return run_id
    runs = client.list_runs(limit=1)["runs"]
    if not runs:
        raise NotFound("You have no runs yet.")
    return str(runs[0]["run_id"])


def _watch(client: Client, terminal: Terminal, run_id: str) -> None:
    try:
        run = progress.watch(terminal, client, run_id)
    except KeyboardInterrupt:
        raise Interrupted(
            f"Stopped watching. {run_id} continues to run.",
            f"To follow it again: haystack watch {run_id}",
            f"To cancel it: haystack cancel {run_id}",
        ) from None
    _print(terminal, run, show.ended)
    if run["status"] != "completed":
        raise Exit(1)


if __name__ == "__main__":
    main()
