"""`python -m local up` runs the service; `python -m local demo "a question"` asks it and waits for the answer."""

import asyncio
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from local import atlas, demo, service
from local.batch import command
from local.service import Plan

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(command.app, name="rehearse")


class StoreChoice(StrEnum):
    """Where runs are kept."""

    FIRESTORE = "firestore"
    SQLITE = "sqlite"


class StrategyChoice(StrEnum):
    """What a prediction is compared with."""

    SYNTHETIC_CONTROL = "synthetic_control"
    QUERY_AS_CONTROL = "query_as_control"


DataDir = Annotated[Path, typer.Option(help="Where the service keeps its data.")]
Store = Annotated[
    StoreChoice | None,
    typer.Option(help="Where runs are kept; default: Firestore if its emulator is there, else SQLite."),
]


@app.command()
def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen on 127.0.0.1; 0: any free port.")] = 8080,
    store: Store = None,
    data_dir: DataDir = Path(".local"),
) -> None:
    """Run the service until Ctrl-C."""
    try:
        asyncio.run(_serve(Plan(data_dir, port, store.value if store else None)))
    except (OSError, RuntimeError) as error:
        raise SystemExit(f"local: {error}") from error


@app.command(name="atlas")
def make_atlas(data_dir: DataDir = Path(".local")) -> None:
    """Make the demo atlas and ingest it, unless that was done before."""
    atlas.make(data_dir)


@app.command(name="demo")
def ask(
    query: Annotated[str, typer.Argument(help="The question.")] = demo.QUESTION,
    control_strategy: StrategyChoice = StrategyChoice.SYNTHETIC_CONTROL,
    max_iterations: Annotated[int, typer.Option(min=1, max=10)] = 5,
    score_threshold: Annotated[int, typer.Option(min=1, max=10)] = 7,
    random_seed: Annotated[int | None, typer.Option(min=0, help="For a result that can be had again.")] = None,
    store: Store = None,
    data_dir: DataDir = Path(".local"),
    results_dir: Annotated[Path, typer.Option(help="Where the result files go.")] = Path("demo-results"),
) -> None:
    """Start the service, ask it one question, show its progress, fetch its results."""
    body: dict[str, object] = {
        "query": query,
        "control_strategy": control_strategy.value,
        "max_iterations": max_iterations,
        "score_threshold": score_threshold,
    }
    if random_seed is not None:
        body["random_seed"] = random_seed
    raise SystemExit(demo.run(body, data_dir=data_dir, store=store.value if store else None, results_dir=results_dir))


async def _serve(plan: Plan) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    async with service.running(plan, service.say_on_stderr) as url:
        print(f"ready: {url}", flush=True)
        question = f'{{"query": "{demo.QUESTION}"}}'
        print(f"try:   curl -s {url}/api/v1/runs -H 'Content-Type: application/json' -d '{question}'", flush=True)
        await stopped.wait()
        print("local: stopping", file=sys.stderr, flush=True)


if __name__ == "__main__":
    app()
