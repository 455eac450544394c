"""The same service in plain FastAPI: Firestore's AsyncClient, all imports at the top, the models of this project.

Status, list and create do less than the functions: they trust the e-mail header, write no log lines and do not compress, and
create has neither a limit nor retries. These omissions favor the peer.
"""

import asyncio
import hashlib
import os
from datetime import UTC, datetime
from functools import cache
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from google.cloud import batch_v1, firestore
from google.cloud.firestore_v1.base_query import FieldFilter

from shared.runs import states
from shared.runs.records import Compute, Run, Transition
from shared.runs.schemas import CreateRunRequest, RunList, RunStatus
from shared.runs.states import Actor, RunState
from shared.runs.views import run_status

app = FastAPI()
database = firestore.AsyncClient(project=os.environ["PROJECT"])
stored = database.collection("runs")


def caller(x_goog_authenticated_user_email: Annotated[str, Header()]) -> str:
    """Return the e-mail address of the caller."""
    return x_goog_authenticated_user_email.removeprefix("accounts.google.com:").lower()


Caller = Annotated[str, Depends(caller)]


@cache
def jobs() -> batch_v1.BatchServiceAsyncClient:
    """Return the client of Google Cloud Batch."""
    return batch_v1.BatchServiceAsyncClient()


@app.get("/api/v1/runs/{run_id}")
async def status(run_id: str, request: Request, user: Caller) -> Response:
    """Return the status of a run."""
    document = await stored.document(run_id).get()
    if not document.exists:
        raise HTTPException(404)
    run = Run.model_validate(document.to_dict())
    if run.user_email != user:
        raise HTTPException(404)
    body = run_status(run).model_dump_json().encode()
    headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"', "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@app.get("/api/v1/runs")
async def page(user: Caller, page: int = 1, page_size: Annotated[int, Query(ge=1, le=100)] = 20) -> RunList:
    """Return the runs of the caller, newest first."""
    owned = stored.where(filter=FieldFilter("user_email", "==", user))
    newest = owned.order_by("created_at", direction="DESCENDING").offset((page - 1) * page_size).limit(page_size)
    page_of_runs, counted = await asyncio.gather(newest.get(), owned.count().get())  # type: ignore[call-arg]  # the client's decorator hides its signature
    listed = [run_status(Run.model_validate(document.to_dict())) for document in page_of_runs]
    return RunList(runs=listed, total=int(counted[0][0].value), page=page, page_size=page_size, next_page_token=None)


@app.post("/api/v1/runs")
async def create(body: CreateRunRequest, user: Caller) -> RunStatus:
    """Store a run and submit its job."""
    now, run_id = datetime.now(UTC), states.new_run_id()
    job_id = states.job_id(run_id, 1)
    run = Run(
        run_id=run_id,
        owner=user,
        query=body.query,
        control_strategy=body.control_strategy,
        max_iterations=body.max_iterations,
        score_threshold=body.score_threshold,
        compute=Compute(job_id=job_id),
        transitions=[
            Transition(at=now, from_status=None, to_status=RunState.PENDING, actor=Actor.USER, reason="accepted")
        ],
        request_fingerprint="",
        created_at=now,
        updated_at=now,
        check_at=None,
    )
    await stored.document(run_id).create(run.model_dump(mode="json") | {"created_at": now, "updated_at": now})
    container = batch_v1.Runnable.Container(image_uri=os.environ["JOB_IMAGE"])
    task = batch_v1.TaskSpec(runnables=[batch_v1.Runnable(container=container)])
    job = batch_v1.Job(task_groups=[batch_v1.TaskGroup(task_spec=task)])
    parent = f"projects/{os.environ['PROJECT']}/locations/{os.environ['REGION']}"
    await jobs().create_job(parent=parent, job=job, job_id=job_id)
    return run_status(run)
