"""The job's entry: `python -m orchestrator.main`, with RUN_ID in the environment and the service's settings beside it.

ATTEMPT tells which of the run's jobs this is. USER_EMAIL, CONTROL_STRATEGY and MAX_ITERATIONS are there for people who look at the
job; the run's record is what counts. STACK_CHECKPOINT and STACK_GENELIST choose the predictor (`orchestrator.stack_predictor`), and the
key of a language model's provider lets that propose how a question is read (`orchestrator.proposal`).

Exit codes:
    0    the run completed, or was over before (cancelled included): nothing is left to do
    1    the run failed on an error of the job, or its end could not be recorded
    2    wrong usage: RUN_ID or a setting is missing or wrong
    3    the question was not understood; the run failed and says so
    143  stopped by SIGTERM; the run is left to the reconciler
"""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from enum import IntEnum
from importlib import import_module
from pathlib import Path
from typing import NoReturn, TypeVar
from uuid import uuid4

from orchestrator.reporter import Reporter, Stopped, Store, persistently
from shared import logs, wiring
from shared.catalog.cache import Catalog
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView
from shared.errors import HaystackError, RunNotFound, SettingsInvalid
from shared.fields import Clock
from shared.logs import Severity
from shared.runs import jobs, lifecycle, states
from shared.runs.ports import ResultFiles
from shared.runs.states import FailureReason
from shared.runs.states import Actor

T = TypeVar("T")
APOLOGY = "The run stopped on an unexpected error of the service. It was recorded; nothing is wrong with your question."


class Exit(IntEnum):
    """The exit codes, as the module's docstring tells."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    NOT_UNDERSTOOD = 3
    TERMINATED = 143


@dataclass(frozen=True)
class Ports:
    """What the job needs of the world."""

    store: Store
    catalog: Catalog
    files: ResultFiles
    clock: Clock
    atlas_root: Path


async def run_job(run_id: str, ports: Ports, attempt: int = 1) -> Exit:
    """Do one run from its beginning to its end.

    Args:
        run_id: which run.
        ports: the world.
        attempt: which of the run's jobs this is.
    """
    store, clock, holder = ports.store, ports.clock, uuid4().hex
    # The store hears of the job before the scientific libraries are loaded, which takes seconds.
    run = await persistently(lambda: lifecycle.begin(run_id, attempt=attempt, holder=holder, store=store, clock=clock))
    if not lifecycle.holds(run, holder):
        logs.log(Severity.INFO, "the run is over, or another process does it", status=run.status.value)
        return Exit.DONE
    await asyncio.to_thread(import_module, "orchestrator.workflow")  # in a thread, so that SIGTERM is heard meanwhile
    from orchestrator import stack_predictor  # noqa: PLC0415  # see above
    from orchestrator.config import JobConfig  # noqa: PLC0415
    from orchestrator.inference import DeltaTransfer  # noqa: PLC0415
    from orchestrator.query_analysis import NotUnderstood  # noqa: PLC0415
    from orchestrator.workflow import Tools, work  # noqa: PLC0415

    config = JobConfig()
    reporter = Reporter(run_id, holder=holder, store=store, clock=clock)
    beating = asyncio.create_task(reporter.heartbeats(config.heartbeat_seconds))
    try:
        with tempfile.TemporaryDirectory(prefix="haystack-") as workdir:
            view = CatalogView(datasets(), await ports.catalog.load())
            predictor = stack_predictor.from_env(os.environ) or DeltaTransfer(config.similarity_power)
            tools = Tools(view, ports.atlas_root, predictor, ports.files, Path(workdir), config, os.environ)
            outcome = await _unless_stopped(work(run, reporter, tools), reporter)
        run = await persistently(lambda: lifecycle.complete(run_id, outcome, holder=holder, store=store, clock=clock))
        logs.log(Severity.INFO, "the run is over", status=run.status.value, score=outcome.grounding_score)
        return Exit.DONE
    except Stopped:
        logs.log(Severity.INFO, "the run is not running any more, the job stops")
        return Exit.DONE
    except NotUnderstood as error:
        logs.log(Severity.INFO, "the question was not understood", detail=str(error))
        message, reason, code = str(error), FailureReason.QUERY_NOT_UNDERSTOOD, Exit.NOT_UNDERSTOOD
    except Exception as error:  # noqa: BLE001  # whatever it is, the run must end, and its owner be told
        logs.log(Severity.ERROR, "the job failed", error=error)
        message, reason, code = APOLOGY, FailureReason.ORCHESTRATOR_ERROR, Exit.ERROR
    finally:
        beating.cancel()
    failure = jobs.failure(reason)
    await persistently(
        lambda: lifecycle.fail(run_id, failure, message, actor=Actor.JOB, holder=holder, store=store, clock=clock)
    )
    return code


async def _unless_stopped(work: Coroutine[None, None, T], reporter: Reporter) -> T:
    """Do the work, and give it up as soon as the run is not ours to do any more.

    Raises:
        Stopped: it was given up. A thread of it may still be busy; the process ends without it.
    """
    working, watching = asyncio.create_task(work), asyncio.create_task(reporter.until_stopped())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Stopped
        return working.result()
    finally:
        working.cancel()
        watching.cancel()


async def _until_done_or_terminated(run_id: str, ports: Ports, attempt: int) -> NoReturn:
    """`run_job`, given up at SIGTERM, and the end of the process. The record is left alone: whoever sent the signal knows why.

    A thread with a prediction cannot be stopped, and asyncio would wait for it; so the process ends here, its clean-up done.
    """
    loop = asyncio.get_running_loop()
    job = asyncio.ensure_future(run_job(run_id, ports, attempt))
    loop.add_signal_handler(signal.SIGTERM, job.cancel)
    try:
        code = await job
    except asyncio.CancelledError:
        logs.log(Severity.WARNING, "stopped by SIGTERM")
        code = Exit.TERMINATED
    os._exit(code)


def main(environment: Mapping[str, str] | None = None) -> Exit:
    """Run the job that the environment names; leaves the process with one of `Exit`, unless it could not even begin."""
    given = os.environ if environment is None else environment
    run_id, attempt = given.get("RUN_ID", ""), given.get("ATTEMPT", "1")
    if not states.RUN_ID.fullmatch(run_id) or not attempt.isdecimal():
        logs.log(Severity.ERROR, "RUN_ID must be run_ and 12 hexadecimal digits, ATTEMPT a whole number")
        return Exit.USAGE
    with logs.fields(run_id=run_id):
        try:
            ports = Ports(
                store=wiring.run_store(),
                catalog=wiring.catalog(),
                files=wiring.result_files(),
                clock=wiring.clock,
                atlas_root=wiring.settings().atlas_root,
            )
            asyncio.run(_until_done_or_terminated(run_id, ports, int(attempt)))
        except (SettingsInvalid, RunNotFound) as error:
            logs.log(Severity.ERROR, error.detail)
            return Exit.USAGE
        except HaystackError as error:
            logs.log(Severity.ERROR, "the run store stayed away; the reconciler will find the run", error=error)
            return Exit.ERROR


if __name__ == "__main__":
    sys.exit(main())
