"""The job's entry point: `python -m orchestrator.main`, with RUN_ID and the service's settings in the environment.

ATTEMPT is the number of this attempt. CONTROL_STRATEGY and MAX_ITERATIONS are information for operators; the run's record
decides. STACK_CHECKPOINT and STACK_GENELIST select the STACK predictor (`orchestrator.prediction.stack`). The API key of a language-model
provider lets that model propose an interpretation of the question (`orchestrator.question.llm`).

Exit codes:
    0    the run completed, or had already ended (for example, it was cancelled)
    1    the run failed with an error of the job
    2    wrong usage: RUN_ID or a setting is missing or invalid
    3    the question was not understood; the run failed with a message that says so
    75   the run store or the results bucket stayed unavailable; the reconciler submits another attempt
    143  stopped by SIGTERM; the reconciler submits another attempt
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

from orchestrator.atlas.errors import AtlasUnusable
from orchestrator.config import JobConfig
from orchestrator.progress import PATIENCE, Progress, Stopped, outlast, retry
from orchestrator.question.analysis import NotUnderstood
from orchestrator.question.llm import understand
from shared import logs, wiring
from shared.catalog.cache import Catalog
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView
from shared.errors import HaystackError, RunNotFound, SettingsInvalid, Unavailable
from shared.fields import Clock
from shared.logs import Severity
from shared.runs import jobs, states
from shared.runs.lifecycle import RunLease
from shared.runs.ports import ResultFiles, RunDatabase
from shared.runs.records import Run, RunOutcome
from shared.runs.states import FailureReason, Phase

T = TypeVar("T")
UNEXPECTED = "The service hit an unexpected error and recorded it. Your question is not the cause."
ATLAS_GONE = "The atlas was removed while this run was reading it, or is damaged. Submit the question again."


class Exit(IntEnum):
    """The exit codes that the module's docstring describes."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    NOT_UNDERSTOOD = 3
    UNREACHABLE = jobs.UNREACHABLE
    TERMINATED = 143


@dataclass(frozen=True)
class Ports:
    """The adapters that the job uses."""

    store: RunDatabase
    catalog: Catalog
    files: ResultFiles
    clock: Clock
    atlas_root: Path


async def run_job(run_id: str, ports: Ports, attempt: int = 1, *, patience: float = PATIENCE) -> Exit:
    """Do one run from beginning to end.

    Args:
        patience: seconds that finished work waits for the results bucket, and then for the run store.

    Raises:
        RunNotFound: there is no such run.
        Unavailable: the store stayed unavailable at the beginning, or so that a failure is not recorded.
    """
    lease = RunLease(run_id, attempt=attempt, owner=uuid4().hex, store=ports.store, clock=ports.clock)
    run = await retry(lease.begin)
    if not lease.owns(run):
        logs.log(Severity.INFO, "the run has ended or belongs to another process", status=run.status.value)
        return Exit.DONE
    config = JobConfig()
    progress = Progress(run_id, lease, ports.store)
    try:
        with tempfile.TemporaryDirectory(prefix="haystack-") as workdir:
            guards = (progress.until_stopped(), progress.heartbeats(config.heartbeat_seconds))
            outcome = await _unless_stopped(
                _answer(run, ports, config, Path(workdir), progress, patience=patience), *guards
            )
        run = await outlast(lambda: lease.complete(outcome), patience)
        logs.log(Severity.INFO, "the job finished", status=run.status.value, score=outcome.grounding_score)
        return Exit.DONE
    except Stopped:
        logs.log(Severity.INFO, "the run no longer belongs to this process, the job stops")
        return Exit.DONE
    except NotUnderstood as error:
        logs.log(Severity.INFO, "the question was not understood", detail=str(error))
        message, reason, code = str(error), FailureReason.QUERY_NOT_UNDERSTOOD, Exit.NOT_UNDERSTOOD
    except SettingsInvalid as error:
        logs.log(Severity.ERROR, "the job is not configured for this run", detail=error.detail)
        message = f"The service is not configured for this run; please tell its operators. {error.detail}"
        reason, code = FailureReason.ORCHESTRATOR_ERROR, Exit.ERROR
    except AtlasUnusable as error:
        logs.log(Severity.ERROR, "the atlas cannot be read", detail=str(error))
        message, reason, code = ATLAS_GONE, FailureReason.ORCHESTRATOR_ERROR, Exit.ERROR
    except Unavailable as error:
        logs.log(Severity.ERROR, "a service stayed unavailable, another attempt will do the run", error=error)
        return Exit.UNREACHABLE
    except MemoryError as error:
        logs.log(Severity.ERROR, "the job ran out of memory", error=error)
        message, reason, code = "The job ran out of memory.", FailureReason.OUT_OF_MEMORY, Exit.ERROR
    except Exception as error:  # noqa: BLE001  # whatever happened, the run must end and its owner must learn of it
        logs.log(Severity.ERROR, "the job failed", error=error)
        message, reason, code = UNEXPECTED, FailureReason.ORCHESTRATOR_ERROR, Exit.ERROR
    await retry(lambda: lease.fail(jobs.failure_for(reason), message))
    return code


