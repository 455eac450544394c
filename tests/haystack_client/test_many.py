"""Many questions at once: the limit of active runs, refusals, continuing, and the table in the end."""

import asyncio
import csv
import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from haystack_client import Answer, Answers, AsyncClient, Client, RetryPolicy
from tests.haystack_client.conftest import QUESTION, UNANSWERABLE, Haystack, complete, ended, fail

EVIDENCE = {"confidence": "low", "expected_accuracy": {"pearson": {"median": 0.5}}}


class Limited(httpx.MockTransport):
    """A service with a limit of active runs. A status request that may be held ends the run; it records all requests."""

    def __init__(self, limit: int, refused: Mapping[str, httpx.Response] | None = None) -> None:
        super().__init__(self._respond)
        self.limit = limit
        self.refused = refused or {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.by_key: dict[str, str] = {}
        self.calls: list[str] = []
        self.most_active = 0

    @property
    def active(self) -> list[dict[str, Any]]:
        return [run for run in self.runs.values() if not run["done"]]

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request.method + request.url.path.removeprefix("/api/v1/runs"))
        if request.method == "POST":
            return self._create(json.loads(request.content), request.headers["idempotency-key"])
        if request.url.path.endswith("/runs"):
            return httpx.Response(
                200, json={"runs": self.active[::-1], "total": len(self.active), "next_page_token": None}
            )
        if request.url.path.endswith("/result"):
            return httpx.Response(200, json={"answer": "It rises.", "evidence": EVIDENCE})
        run = self.runs[request.url.path.rpartition("/")[2]]
        if request.url.params["wait"] != "0":
            run |= {"status": "completed", "done": True}
        return httpx.Response(200, json=run, headers={"ETag": f'"{run["status"]}"'})

    def _create(self, body: Mapping[str, Any], key: str) -> httpx.Response:
        if refusal := self.refused.get(body["query"]):
            return refusal
        if key not in self.by_key:
            if len(self.active) >= self.limit:
                content = {"code": "too_many_runs", "detail": "Full.", "limit": self.limit}
                headers = {"Retry-After": "30", "Content-Type": "application/problem+json"}
                return httpx.Response(429, json=content, headers=headers)
            run_id = f"run_{len(self.runs):012x}"
            self.by_key[key] = run_id
            self.runs[run_id] = {
                "run_id": run_id,
                "query": body["query"],
                "status": "pending",
                "done": False,
                "failure": None,
                "error_message": None,
            }
            self.most_active = max(self.most_active, len(self.active))
        return httpx.Response(200, json=self.runs[self.by_key[key]])

    def client(self) -> Client:
        return Client("https://haystack.example.com", transport=self, retry_policy=RetryPolicy(pauses=()))


def refusal(status: int, **content: object) -> httpx.Response:
    return httpx.Response(status, json=content, headers={"Content-Type": "application/problem+json"})


REFUSED = refusal(
    422,
    code="question_not_answerable",
    detail="No atlas.",
    reasons=["No atlas."],
    suggestions=["B?"],
    interpretation={},
)


def test_the_limit_of_active_runs_is_respected_without_busy_polling() -> None:
    service = Limited(2)
    waits = []
    with service.client() as client:
        answers = client.ask_many([f"Question {i}?" for i in range(6)], on_row=lambda _, waiting: waits.append(waiting))
    assert service.most_active == 2
    assert [row.question for row in answers] == [f"Question {i}?" for i in range(6)]
    assert answers.complete
    assert {(row.answer, row.confidence, row.expected_r) for row in answers} == {("It rises.", "low", 0.5)}
    assert waits.count("2 active runs are the limit: waiting for one to end") == 4
    # For each time that it waited: one refused submission, one list, two status requests of which the service holds the second.
    assert len([call for call in service.calls if call == "GET"]) == 4
    assert len([call for call in service.calls if call == "POST"]) == 6 + 4


def test_a_run_in_the_queue_says_once_what_it_waits_for() -> None:
    service = Limited(9)
    texts = []

    def on_row(row: Answer, waiting: str) -> None:
        texts.append(waiting or row.status)
        if row.run_id:
            service.runs[row.run_id]["waiting_for"] = {"reason": "quota", "text": "The project has no quota left."}

    with service.client() as client:
        client.ask_many(["A?"], on_row=on_row)
    assert texts == ["pending", "run_000000000000 pending: The project has no quota left.", "completed"]


def test_a_refused_question_is_a_row_with_its_reason_and_suggestion() -> None:
    invalid = refusal(
        422, code="invalid_request", detail="Too short.", errors=[{"loc": ["body", "query"], "msg": "short"}]
    )
    service = Limited(9, {"A?": REFUSED, "": invalid})
    with service.client() as client:
        refused, short, good = client.ask_many(["A?", "", {"query": "B?", "max_iterations": 1}])
    assert (refused.status, refused.reason, refused.suggestion, refused.run_id) == ("refused", "No atlas.", "B?", "")
    assert (short.status, short.reason) == ("refused", "error 422: Too short. query: short")
    assert good.status == "completed"


