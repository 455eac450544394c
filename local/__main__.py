"""Run the whole service on this machine, ask it a question, or inject faults into it."""

import asyncio
import errno
import signal
from pathlib import Path
from typing import Annotated, Literal

import typer

from local import console, demo, service
from local.batch import command
from local.lock import FolderInUse, locked

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(command.app, name="faults")


Store = Literal["sqlite", "firestore"]
Strategy = Literal["synthetic_control", "query_as_control"]
DataDir = Annotated[Path, typer.Option(resolve_path=True, help="Folder for the data of the service.")]
STORE_HELP = (
    "Run store. sqlite keeps runs across a restart; firestore (the emulator; needs Java and gcloud) does not, "
    "unless FIRESTORE_EMULATOR_HOST names one that keeps running."
)


@app.command()
def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: any free port.")] = 8080,
    store: Annotated[Store, typer.Option(help=STORE_HELP)] = "sqlite",
    data_dir: DataDir = Path(".local"),
    demo_atlas: Annotated[
        bool, typer.Option("--demo-atlas", help="Build the demo atlases first, unless they exist.")
    ] = False,
    frontend: Annotated[
        Path | None,
        typer.Option(resolve_path=True, help="Folder of a static front end to serve instead of the built-in page."),
    ] = None,
) -> None:
    """Run the service until Ctrl-C, or until a process that it needs ends."""
    if frontend is not None and not (frontend / "index.html").is_file():
        raise SystemExit(f"local: {frontend} has no index.html; pass the folder that the build wrote")
    if demo_atlas:
        demo.make_atlases(data_dir)
    try:
        with console.readable_stderr():
            code = asyncio.run(_serve(data_dir, port, store, frontend))
    except (FolderInUse, OSError, RuntimeError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        message = f"port {port} is in use; choose another with --port (0: any free port)" if taken else error
        raise SystemExit(f"local: {message}") from error
    raise SystemExit(code)


@app.command(name="atlas")
def make_atlases(data_dir: DataDir = Path(".local")) -> None:
    """Build and ingest the demo atlases, unless they exist."""
    demo.make_atlases(data_dir)


@app.command(context_settings={"ignore_unknown_options": True})
def ingest(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="DATASET PATH", help="Name of the dataset, and its file; or list, show NAME, remove NAME."
        ),
    ],
    data_dir: DataDir = Path(".local"),
) -> None:
    """Add your own atlas (.h5ad) under the name DATASET, or list, show NAME or remove NAME.

    The options of `python -m orchestrator.ingest` work here too.
    """
    if arguments[0] in {"list", "show"}:  # these only read, so a service may run
        demo.ingest(arguments, data_dir)
        return
    try:
        with locked(data_dir):
            demo.ingest(arguments, data_dir)
    except FolderInUse as error:
        raise SystemExit(f"local: {error}") from error
    if arguments[0] != "remove" and "--dry-run" not in arguments:
        print("The atlas is ready; start the service with: make up")


@app.command(name="demo")
def ask(
    query: Annotated[str, typer.Argument(help="The question.")] = demo.QUESTION,
    control_strategy: Annotated[
        Strategy, typer.Option(help="Compare with a predicted control, or with the query cells.")
    ] = "synthetic_control",
    max_iterations: Annotated[int, typer.Option(min=1, max=10, help="Maximum number of iterations.")] = 5,
    score_threshold: Annotated[
        int, typer.Option(min=1, max=10, help="Stop when the score reaches this value (1 to 10).")
    ] = 7,
    random_seed: Annotated[int | None, typer.Option(min=0, help="Random seed, for reproducible results.")] = None,
    store: Annotated[Store | None, typer.Option(help=STORE_HELP)] = None,
    data_dir: DataDir = Path(".local"),
    results_dir: Annotated[Path, typer.Option(help="Folder for the result files.")] = Path("demo-results"),
) -> None:
    """Ask one question, show its progress, and download its results; start a service if none runs.

    The measured answer to the default question is withheld from the atlas, and is shown beside the prediction in the end.
    """
    body: dict[str, object] = {
        "query": query,
        "control_strategy": control_strategy,
        "max_iterations": max_iterations,
        "score_threshold": score_threshold,
    }
    if random_seed is not None:
        body["random_seed"] = random_seed
    raise SystemExit(demo.run(body, data_dir=data_dir, store=store, results_dir=results_dir))


async def _serve(data_dir: Path, port: int, store: str, frontend: Path | None) -> int:
    """Run the service until a signal, or until a process that it needs ends, and return the exit code."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    async with service.running(data_dir, port, store, service.say_on_stderr, frontend) as (url, ended):
        print(f"ready: {url}", flush=True)
        print(f"page:  {url}/", flush=True)
        question = f'{{"query": "{demo.QUESTION}"}}'
        print(f"try:   curl -s {url}/api/v1/runs -H 'Content-Type: application/json' -d '{question}'", flush=True)
        print(f"API:   {url}/docs", flush=True)
        ends = [loop.create_task(wait()) for wait in ended]
        done, pending = await asyncio.wait(
            [*ends, loop.create_task(stopped.wait())], return_when=asyncio.FIRST_COMPLETED
        )
        for task in pending:
            task.cancel()
        failures = [task.result() for task in ends if task in done]
        for failure in failures:
            service.say_on_stderr(failure)
        service.say_on_stderr("stopping; running jobs get up to 10 seconds to end")
    if service.survives(store):
        service.say_on_stderr(f"stopped; the next start with --data-dir {data_dir} continues the runs")
    else:
        service.say_on_stderr("stopped; all runs and jobs are lost, because --store firestore keeps them in memory")
    return 1 if failures else 0


if __name__ == "__main__":
    app()
