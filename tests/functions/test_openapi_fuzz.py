"""The document and the functions agree: Schemathesis sends what the document allows and what it forbids, and finds no error.

All its checks are on. The functions run as in production behind an emulator of IAP, so that requests without authentication are checked
too. They run in Schemathesis's own event loop.
"""

import asyncio
import itertools
import os
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from pydantic import TypeAdapter, ValidationError
from schemathesis import hooks
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.gateway import Gateway
from local.serving import serving
from local.tokens import key_server
from shared import wiring
from shared.fields import ControlStrategy, Query
from shared.http.requests import IDEMPOTENCY_KEY
from shared.runs.records import GeneChange, Iteration, PathwayChange, RunOutcome, ScorePart, StoredFile
from shared.runs.states import Phase
from shared.runs.webhooks import WEBHOOK_URL
from tests.functions.conftest import small_dataset
from tests.support.builders import lease
from tests.support.iap import AUDIENCE, IapEmulator

USER = "ada@example.com"
RUNS = "/api/v1/runs"
QUESTION = "How would CD14 monocytes respond to IFN-gamma?"
CONFIG: dict[str, Any] = {
    "seed": 20261122,
    "generation": {"deterministic": True, "max-examples": 15},
    "checks": {"enabled": True},
    "operations": [
        {
            # These valid requests fail too: a run that is not completed has no result, and a finished one cannot be cancelled.
            "include-operation-id": ["getRunResult", "cancelRun"],
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "304", "400", "404"]}},
        }
    ],
}


@dataclass
class Findings:
    """The results of a session of Schemathesis."""

    cases: Counter[str] = field(default_factory=Counter)
    statuses: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    errors: list[str] = field(default_factory=list)

    def take(self, event: events.EngineEvent) -> None:
        """Record an event."""
        if isinstance(event, events.ScenarioFinished):
            self.cases[event.phase.value] += len(event.recorder.cases)
            self._look_at(event.recorder, failed=event.status is Status.FAILURE)
        elif isinstance(event, events.NonFatalError):
            self.errors.append(f"{event.label}: {event.info.format()}")
        elif isinstance(event, events.FatalError):
            raise event.exception

    def _look_at(self, recorder: ScenarioRecorder, *, failed: bool) -> None:
        for case_id, exchange in recorder.interactions.items():
            if exchange.response is not None and case_id in recorder.cases:
                self.statuses[recorder.cases[case_id].value.operation.label].add(exchange.response.status_code)
        for case_id, checks in recorder.checks.items() if failed else ():
            for check in checks:
                if check.failure_info is not None:
                    answer = recorder.interactions[case_id].response
                    shown = answer.content[:500] if answer else b""
                    self.errors.append(f"{check.failure_info.failure}\n{check.failure_info.code_sample}\n{shown!r}")


class EverySecondRunCompletes:
    """An ASGI application around the functions that completes every second run, so that there are results."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._count = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request; if it creates a run, complete every second one before the response arrives."""

        async def watched(message: Message) -> None:
            location = dict(message.get("headers", ())).get(b"location")
            if location is not None and next(self._count) % 2:
                await complete(location.decode().rpartition("/")[2])
            await send(message)

        await self._app(scope, receive, watched)


async def complete(run_id: str) -> None:
    """Complete a run as the job does; its files do not exist, but their URLs are signed."""
    store, clock = wiring.container().run_store, wiring.container().clock
    await lease(run_id, store=store, clock=clock).begin()
    parts = [ScorePart(name="a", score=8, reason="it fits"), ScorePart(name="b", score=None, reason="not at hand")]
    summary = Iteration(number=1, strategy="direct", score=8, components=parts, duration_seconds=0.5)
    phase = Phase.OUTPUT_GENERATION
    await lease(run_id, store=store, clock=clock).progress(phase=phase, iteration=1, finished=summary)
    names = {
        "predictions.h5ad": "application/x-hdf5",
        "genes.csv": "text/csv",
        "report.html": "text/html",
        "log.json": "application/json",
    }
    outcome = RunOutcome(
        grounding_score=8,
        termination_reason="threshold reached",
        control_strategy_effective=ControlStrategy.SYNTHETIC_CONTROL,
        num_de_genes=1,
        top_upregulated=[GeneChange(gene="GBP1", log2_fold_change=4.0, adjusted_p_value=0.0)],
        top_downregulated=[],
        enriched_pathways=[PathwayChange(name="interferon", score=12.5, adjusted_p_value=1e-9)],
        notes=[],
        files=[
            StoredFile(
                name=f"{run_id}_{name}",
                object_name=f"runs/{run_id}/{run_id}_{name}",
                media_type=media_type,
                size=1,
                crc32c="yZRlqg==",
            )
            for name, media_type in names.items()
        ],
    )
    await lease(run_id, store=store, clock=clock).complete(outcome)