def test_asking_again_continues() -> None:
    service = Limited(9)
    with service.client() as client:
        first = client.ask_many(["A?", "B?", "A?"], max_iterations=2)
        again = client.ask_many(["B?", "A?", "C?", "A?"], max_iterations=2)
    assert len(service.runs) == 4
    assert {row.run_id for row in first} < {row.run_id for row in again}


async def test_the_asynchronous_client_asks_many_too() -> None:
    service = Limited(1)
    async with AsyncClient("https://haystack.example.com", transport=service) as client:
        answers = await client.ask_many(["A?", "B?"])
    assert [row.status for row in answers] == ["completed", "completed"]
    assert service.most_active == 1


def test_rows_become_a_table_a_file_and_html(tmp_path: Path) -> None:
    answers = Answers(
        [Answer("=A?", "completed", "<b>", "high", 0.85123, "run_1"), Answer("B?", "refused", reason="No.")]
    )
    assert answers[1:] == (answers[1],)
    assert not answers.complete
    assert answers.to_dataframe()["expected_r"].tolist()[0] == 0.85123
    answers.to_csv(tmp_path / "answers.csv")
    first, second = csv.DictReader((tmp_path / "answers.csv").read_text().splitlines())
    assert (first["question"], second["reason"]) == ("'=A?", "No.")
    shown = answers._repr_html_()
    assert "<td>&lt;b&gt;</td><td>high</td><td>0.85</td>" in shown


async def test_a_file_of_questions_ends_with_one_table(haystack: Haystack, tmp_path: Path) -> None:
    (tmp_path / "questions.csv").write_text(f"query,max_iterations\n{QUESTION},2\n{UNANSWERABLE},\n{QUESTION},\n")
    arguments = ("submit", "--file", str(tmp_path / "questions.csv"))
    waiting = await haystack.start(*arguments)
    async with httpx.AsyncClient(base_url=haystack.url, trust_env=False) as http:
        runs: list[dict[str, Any]] = []
        while len(runs) < 2:
            runs = (await http.get("/api/v1/runs")).json()["runs"]
    assert sorted(run["max_iterations"] for run in runs) == [2, 5]
    waiting.send_signal(signal.SIGINT)
    stopped = await ended(waiting)
    assert stopped.code == 130
    assert "repeat the same command within 24 hours" in stopped.err
    failing, completing = sorted(run["run_id"] for run in runs)
    await complete(completing, tmp_path)
    await fail(failing)
    done = await haystack(*arguments, "--output", str(tmp_path / "answers.csv"))
    assert (done.code, done.err) == (1, "")
    assert done.out.endswith("1 of 3 questions have an answer\n")
    assert "refused: " in done.out
    assert "failed: The machine was preempted. Submit the question again." in done.out
    rows = list(csv.DictReader((tmp_path / "answers.csv").read_text().splitlines()))
    assert {row["run_id"] for row in rows} == {failing, completing, ""}
    as_json = await haystack(*arguments, "--json")
    assert [row["status"] for row in as_json.json] == [row["status"] for row in rows]
    async with httpx.AsyncClient(base_url=haystack.url, trust_env=False) as http:
        assert (await http.get("/api/v1/runs")).json()["total"] == 2


async def test_a_grid_asks_each_pair(haystack: Haystack, tmp_path: Path) -> None:
    waiting = await haystack.start("submit", "--cell-types", "CD14 monocytes", "--perturbations", "IFN-gamma")
    async with httpx.AsyncClient(base_url=haystack.url, trust_env=False) as http:
        runs: list[dict[str, Any]] = []
        while not runs:
            runs = (await http.get("/api/v1/runs")).json()["runs"]
            await asyncio.sleep(0.05)
    assert runs[0]["query"] == QUESTION
    await complete(runs[0]["run_id"], tmp_path)
    done = await ended(waiting)
    assert (done.code, done.err) == (0, "")
    assert f"{runs[0]['run_id']} pending: {QUESTION}" in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give one QUESTION, or --file"),
        (("A?", "--file", "q.csv"), "Give one QUESTION, or --file"),
        (("--cell-types", "NK cells"), "needs both"),
        (("--file", "missing.csv"), "cannot be read"),
        (("--file", "q.csv", "--validate-only"), "are for one QUESTION"),
    ],
)
async def test_a_wrong_command_gets_a_sentence(arguments: tuple[str, ...], message: str) -> None:
    done = await Haystack("http://127.0.0.1:9")("submit", *arguments)
    assert done.code == 2
    assert message in done.err
