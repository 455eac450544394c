"""`python -m local rehearse ...`: have something go wrong in the local service that runs, and see how runs fare."""

from typing import Annotated, Any

import httpx
import typer

from local.batch.admin import PATH
from local.batch.rehearsal import (
    QUEUE_SECONDS,
    Code,
    Fail,
    ImagePull,
    LoseJob,
    Moment,
    Preempt,
    Rpc,
    StayQueued,
)

app = typer.Typer(
    help="Have something go wrong with the next jobs, or the next calls, of the Batch of a local service that runs.",
    no_args_is_help=True,
)

Url = Annotated[str, typer.Option(help="Where the local service is.")]
Times = Annotated[int, typer.Option(min=1, max=1000, help="How many jobs, or calls, have this trouble.")]
After = Annotated[float, typer.Option(min=0, max=3600, help="Seconds after the job began to run.")]

_HERE = "http://127.0.0.1:8080"


@app.command()
def preempt(times: Times = 1, after: After = 2.0, url: Url = _HERE) -> None:
    """A job loses its Spot VM while it runs."""
    _order(url, Preempt(times=times, after_seconds=after))


@app.command(name="image-pull")
def image_pull(times: Times = 1, url: Url = _HERE) -> None:
    """A job's container image is not there."""
    _order(url, ImagePull(times=times))


@app.command(name="stay-queued")
def stay_queued(
    times: Times = 1,
    seconds: Annotated[
        float,
        typer.Option(min=0.1, max=QUEUE_SECONDS, help="After so long the job fails; the default is Batch's own limit."),
    ] = QUEUE_SECONDS,
    url: Url = _HERE,
) -> None:
    """A job waits for quota, until `off`, or until it has waited too long."""
    _order(url, StayQueued(times=times, seconds=seconds))


@app.command(name="lose-job")
def lose_job(times: Times = 1, after: After = 2.0, url: Url = _HERE) -> None:
    """Somebody deletes a job while it runs."""
    _order(url, LoseJob(times=times, after_seconds=after))


@app.command()
def error(
    times: Times = 1,
    code: Code = Code.UNAVAILABLE,
    rpc: Annotated[Rpc, typer.Option(help="Which calls of Batch.")] = Rpc.ANY,
    moment: Annotated[
        Moment, typer.Option(help="Before the call has its effect, or after it: only the answer is lost.")
    ] = Moment.BEFORE,
    url: Url = _HERE,
) -> None:
    """Batch answers with an error."""
    _order(url, Fail(times=times, code=code, rpc=rpc, moment=moment))


@app.command()
def show(url: Url = _HERE) -> None:
    """What is still to go wrong."""
    _tell(_call("GET", url))


@app.command()
def off(url: Url = _HERE) -> None:
    """Nothing goes wrong any more; jobs that were kept waiting run."""
    _tell(_call("DELETE", url))


def _order(url: str, order: Preempt | ImagePull | StayQueued | LoseJob | Fail) -> None:
    _tell(_call("PUT", url, order.model_dump_json()))


def _call(method: str, url: str, content: str | None = None) -> httpx.Response:
    try:
        answer = httpx.request(method, url + PATH, content=content, timeout=10.0, trust_env=False)
    except (httpx.TransportError, httpx.InvalidURL) as fault:
        raise SystemExit(f"local: no service answers at {url}; `python -m local up` starts one ({fault})") from fault
    if not answer.is_success:
        raise SystemExit(
            f"local: {url} does not take this, is it the local service? {answer.status_code} {answer.text}"
        )
    return answer


def _tell(answer: httpx.Response) -> None:
    order: dict[str, Any] | None = answer.json()
    if order is None:
        print("nothing goes wrong")
        return
    print(order.pop("trouble"), *(f"{name}={value}" for name, value in order.items()))
