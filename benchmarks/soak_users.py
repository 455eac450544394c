"""The users of a soak: each asks, watches, waits, cancels and reads on its own, and checks every answer."""

import asyncio
import base64
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import google_crc32c
import httpx

from benchmarks.soak_ledger import Ledger
from benchmarks.soak_model import Known, SeenRun, SeenRuns, WrongAnswer, require
from benchmarks.soak_voice import Query, Voice, code, tag

RUNS: Final = "/api/v1/runs"
THINKING_SECONDS: Final = 3.0
"""Mean pause between a user's requests."""
ASKING: Final = 0.08
"""How likely a user without an unfinished run asks a new question next."""
FOLLOWED: Final = 0.15
"""How many runs are followed to their end; the others are cancelled, soon or after some requests."""
AT_ONCE: Final = 0.6
KEYED: Final = 0.5
PATIENCE: Final = 60


class User:
    """One user.

    Args:
        number: which.
        seed: with the number, makes what the user does.
        client: the HTTP client, pointed at the service; shared.
        ledger: where everything is counted.
        stranger: gives some run of another user, if there is one.
    """

    def __init__(
        self, number: int, seed: int, client: httpx.AsyncClient, ledger: Ledger, stranger: Callable[[], str | None]
    ) -> None:
        self.seen = SeenRuns(f"user-{number:03}@example.com")
        self._chance = random.Random(f"{seed}/{number}")  # noqa: S311  # a simulation
        self._voice = Voice(self.seen.owner, client, ledger)
        self._ledger = ledger
        self._stranger = stranger
        self._questions = 0
        self._current: SeenRun | None = None
        self._patience = 0

    async def live(self, stopped: asyncio.Event) -> None:
        """Do one thing after the other until it is time to stop; what is wrong is noted, and life goes on."""
        while not stopped.is_set():
            await asyncio.sleep(self._chance.expovariate(1 / THINKING_SECONDS))
            await self._noting(self._next()())

    async def look_again(self) -> None:
        """Ask once more for the list: every run that the user knows, as it is now."""
        await self._noting(self._list(every=True))

    async def _noting(self, action: Awaitable[None]) -> None:
        try:
            await action
        except WrongAnswer as error:
            self._ledger.wrong.append(f"{self.seen.owner}: {error}")

    def _next(self) -> Callable[[], Awaitable[None]]:
        current = self._current
        if current is not None and current.known.done:
            completed = current.known.status["status"] == "completed"
            self._current = None
            return (lambda: self._result(current)) if completed else (lambda: self._poll(current))
        if current is None:
            if not self.seen.runs or self._chance.random() < ASKING:
                return self._ask_question
            any_run = self._chance.choice(list(self.seen.runs.values()))
            return self._chance.choice(
                [
                    *3 * [lambda: self._poll(any_run)],
                    self._list,
                    lambda: self._result(any_run),
                    lambda: self._cancel(any_run),
                    self._preview,
                    self._pry,
                ]
            )
        if self._patience > 0:
            self._patience -= 1
            watching = [*4 * [self._poll], *3 * [self._wait], self._result]
            chosen = self._chance.choice(watching)
            return self._chance.choice([*9 * [lambda: chosen(current)], self._list])
        return (lambda: self._cancel(current)) if self._chance.random() < 0.5 else (lambda: self._regret(current))

    async def _ask_question(self) -> None:
        self._questions += 1
        query = f"How would CD14 monocytes respond to IFN-gamma? (question {self._questions} of {self.seen.owner})"
        body: dict[str, object] = {"query": query, "max_iterations": self._chance.randint(1, 10)}
        keyed = self._chance.random() < KEYED
        key = {"Idempotency-Key": f"key-{self._questions}"} if keyed else {}
        self.seen.unanswered.add(query)
        kind = "create with a key" if keyed else "create"
        answer = await self._voice.ask(kind, "POST", RUNS, json=body, headers=key)
        while answer is None and keyed:  # the promise of a key: ask until it is answered, and it runs once
            await asyncio.sleep(1.0)
            answer = await self._voice.ask(kind, "POST", RUNS, json=body, headers=key)
        if answer is None:
            return
        run = self._created(query, answer)
        if keyed and self._chance.random() < 0.3:
            await self._repeat(run, body, key)
        self._current = run
        chance = self._chance.random()
        if chance < FOLLOWED:
            self._patience = PATIENCE
        else:
            self._patience = 0 if chance < FOLLOWED + AT_ONCE * (1 - FOLLOWED) else self._chance.randint(1, 8)

    def _created(self, query: str, answer: httpx.Response) -> SeenRun:
        require(answer.status_code == 200, f"create: {answer.status_code} {answer.text[:300]}")
        status = answer.json()
        require(answer.headers["location"] == f"{RUNS}/{status['run_id']}", "Location names another run")
        return self.seen.created(query, status, tag(answer))

    async def _repeat(self, run: SeenRun, body: dict[str, object], key: dict[str, str]) -> None:
        """The same key again gives the same run; with another body it is refused."""
        answer = await self._voice.ask("create again", "POST", RUNS, json=body, headers=key)
        if answer is not None:
            again = self._created(str(body["query"]), answer)
            require(again is run, f"{run.run_id} and {again.run_id} came of one key")
        other = {**body, "query": f"{body['query']} Or not?"}
        answer = await self._voice.ask("create again", "POST", RUNS, json=other, headers=key)
        if answer is not None:
            require(code(answer) == "idempotency_mismatch", f"a key with another body: {answer.text[:300]}")

    async def _poll(self, run: SeenRun) -> None:
        await self._status("poll", run, 0)

    async def _wait(self, run: SeenRun) -> None:
        await self._status("wait", run, self._chance.randint(1, 10))

    async def _status(self, kind: str, run: SeenRun, wait: int) -> None:
        since, cancelled, began = run.known, run.cancel_holds, time.monotonic()
        conditional = {"If-None-Match": since.etag} if since.etag and self._chance.random() < 0.9 else {}
        path = f"{RUNS}/{run.run_id}" + (f"?wait={wait}" if wait else "")
        answer = await self._voice.ask(kind, "GET", path, headers=conditional)
        if answer is None:
            return
        if answer.status_code == 304:
            require(bool(conditional), f"{run.run_id}: 304 without If-None-Match")
            require(tag(answer) == since.etag, f"{run.run_id}: 304 with another ETag")
            run.check_cancel(cancelled, since.status)
            waited = time.monotonic() - began
            require(since.done or waited > wait - 0.5, f"{run.run_id}: nothing changed, and it waited only {waited} s")
            return
        require(answer.status_code == 200, f"{run.run_id}: {answer.status_code} {answer.text[:300]}")
        status, etag = answer.json(), tag(answer)
        require(not conditional or etag != since.etag, f"{run.run_id}: unchanged, and not a 304")
        require(status["done"] is ("retry-after" not in answer.headers), f"{run.run_id}: Retry-After of a finished run")
        run.check_cancel(cancelled, status)
        run.told(status, since, etag)

    async def _cancel(self, run: SeenRun) -> None:
        since = run.known
        answer = await self._voice.ask("cancel", "POST", f"{RUNS}/{run.run_id}/cancel")
        if answer is None:
            return
        if answer.status_code == 200:
            require(
                answer.json() == {"status": "cancelled", "run_id": run.run_id}, f"a cancel said {answer.text[:300]}"
            )
            run.cancel_confirmed(since)
        else:
            require(code(answer) == "run_already_finished", f"a cancel was refused: {answer.text[:300]}")
            run.cancel_refused()
        await self._poll(run)
        require(run.known.done or self._away(), f"{run.run_id} has an end, and is told to have none")

    async def _regret(self, run: SeenRun) -> None:
        """Cancel a run while one waits for it in another window."""
        await asyncio.gather(self._status("wait", run, 20), self._cancel_soon(run))

    async def _cancel_soon(self, run: SeenRun) -> None:
        await asyncio.sleep(self._chance.uniform(0.1, 1.0))
        await self._cancel(run)

    async def _result(self, run: SeenRun) -> None:
        since = run.known
        answer = await self._voice.ask("result", "GET", f"{RUNS}/{run.run_id}/result")
        if answer is None:
            return
        over_otherwise = since.done and since.status["status"] != "completed"
        if answer.status_code != 200:
            require(code(answer) == "run_not_completed", f"a result was refused: {answer.text[:300]}")
            require(since.status["status"] != "completed", f"{run.run_id} completed, and has no result")
            return
        require(not over_otherwise, f"{run.run_id} is {since.status['status']}, and has a result")
        require(not run.cancel_holds, f"{run.run_id} was cancelled, and has a result")
        result = answer.json()
        require(result["run_id"] == run.run_id, "the result of another run")
        require(len(result["files"]) == 3, f"{run.run_id} has {len(result['files'])} files")
        await self._download(run, self._chance.choice(result["files"]))

    async def _download(self, run: SeenRun, file: dict[str, Any]) -> None:
        """Fetch one file by its signed URL, which goes to Cloud Storage and not to the functions."""
        answer = await self._voice.ask("download", "GET", file["url"])
        if answer is None:
            return
        checksum = base64.b64encode(google_crc32c.value(answer.content).to_bytes(4, "big")).decode()
        require(checksum == file["crc32c"], f"{run.run_id}: {file['name']} is not intact")
        require(answer.json()["run_id"] == run.run_id, f"{run.run_id}: {file['name']} is another run's")

    async def _list(self, *, every: bool = False) -> None:
        since: dict[str, Known] = {run_id: run.known for run_id, run in self.seen.runs.items()}
        cancelled = frozenset(run_id for run_id, run in self.seen.runs.items() if run.cancel_holds)
        finished = not every and self._chance.random() < 0.3
        wanted = frozenset({"completed", "failed", "cancelled"} if finished else ())
        size = 100 if every else self._chance.randint(3, 100)
        query: Query = {"page_size": size, "status": sorted(wanted)}
        pages: list[dict[str, Any]] = []
        while True:
            answer = await self._voice.ask("list", "GET", RUNS, query=query)
            if answer is None:
                return
            require(answer.status_code == 200, f"a list was refused: {answer.text[:300]}")
            pages.append(answer.json())
            require(len(pages[-1]["runs"]) <= size, f"a page of {len(pages[-1]['runs'])} runs, not {size}")
            if pages[-1]["next_page_token"] is None:
                break
            query["page_token"] = pages[-1]["next_page_token"]
        self.seen.listed(pages, since=since, cancelled=cancelled, wanted=wanted)

    async def _preview(self) -> None:
        body = {"query": f"Would this be a run at all? ({self.seen.owner})", "validate_only": True}
        answer = await self._voice.ask("validate only", "POST", RUNS, json=body)
        if answer is not None:
            require(answer.status_code == 200 and "location" not in answer.headers, f"a preview: {answer.text[:300]}")

    async def _pry(self) -> None:
        """Another user's run is not there, whatever one does with it."""
        run_id = self._stranger()
        if run_id is None or run_id in self.seen.runs:
            return
        method, tail = self._chance.choice([("GET", ""), ("GET", "?wait=1"), ("GET", "/result"), ("POST", "/cancel")])
        answer = await self._voice.ask("another's run", method, f"{RUNS}/{run_id}{tail}")
        if answer is not None:
            require(code(answer) == "run_not_found", f"{self.seen.owner} got at {run_id}: {answer.text[:300]}")

    def _away(self) -> bool:
        """Whether something is away now, or was a moment ago."""
        now = time.monotonic()
        return any(outage.ended is None or now < outage.ended + 30 for outage in self._ledger.outages)
