"""The locust file: users who ask questions and check every response.

They create runs (some twice, with an `Idempotency-Key`), poll, wait, list, cancel, download results, validate questions, read the
catalog, and request runs of others. Each response is compared with docs/openapi.yaml and with what the user saw before.

With `LOAD_COUNTS`, the name of a file for counts, the service may be away: refused connections and 503 with `Retry-After` are counted
and repeated, as a careful client does, and are no errors.
"""
# ruff: noqa: S311  # random choices, no secrets
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-untyped-call"

import base64
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import google_crc32c
from locust import HttpUser, between, events, task
from locust.exception import RescheduleTask

from tools.benchmarks.load.observed import Run, validate

Json = Any
RUNS: Final = "/api/v1/runs"
CELL_TYPES: Final = ("CD14 monocytes", "CD8 T cells", "NK cells")
COUNTS_FILE: Final = os.environ.get("LOAD_COUNTS")
LONGEST_OUTAGE: Final = 60.0
newest_runs: dict[str, str] = {}  # by e-mail address of the owner; no other user may see them
counts: Counter[str] = Counter(created=0, lost=0, doubled=0, unavailable=0, errors=0)


class Unavailable(RescheduleTask):
    """The service was away and said so; the request may be repeated."""


class Scientist(HttpUser):
    """A user who asks questions and checks every response."""

    wait_time = between(0.2, 2.0)

    def on_start(self) -> None:
        """Choose an identity."""
        self.email = f"user-{uuid4().hex[:8]}@example.com"
        self.runs: dict[str, Run] = {}
        self.unanswered: tuple[Json, dict[str, str]] | None = None  # a create whose outcome is unknown

    @contextmanager
    def sent(self, method: str, path: str, expect: Collection[int] = (200,), **options: Json) -> Iterator[Json]:
        """Send a request and yield the response; a failed check, here or in the block, fails the request and ends the task."""
        name = re.sub(r"run_[0-9a-f]{12}", "ID", path.partition("?")[0]) if path.startswith("/") else "download"
        if path.startswith("/"):  # a signed URL must not have further x-goog headers
            email = {"X-Goog-Authenticated-User-Email": f"accounts.google.com:{self.email}"}
            options["headers"] = email | options.get("headers", {})
        options |= {"name": f"{name} {expect}", "catch_response": True, "timeout": 60}
        with self.client.request(method, path, **options) as response:
            try:
                if COUNTS_FILE is not None and response.status_code in {0, 503}:
                    assert response.status_code == 0 or "Retry-After" in response.headers, "503 without Retry-After"
                    counts["unavailable"] += 1
                    response.success()
                    raise Unavailable
                assert response.status_code in expect, f"{response.status_code}: {response.text[:300]}"
                if name != "download" and response.status_code >= 400:
                    invalid = response.json()["code"] == "invalid_request"
                    validate(response.json(), "InvalidRequestProblem" if invalid else "Problem")
                yield response
                response.success()
            except (AssertionError, LookupError, ValueError) as error:
                response.failure(f"{type(error).__name__}: {error}")
                raise RescheduleTask from error

    def refused(self, method: str, path: str, status: int, code: str, **options: Json) -> None:
        """Send a request that must fail with this status and code."""
        with self.sent(method, path, [status], **options) as response:
            assert response.json()["code"] == code, f"{response.json()['code']}, not {code}"

    def a_run(self, wanted: Callable[[Run], bool] = lambda _: True) -> Run | None:
        """Return a random run of this user, or None."""
        return random.choice([run for run in self.runs.values() if wanted(run)] or [None])

    @task(6)
    def create(self) -> None:
        """Create a run unless five are active; with a key, sometimes again. Repeat a create without an answer first."""
        if self.unanswered is None:
            if sum(not run.status["done"] for run in self.runs.values()) >= 5:
                return
            query = f"How would {random.choice(CELL_TYPES)} respond to IFN-gamma?"
            with_key = COUNTS_FILE is not None or random.random() < 0.5  # without one, a repeated create is another run
            key = {"Idempotency-Key": uuid4().hex} if with_key else {}
            self.unanswered = ({"query": query, "max_iterations": 1, "random_seed": 1}, key)
        body, key = self.unanswered
        with self.sent("POST", RUNS, json=body, headers=key) as response:
            self.unanswered = None
            status = response.json()
            validate(status, "RunStatus")
            assert status["run_id"] not in self.runs, f"{status['run_id']} was created twice"
            assert (status["user_email"], status["query"]) == (self.email, body["query"]), f"wrong run: {status}"
            run = self.runs[status["run_id"]] = Run(status, response.headers["ETag"])
            newest_runs[self.email] = status["run_id"]
            counts["created"] += 1
            assert response.headers["Location"] == run.path, "Location names another run"
        if key and random.random() < 0.5:
            with self.sent("POST", RUNS, json=body, headers=key) as response:
                run.observe(response.json())
            self.refused("POST", RUNS, 422, "idempotency_mismatch", json={**body, "random_seed": 2}, headers=key)

    @task(16)
    def poll(self) -> None:
        """Read a run, sometimes with a wait for a change."""
        if run := self.a_run():
            self.read(run, f"?wait={random.randint(1, 5)}" if random.random() < 0.25 else "")

    def read(self, run: Run, query: str = "") -> None:
        """Read the status of a run."""
        with self.sent(
            "GET", run.path + query, (200, 304), headers={"If-None-Match": run.etag or '"none"'}
        ) as response:
            etag = response.headers["ETag"]
            if response.status_code == 304:
                assert (etag, response.content) == (run.etag, b""), f"304 with {etag} and {response.content}"
            else:
                validate(response.json(), "RunStatus")
                run.observe(response.json(), etag)
            assert run.status["done"] is ("Retry-After" not in response.headers), "Retry-After after the end"

    @task(3)
    def list_runs(self, *, final: bool = False) -> None:
        """List all runs page by page, and compare them with those that this user created."""
        if self.unanswered:
            return
        listed: list[Json] = []
        token: str | None = ""
        while token is not None:
            with self.sent("GET", f"{RUNS}?page_size=5{token and f'&page_token={token}'}") as response:
                page = response.json()
                validate(page, "RunList")
                assert page["total"] == len(self.runs), f"total is {page['total']}, not {len(self.runs)}"
                listed, token = listed + page["runs"], page["next_page_token"]
                for status in page["runs"]:
                    self.runs[status["run_id"]].observe(status)
                    assert status["done"] or not final, f"{status['run_id']} has no final state"
                ids, times = [each["run_id"] for each in listed], [each["created_at"] for each in listed]
                assert times == sorted(times, reverse=True), "the list is not sorted by time"
                if token is None:
                    lost, doubled = (self.runs.keys() - set(ids), Counter(ids) - Counter(self.runs.keys()))
                    counts.update(lost=len(lost), doubled=doubled.total())
                    assert not lost, f"lost: {lost}"
                    assert not doubled, f"doubled: {doubled}"

    @task(4)
    def cancel(self, run: Run | None = None) -> None:
        """Cancel a run that is not followed, or one that is done, and read it again."""
        run = run or self.a_run(lambda run: not run.followed or run.status["done"])
        if run:
            expect = {"completed": [400], "failed": [400], "cancelled": [200]}.get(run.status["status"], [200, 400])
            with self.sent("POST", f"{run.path}/cancel", expect) as response:
                run.cancelled = response.status_code == 200
                validate(response.json(), "CancelAnswer" if run.cancelled else "Problem")
                assert run.cancelled or response.json()["code"] == "run_already_finished", response.text
            self.read(run)

    @task(4)
    def result(self) -> None:
        """Read the result of a run, preferably of a completed one, and download one of its files."""
        run = self.a_run(lambda run: bool(run.status["status"] == "completed")) or self.a_run()
        if run is None:
            return
        expect = {"completed": [200], "failed": [400], "cancelled": [400]}.get(run.status["status"], [200, 400])
        with self.sent("GET", f"{run.path}/result", expect) as response:
            if response.status_code == 400:
                assert response.json()["code"] == "run_not_completed", f"wrong problem: {response.text}"
                return
            validate(response.json(), "RunResult")
            file = random.choice(response.json()["files"])
        with self.sent("GET", file["url"]) as response:
            assert len(response.content) == file["size"], f"{file['name']} has {len(response.content)} bytes"
            checksum = base64.b64encode(google_crc32c.Checksum(response.content).digest()).decode()
            assert checksum == file["crc32c"], f"{file['name']} has another checksum"
        with self.sent("GET", file["url"].replace("X-Goog-Expires=", "X-Goog-Expires=1"), [403]):
            pass

    @task(2)
    def prepare(self) -> None:
        """Validate a question, send invalid requests, and read the catalog, the second time by ETag."""
        path, question = f"{RUNS}/validate-control-strategy", {"query": f"What does TNF do to {CELL_TYPES[0]}?"}
        with self.sent("POST", path, json=question) as response:
            validate(response.json(), "ControlStrategyValidation")
        with self.sent("POST", RUNS, json={**question, "validate_only": True}) as response:
            validate(response.json(), "RunPreview")
        self.refused("POST", RUNS, 422, "invalid_request", json={"query": "TNF?"})
        self.refused("POST", path, 415, "media_type_unsupported", data="no JSON")
        for subject, schema in (("perturbations", "PerturbationInfo"), ("cell-types", "CellTypeInfo")):
            with self.sent("GET", f"/api/v1/metadata/{subject}") as response:
                etag = response.headers["ETag"]
                for entry in response.json():
                    validate(entry, schema)
            with self.sent("GET", f"/api/v1/metadata/{subject}", [304], headers={"If-None-Match": etag}):
                pass

    @task(2)
    def request_foreign_run(self) -> None:
        """Request a run of another user, which must look like one that does not exist."""
        if others := [run_id for email, run_id in newest_runs.items() if email != self.email]:
            run_id = random.choice(others)
            for method, end in (("GET", ""), ("GET", "/result"), ("POST", "/cancel")):
                self.refused(method, f"{RUNS}/{run_id}{end}", 404, "run_not_found")

    def on_stop(self) -> None:
        """Cancel what is still active, then check the final state of every run."""
        end = time.monotonic() + LONGEST_OUTAGE
        while True:
            try:
                if self.unanswered:
                    self.create()
                for run in [run for run in self.runs.values() if not run.status["done"]]:
                    self.cancel(run)
                self.list_runs(final=True)
            except Unavailable:
                if time.monotonic() < end:
                    time.sleep(1)
                    continue
                counts["errors"] += 1  # nobody knows the final state of this user's runs
            except RescheduleTask:
                pass  # a failed check is recorded
            return


@events.user_error.add_listener
def count_error(**_: Json) -> None:
    """Count an error of this file, which Locust only logs, as a check that failed."""
    counts["errors"] += 1


@events.quitting.add_listener
def write_counts(**_: Json) -> None:
    """Write the counts of runs and of repeated requests."""
    if COUNTS_FILE is not None:
        Path(COUNTS_FILE).write_text(json.dumps(counts))