async def _answer(
    run: Run, ports: Ports, config: JobConfig, workdir: Path, progress: Progress, *, patience: float
) -> RunOutcome:
    """Understand the question, then load the scientific libraries and do the rest.

    Raises:
        NotUnderstood: the ingested atlases cannot answer the question.
        SettingsInvalid: the environment configures a language model or STACK incompletely.
        Exception: any error of `Workflow.do`.
    """
    view = CatalogView(datasets(), await ports.catalog.load())
    await progress.phase(Phase.QUERY_ANALYSIS, 0)
    try:
        question = await understand(run, view, os.environ)
    except NotUnderstood as error:
        # So that the failed run shows how its question was read.
        await progress.phase(Phase.QUERY_ANALYSIS, 0, interpretation=error.interpretation)
        raise
    # The libraries take a second, which neither the first phase nor a question that is not understood should wait for.
    await asyncio.to_thread(import_module, "orchestrator.workflow")  # in a thread, so that SIGTERM is handled
    from orchestrator.workflow import Workflow, predictor_from  # noqa: PLC0415  # loaded above

    predictor = predictor_from(os.environ)
    workflow = Workflow(ports.atlas_root, predictor, ports.files, workdir, config, patience)
    return await workflow.do(run, question, progress)


async def _unless_stopped(work: Coroutine[None, None, T], *guards: Coroutine[None, None, None]) -> T:
    """Do the work, and abandon it once a guard returns because the run no longer belongs to this process.

    Raises:
        Stopped: the work was abandoned. One of its threads may still be busy; the process ends without waiting for it.
        Exception: the error of the work, or of a guard.
    """
    working = asyncio.create_task(work)
    guarding = [asyncio.create_task(guard) for guard in guards]
    try:
        await asyncio.wait([working, *guarding], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        for guard in guarding:
            if guard.done():
                guard.result()
        raise Stopped
    finally:
        for task in (working, *guarding):
            task.cancel()


async def _run_and_exit(run_id: str, ports: Ports, attempt: int) -> NoReturn:
    """Run the job until it is done or SIGTERM arrives, then end the process; SIGTERM leaves the record as it is.

    A thread that computes a prediction cannot be stopped, and asyncio would wait for it, so the process ends here.
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
    """Run the job that the environment describes; return only if it could not start, else exit with one of `Exit`."""
    logs.configure()
    env = os.environ if environment is None else environment
    run_id, attempt = env.get("RUN_ID", ""), env.get("ATTEMPT", "1")
    if not states.RUN_ID.fullmatch(run_id) or not attempt.isdecimal():
        logs.log(Severity.ERROR, "RUN_ID must be run_ and 12 hexadecimal digits, ATTEMPT a whole number")
        return Exit.USAGE
    with logs.fields(run_id=run_id):
        try:
            container = wiring.container()
            ports = Ports(
                store=container.run_store,
                catalog=container.catalog,
                files=container.result_files,
                clock=container.clock,
                atlas_root=container.settings.atlas_root,
            )
            asyncio.run(_run_and_exit(run_id, ports, int(attempt)))
        except (SettingsInvalid, RunNotFound) as error:
            logs.log(Severity.ERROR, "the job cannot start", detail=error.detail)
            return Exit.USAGE
        except HaystackError as error:
            logs.log(Severity.ERROR, "the run store stayed unavailable; the reconciler will find the run", error=error)
            return Exit.UNREACHABLE


if __name__ == "__main__":
    sys.exit(main())
