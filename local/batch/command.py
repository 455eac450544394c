"""`python -m local faults ...`: inject faults into a running local service and watch how its runs recover."""

from typing import Annotated, Any

import httpx
import typer

from local.batch.admin import PATH
from local.batch.faults import QUEUE_SECONDS, Code, Fail, ImagePull, LoseJob, Moment, Preempt, Rpc, StayQueued

app = typer.Typer(
    help="Inject faults into the next jobs, or the next calls, of the Batch emulator of a running local service.",
    no_args_is_help=True,
)

Url = Annotated[str, typer.Option(help="URL of the local service.")]
Times = Annotated[int, typer.Option(min=1, max=1000, help="Number of jobs, or calls, that get this fault.")]
After = Annotated[float, typer.Option(min=0, max=3600, help="Seconds after the job starts running.")]

_HERE = "http://127.0.0.1:8080"


@app.command()
def preempt(times: Times = 1, after: After = 2.0, url: Url = _HERE) -> None:
    """A job loses its Spot VM while it runs."""
    _inject(url, Preempt(times=times, after_seconds=after))


@app.command(name="image-pull")
def image_pull(times: Times = 1, url: Url = _HERE) -> None:
    """A job's container image does not exist."""
    _inject(url, ImagePull(times=times))


@app.command(name="stay-queued")
def stay_queued(
    times: Times = 1,
    seconds: Annotated[
        float,
        typer.Option(
            min=0.1, max=QUEUE_SECONDS, help="Fail the job after this time; the default is Batch's own limit."
        ),
    ] = QUEUE_SECONDS,
    url: Url = _HERE,
) -> None:
    """A job waits for quota until `off`, or until it has waited too long."""
    _inject(url, StayQueued(times=times, seconds=seconds))


@app.command(name="lose-job")
def lose_job(times: Times = 1, after: After = 2.0, url: Url = _HERE) -> None:
    """Somebody deletes a job while it runs."""
    _inject(url, LoseJob(times=times, after_seconds=after))


@app.command()
def error(
    times: Times = 1,
    code: Code = "UNAVAILABLE",
    rpc: Annotated[Rpc, typer.Option(help="Which Batch calls fail.")] = "any",
    moment: Annotated[
        Moment, typer.Option(help="Fail before the call takes effect, or after it: only the response is lost.")
    ] = "before",
    url: Url = _HERE,
) -> None:
    """Batch calls fail with an error."""
    _inject(url, Fail(times=times, code=code, rpc=rpc, moment=moment))


@app.command()
def show(url: Url = _HERE) -> None:
    """Show the fault that is still to come."""
    _print(_call("GET", url))


@app.command()
def off(url: Url = _HERE) -> None:
    """Stop injecting faults; jobs that wait for quota run."""
    _print(_call("DELETE", url))


def _inject(url: str, spec: Preempt | ImagePull | StayQueued | LoseJob | Fail) -> None:
    _print(_call("PUT", url, spec.model_dump_json()))


def _call(method: str, url: str, content: str | None = None) -> httpx.Response:
    try:
        response = httpx.request(method, url + PATH, content=content, timeout=10.0, trust_env=False)
    except (httpx.TransportError, httpx.InvalidURL) as failure:
        raise SystemExit(
            f"local: no service answers at {url}; start one with `python -m local up` ({failure})"
        ) from failure
    if not response.is_success:
        raise SystemExit(
            f"local: {url} refused the request; is it the local service? {response.status_code} {response.text}"
        )
    return response


def _print(response: httpx.Response) -> None:
    spec: dict[str, Any] | None = response.json()
    if spec is None:
        print("no faults")
        return
    print(spec.pop("kind"), *(f"{name}={value}" for name, value in spec.items()))
