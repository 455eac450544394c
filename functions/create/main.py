"""POST /api/v1/runs: accept a question, keep the run, submit its job."""

import re
from typing import Final

from shared.http import startup

with startup.undisturbed():
    from starlette.responses import Response

    from shared import wiring
    from shared.errors import InvalidRequest
    from shared.http import requests
    from shared.http.endpoint import Call, endpoint
    from shared.http.responses import answer, answer_run
    from shared.runs import submission
    from shared.runs.schemas import CreateRunRequest
    from shared.runs.views import run_status

KEY: Final = re.compile(r"[!-~]{1,255}")


@endpoint("create", wiring.identity)
async def handle(call: Call) -> Response:
    request = await requests.parse(call.request, CreateRunRequest)
    key = _idempotency_key(call)
    if request.validate_only:
        from shared.resolver import validation  # noqa: PLC0415  # what reads the question is more than all that submits it

        return answer(call.request, validation.preview(request, await wiring.catalog_cache().view()))
    run = await submission.create(
        request,
        call.user,
        idempotency_key=key,
        max_active_runs=wiring.settings().max_active_runs,
        max_run_seconds=wiring.settings().job_max_run_seconds,
        retention=wiring.settings().retention,
        store=wiring.run_store(),
        jobs=wiring.batch_jobs(),
        clock=wiring.clock,
    )
    return answer_run(call.request, run_status(run), Location=f"/api/v1/runs/{run.run_id}")


def _idempotency_key(call: Call) -> str | None:
    key = call.request.headers.get("idempotency-key")
    if key is not None and not KEY.fullmatch(key):
        fault: dict[str, object] = {
            "loc": ["header", "Idempotency-Key"],
            "msg": "not 1 to 255 visible ASCII characters",
            "type": "idempotency_key",
        }
        raise InvalidRequest("Send an Idempotency-Key of 1 to 255 visible ASCII characters, or none.", [fault])
    return key