def refusable(body: dict[str, Any]) -> bool:
    """Return whether a body has a valid question that create refuses if no atlas answers it."""
    if body.get("validate_only") is True or body.get("llm_provider") is not None:
        return False
    try:
        TypeAdapter(Query).validate_python(body.get("query"))
    except ValidationError:
        return False
    return True


def allow_notification(body: dict[str, Any]) -> None:
    """Let a valid webhook go to a host that the service allows: only the operator says which."""
    notify = body.get("notify")
    if isinstance(notify, dict) and isinstance(url := notify.get("webhook"), str) and re.fullmatch(WEBHOOK_URL, url):
        notify["webhook"] = "https://hooks.example.org/runs" if len(url) <= 2000 else url


def sensible(keys: Iterator[int], case: schemathesis.Case[Any]) -> None:
    """Change valid values whose limits the document cannot express; leave invalid ones."""
    query, headers = case.query, case.headers
    if str(query.get("wait")) in {str(seconds) for seconds in range(31)}:
        query["wait"] = 0  # it would take so many seconds
    if case.operation.label == f"POST {RUNS}" and isinstance(case.body, dict) and refusable(case.body):
        case.body["query"] = QUESTION  # only the catalog says what can be answered
    if case.operation.label == f"POST {RUNS}" and isinstance(case.body, dict):
        allow_notification(case.body)
    if len(str(query.get("page_token", ""))) <= 500:
        query.pop("page_token", None)  # only the service can issue one
    if "If-Match" in headers:
        headers["If-Match"] = "*"  # only the service knows the ETag of a run
    if IDEMPOTENCY_KEY.fullmatch(str(headers.get("Idempotency-Key", ""))):
        headers["Idempotency-Key"] = f"key-{next(keys)}"  # an equal key means the same request


@pytest.fixture
def store_settings(tmp_path: Path) -> dict[str, str]:
    return {
        "STORE": "sqlite",
        "SQLITE_PATH": str(tmp_path / "runs.db"),
        "MAX_ACTIVE_RUNS": "0",
        "MAX_REQUESTS_PER_MINUTE": "0",
        "SERVICE_URL": "https://haystack.example.org",
        "WEBHOOK_HOSTS": "hooks.example.org",
        "SMTP_HOST": "smtp.example.org",
        "SMTP_FROM": "haystack@example.org",
    }


@pytest.fixture
async def service(environment: dict[str, str]) -> AsyncIterator[IapEmulator]:
    """Serve the functions in production mode, behind IAP."""
    assert environment
    await wiring.container().catalog.put(small_dataset())
    iap = IapEmulator(EverySecondRunCompletes(Gateway({})))
    async with serving(key_server(iap.key_set)) as keys:
        os.environ |= {"ENVIRONMENT": "production", "IAP_AUDIENCE": AUDIENCE, "IAP_KEYS_URL": keys}
        wiring.replace(None)
        yield iap


@pytest.fixture
def hook() -> Iterator[None]:
    """Let Schemathesis send only what makes sense here."""
    keys = itertools.count()

    def before_call(_context: schemathesis.HookContext, case: schemathesis.Case[Any], _kwargs: dict[str, Any]) -> None:
        sensible(keys, case)

    schemathesis.hook(before_call)
    yield
    hooks.unregister(before_call)


def session(app: ASGIApp, token: str) -> Findings:
    """Run a whole session: examples, the limits of every schema, random requests, and sequences along the links."""
    config = schemathesis.Config.from_dict({**CONFIG, "headers": {"Authorization": f"Bearer {token}"}})
    found = Findings()
    for event in from_schema(schemathesis.openapi.from_asgi("/openapi.json", app, config=config)).execute():
        found.take(event)
    return found


@pytest.mark.usefixtures("hook")
async def test_schemathesis_finds_nothing(
    service: IapEmulator, record_testsuite_property: Callable[[str, object], None]
) -> None:
    found = await asyncio.to_thread(session, service, service.token_for(USER))
    record_testsuite_property("schemathesis_cases", dict(found.cases))
    assert not found.errors, "\n\n".join(found.errors[:10])
    assert min(found.cases[phase] for phase in ("examples", "coverage", "fuzzing", "stateful")) > 20, found.cases
    assert {label for label, statuses in found.statuses.items() if 200 not in statuses} == set()
    assert {200, 304, 400, 404, 422} <= set().union(*found.statuses.values())
