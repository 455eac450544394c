"""How long a question takes: the resolver alone, and the validate function as the framework serves it, in this process.

    python -m benchmarks.validate_latency [QUESTIONS.tsv]

The catalog holds one ingested dataset in an embedded store; requests come one after another over httpx's ASGI transport, so no network
counts. Questions are taken from the column `question` of a tab-separated file. Prints p50, p95 and the slowest, in milliseconds.
"""

import asyncio
import csv
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from local.gateway import Gateway
from shared import wiring
from shared.resolver import resolve
from tests.support.catalogs import small_pbmc

QUESTIONS = Path(__file__).parent.parent / "tests/shared/resolver/blind_questions.tsv"
ROUNDS = 3
SETTINGS = {"ENVIRONMENT": "development", "PROJECT": "p", "REGION": "r", "RESULTS_BUCKET": "b", "STORE": "sqlite"}


def main() -> None:
    """Measure and print."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else QUESTIONS
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        questions = [row["question"] for row in rows if len(row["question"]) >= 10]  # as the contract has it
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update({**SETTINGS, "SQLITE_PATH": f"{folder}/runs.db"})
        asyncio.run(_measure(questions))


async def _measure(questions: Sequence[str]) -> None:
    await wiring.catalog().put(small_pbmc())
    transport = httpx.ASGITransport(Gateway({}))
    async with httpx.AsyncClient(transport=transport, base_url="http://benchmark") as client:
        cold = await _ask(client, questions[0])
        warm = [await _ask(client, question) for _ in range(ROUNDS) for question in questions]
    view = await wiring.catalog_cache().view()
    alone = []
    for _ in range(ROUNDS):
        for question in questions:
            started = time.perf_counter()
            resolve(question, view)
            alone.append(1000 * (time.perf_counter() - started))
    print(f"{len(questions)} questions, {ROUNDS} rounds; first request of the process {cold:.0f} ms")
    _tell("resolver", alone)
    _tell("function", warm)


async def _ask(client: httpx.AsyncClient, question: str) -> float:
    started = time.perf_counter()
    answer = await client.post("/api/v1/runs/validate-control-strategy", json={"query": question})
    took = 1000 * (time.perf_counter() - started)
    answer.raise_for_status()
    return took


def _tell(name: str, took: list[float]) -> None:
    ordered = sorted(took)
    p50, p95 = (ordered[int(share * len(ordered))] for share in (0.5, 0.95))
    print(f"{name}: p50 {p50:.2f} ms, p95 {p95:.2f} ms, slowest {ordered[-1]:.2f} ms")


if __name__ == "__main__":
    main()
