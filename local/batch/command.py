"""`python -m local faults ...`: inject faults into a running local service and watch how its runs recover."""

from typing import Annotated, Any

import httpx
import typer
from pydantic import BaseModel

from local.batch.admin import PATH
from local.batch.faults import QUEUE_SECONDS, Because, Code, Fail, ImagePull, LoseJob, Moment, Preempt, Rpc, StayQueued

app = typer.Typer(
    help="Inject faults into the next jobs or calls of the Batch emulator of a running local service.",
    no_args_is_help=True,
)

Url = Annotated[str, typer.Option(envvar="HAYSTACK_URL", help="URL of the local service.")]
Times = Annotated[int, typer.Option(min=1, max=1000, help="Number of jobs (for `error`: calls) that get this fault.")]
After = Annotated[float, typer.Option(min=0, max=3600, help="Seconds between the start of the job and the fault.")]

_HERE = "http://127.0.0.1:8080"


@app.command()
def preempt(times: Times = 1, after: After = 2.0, url: Url = _HERE) -> None:
    """Preempt the Spot VM of a running job."""
    _send("PUT", url, Preempt(times=times, after_seconds=after))


@app.command(name="image-pull")
def image_pull(times: Times = 1, url: Url = _HERE) -> None:
    """Fail a job as if its container image did not exist."""
    _send("PUT", url, ImagePull(times=times))


@app.command(name="stay-queued")
def stay_queued(
    times: Times = 1,
    seconds: Annotated[
        float,
        typer.Option(
            min=0.1, max=QUEUE_SECONDS, help="Fail the job after this many seconds; the default is Batch's own limit."
        ),
    ] = QUEUE_SECONDS,
    because: Annotated[Because, typer.Option(help="What the job waits for.")] = "quota",
    url: Url = _HERE,
) -> None:
    """Keep a job in the queue, as if quota or a machine were missing, until `off` or until it has waited too long."""
    _send("PUT", url, StayQueued(times=times, seconds=seconds, because=because))


@app.command(name="lose-job")
def lose_job(times: Times = 1, after: After = 2.0, url: Url = _HERE) -> None:
    """Delete a running job, as another user might."""
    _send("PUT", url, LoseJob(times=times, after_seconds=after))


@app.command()
def error(
    times: Times = 1,
    code: Annotated[Code, typer.Option(help="gRPC error of the calls.")] = "UNAVAILABLE",
    rpc: Annotated[Rpc, typer.Option(help="Which Batch calls fail.")] = "any",
    moment: Annotated[
        Moment, typer.Option(help="Fail before the call takes effect, or after it, so that only the response is lost.")
    ] = "before",
    url: Url = _HERE,
) -> None:
    """Fail calls of the Batch API with a gRPC error."""
    _send("PUT", url, Fail(times=times, code=code, rpc=rpc, moment=moment))


@app.command()
def show(url: Url = _HERE) -> None:
    """Show the fault in force and how often it still applies."""
    _send("GET", url)


@app.command()
def off(url: Url = _HERE) -> None:
    """Stop injecting faults, and run the jobs that stay queued because of one."""
    _send("DELETE", url)


def _send(method: str, url: str, spec: BaseModel | None = None) -> None:
    """Call the endpoint of fault injection, and print the fault specification that is then in force."""
    content = spec.model_dump_json() if spec else None
    try:
        response = httpx.request(method, url + PATH, content=content, timeout=10.0, trust_env=False)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise SystemExit(
            f"local: no service answers at {url}; start one with `python -m local up`, or name another with --url or "
            f"HAYSTACK_URL ({error})"
        ) from error
    if not response.is_success:
        raise SystemExit(
            f"local: {url} refused the request; is it the local service? {response.status_code} {response.text}"
        )
    in_force: dict[str, Any] | None = response.json()
    if in_force is None:
        print("no faults")
    else:
        print(in_force.pop("kind"), *(f"{name}={value}" for name, value in in_force.items()))
