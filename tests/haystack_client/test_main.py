"""Each command, with the output for people and for programs."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from shared import wiring
from tests.haystack_client.conftest import FILES, QUESTION, ROOT, UNANSWERABLE, Done, Haystack, complete, ended, fail

NOWHERE = "run_0123456789ab"


async def test_a_submitted_run_can_be_seen_listed_and_cancelled(haystack: Haystack) -> None:
    submitted = await haystack("submit", QUESTION)
    assert submitted.code == 0
    *read, run_line, advice = submitted.out.splitlines()
    assert "cell type: CD14-positive monocyte (CL:0001054), from “CD14 monocytes”" in read
    run_id = run_line.removeprefix("run: ")
    assert advice == f"To follow it: haystack watch {run_id}"
    seen = await haystack("status", run_id)
    assert (seen.code, seen.err) == (0, "")
    assert seen.out.splitlines()[: len(read) + 3] == [QUESTION, *read, run_line, "status: pending"]
    listed = await haystack("list")
    assert [run_id, "pending"] == listed.out.splitlines()[2].split()[:2]
    cancelled = await haystack("cancel", "last")
    assert (cancelled.code, cancelled.out) == (0, f"{run_id} is cancelled\n")
    assert "status: cancelled" in (await haystack("status", "last")).out


async def test_json_output_is_the_response_of_the_api_and_nothing_else(haystack: Haystack) -> None:
    options = (
        "--max-iterations",
        "3",
        "--control-strategy",
        "query_as_control",
        "--seed",
        "5",
        "--score-threshold",
        "9",
    )
    run = (await haystack("submit", QUESTION, *options, "--json")).json
    assert (run["query"], run["max_iterations"], run["control_strategy"]) == (QUESTION, 3, "query_as_control")
    assert (await haystack("status", run["run_id"], "--json")).json == run
    assert (await haystack("list", "--json")).json["runs"] == [run]
    cancelled = (await haystack("cancel", run["run_id"], "--json")).json
    assert cancelled == {"status": "cancelled", "run_id": run["run_id"]}


async def test_one_idempotency_key_creates_one_run(haystack: Haystack) -> None:
    first, second = [(await haystack("submit", QUESTION, "--idempotency-key", "mine")).out for _ in range(2)]
    assert first == second
    other = await haystack("submit", QUESTION, "--idempotency-key", "mine", "--max-iterations", "2")
    assert other.code == 2
    assert "Idempotency-Key was used with a different request" in other.err


async def test_validate_only_shows_what_would_run_and_submits_nothing(haystack: Haystack) -> None:
    told = await haystack("submit", QUESTION, "--validate-only")
    assert told.code == 0
    assert "would run: yes" in told.out
    assert (await haystack("submit", QUESTION, "--validate-only", "--json")).json["would_run"] is True
    assert (await haystack("list")).out == "no runs\n"
    assert (await haystack("status", "last")).code == 3


async def test_a_question_that_cannot_be_answered_is_refused_and_nothing_runs(haystack: Haystack) -> None:
    refused = await haystack("submit", UNANSWERABLE)
    assert (refused.code, refused.out) == (2, "")
    first, reason, *read = refused.err.splitlines()
    assert first == "cannot be answered:"
    assert reason.startswith("  ")
    assert "cell type: natural killer cell (CL:0000623), from “NK cells”" in read
    as_json = await haystack("submit", UNANSWERABLE, "--json")
    assert (as_json.code, as_json.out, as_json.err) == (2, "", refused.err)
    for arguments in (("validate",), ("submit", "--validate-only")):
        told = await haystack(*arguments, UNANSWERABLE)
        assert (told.code, told.err) == (1, "")
        assert refused.err in told.out
        assert "recommended" not in told.out
        document = await haystack(*arguments, UNANSWERABLE, "--json")
        assert document.code == 1
        validation = document.json.get("validation", document.json)
        assert validation["interpretation"]["answerable"] is False
    assert (await haystack("list")).out == "no runs\n"


async def test_a_language_model_may_read_a_question_that_the_catalog_cannot(haystack: Haystack) -> None:
    told = await haystack("submit", UNANSWERABLE, "--llm-provider", "anthropic", "--validate-only")
    assert told.code == 0
    assert told.out.startswith(
        "would run: yes\nThe language model decides how the question is read. Without it:\ncannot be answered:\n"
    )
    submitted = await haystack("submit", UNANSWERABLE, "--llm-provider", "anthropic")
    assert submitted.code == 0
    assert submitted.out.startswith(
        "not read yet: the language model reads the question when the run starts\nrun: run_"
    )
    seen = await haystack("status", "last")
    assert seen.code == 0
    assert "cell type:" not in seen.out


async def test_validate_shows_how_the_service_reads_a_question(haystack: Haystack) -> None:
    told = await haystack("validate", QUESTION)
    assert told.code == 0
    assert "perturbation: IFN-gamma, from “IFN-gamma”" in told.out
    assert "recommended control strategy: synthetic_control" in told.out
    content = (await haystack("validate", QUESTION, "--control-strategy", "query_as_control", "--json")).json
    assert content["perturbation"]["name"] == "IFN-gamma"


async def test_list_follows_pages_and_applies_filters(haystack: Haystack) -> None:
    made = [await haystack.submit() for _ in range(3)]
    await haystack("cancel", made[0])
    two = await haystack("list", "--limit", "2")
    assert "2 of 3 runs" in two.out
    everything = (await haystack("list", "--all", "--json")).json
    assert [run["run_id"] for run in everything["runs"]] == made[::-1]
    assert (everything["total"], everything["next_page_token"]) == (3, None)
    some = (await haystack("list", "--status", "cancelled", "--status", "failed", "--json")).json
    assert [run["run_id"] for run in some["runs"]] == made[:1]
    assert (await haystack("list", "--created-after", "yesterday")).code == 2


async def test_a_result_is_shown_and_its_files_are_downloaded(haystack: Haystack, tmp_path: Path) -> None:
    run_id = await haystack.submit()
    early = await haystack("result", run_id)
    assert (early.code, early.out) == (2, "")
    assert "has no result" in early.err
    assert "To follow it: haystack watch run_" in early.err
    assert "/api/v1" not in early.err
    await complete(run_id, tmp_path)
    shown = await haystack("result", run_id)
    assert shown.code == 0
    assert shown.out.startswith(
        "Yes: IFN-gamma is predicted to raise CXCL10 in MDC. Overall, it is predicted to raise 12 genes.\n"
    )
    for words in (
        "grounding score: 8 of 10, threshold reached",
        "pathway coherence: 8. The expected pathway [IFN] comes first.",
        "network coherence: not scored. Too few genes move.",
        "CXCL10 +2.72",
        "read as: IFN-gamma in CD14-positive monocyte; cells used: ",
        "Stopped because the score of 8 reached the threshold of 7.",
        "< 1e−300",
        "note: semi-synthetic atlas",
        f"{run_id}_report.html",
    ):
        assert words in shown.out
    folder = tmp_path / "a folder whose name is long enough to be broken by a terminal of eighty columns" / "deep"
    fetched = await haystack("result", run_id, "--download", str(folder), COLUMNS="60")
    assert fetched.code == 0
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(f"{run_id}{end}" for end in FILES)
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()
        assert str(folder / name) in fetched.out


async def test_a_download_with_json_prints_only_the_result_on_standard_output(
    haystack: Haystack, tmp_path: Path
) -> None:
    run_id = await haystack.submit()
    await complete(run_id, tmp_path)
    done = await haystack("result", run_id, "--download", str(tmp_path / "out"), "--json")
    assert done.json["grounding_score"] == 8
    assert str(tmp_path / "out" / f"{run_id}_log.json") in done.err


async def test_the_catalog_is_shown(haystack: Haystack) -> None:
    names = await haystack("datasets")
    assert "small_pbmc" in names.out.splitlines()
    assert (await haystack("datasets", "--json")).json == names.out.splitlines()
    one = await haystack("datasets", "small_pbmc")
    assert one.code == 0, one.err
    assert "A small data set" in one.out
    assert (await haystack("datasets", "small_pbmc", "--json")).json["cells"] == 80
    perturbations = await haystack("perturbations", "--dataset", "small_pbmc")
    assert "IFN-gamma" in perturbations.out
    types = (await haystack("cell-types", "--dataset", "small_pbmc", "--json")).json
    assert "CL:0000623" in {item["cell_ontology_id"] for item in types}
    assert "CL:0000623" in (await haystack("cell-types", "--dataset", "small_pbmc")).out
    for command, what in (("perturbations", "perturbations"), ("cell-types", "cell types")):
        some, everything = [(await haystack(command, *more)).out for more in ((), ("--all",))]
        known = len((await haystack(command, "--all", "--json")).json)
        usable = len((await haystack(command, "--json")).json)
        assert 0 < usable < known
        assert some.endswith(
            f"\n{usable} of {known} {what}; --all lists those without enough cells in an ingested atlas\n"
        )
        assert everything.endswith(f"\n{known} of {known} {what}\n")
    unknown = await haystack("cell-types", "--dataset", "nothing")
    assert unknown.code == 3
    assert "small_pbmc" in unknown.err


async def test_refusals_are_printed_on_standard_error(haystack: Haystack) -> None:
    refusals = {
        ("submit", "Why?"): (2, "query: String should have at least 5 characters"),
        ("submit", QUESTION, "--max-iterations", "11"): (2, "max_iterations: "),
        ("submit", QUESTION, "--control-strategy", "none"): (2, "Invalid value for '--control-strategy'"),
        ("submit",): (2, "Give one QUESTION, or --file"),
        ("status", "run_1"): (2, "A run id looks like run_0123456789ab"),
        ("status", ""): (2, "A run id looks like run_0123456789ab"),
        ("status", NOWHERE): (3, f"You have no run {NOWHERE}"),
        ("result", NOWHERE): (3, NOWHERE),
        ("cancel", NOWHERE): (3, NOWHERE),
        ("watch", NOWHERE): (3, NOWHERE),
        ("datasets", "nothing"): (3, "There is no dataset nothing"),
        ("status", NOWHERE, "--url", "localhost:8080"): (2, "must start with http:// or https://"),
    }
    told = await asyncio.gather(*(haystack(*arguments, "--json") for arguments in refusals))
    for done, (arguments, (code, words)) in zip(told, refusals.items(), strict=True):
        assert (done.code, done.out) == (code, ""), arguments
        assert words in done.err, arguments
        assert "Traceback" not in done.err


async def test_cancelling_a_failed_run_is_refused(haystack: Haystack) -> None:
    run_id = await haystack.submit()
    await fail(run_id)
    done = await haystack("cancel", run_id)
    assert (done.code, done.out) == (2, "")
    assert "already failed" in done.err


async def test_the_installed_command_documents_its_exit_codes() -> None:
    process = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("haystack"), "--help"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    done: Done = await ended(process)
    assert done.code == 0
    for line in ("0: success", "3: not found", "4: not signed in", "130: interrupted"):
        assert line in done.out


LOG = {
    "interpreted_by": "deterministic resolver", "random_seed": 7, "predictor": "delta transfer", "query_cells": 20,
    "query_cells_by_donor": {"A": 20}, "iterations": [], "best_iteration": 1, "grounding_score": 8,
    "termination_reason": "score_threshold: 8 reaches the threshold of 7", "notes": ["A note."],
}  # fmt: skip


def relative(path: Path) -> str:
    """Return a path as seen from the folder in which the tests run the command."""
    return os.path.relpath(path, ROOT)


async def test_open_downloads_the_report_and_opens_it(haystack: Haystack, tmp_path: Path) -> None:
    run_id = await haystack.submit()
    await complete(run_id, tmp_path)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    # The path was relative, as the default folder is, and had no address.
    arguments = ("open", "last", "--download", relative(tmp_path / "here"))
    report = tmp_path / "here" / f"{run_id}_report.html"
    done = await haystack(*arguments, BROWSER=str(browser))
    assert (done.code, done.out, done.err) == (0, f"{report}\n", "")
    assert (tmp_path / "opened").read_text() == f"{report.as_uri()}\n"
    without = await haystack(*arguments, BROWSER="false")
    assert without.out == f"{report}\nNo browser was found. Open this address in one: {report.as_uri()}\n"
    as_json = await haystack(*arguments, "--json", BROWSER="false")
    assert as_json.json == {"run_id": run_id, "path": str(report), "opened": False}


async def test_logs_show_the_history_of_a_run(haystack: Haystack, tmp_path: Path) -> None:
    run_id = await haystack.submit()
    assert (await haystack("logs", run_id)).out.endswith(
        "  now: pending: The run waits for its turn in the queue of Google Cloud Batch.\n"
    )
    await complete(run_id, tmp_path, {"_log.json": json.dumps(LOG).encode()})
    told = await haystack("logs", "last")
    assert "  delivered: iteration 1, score 8\n" in told.out
    assert told.out.endswith("  note: A note.\n")
    assert (await haystack("logs", "last", "--json")).json == LOG


async def test_retry_asks_the_same_question_with_the_same_options(haystack: Haystack) -> None:
    options = ("--max-iterations", "3", "--score-threshold", "9", "--seed", "5", "--label", "screen 1")
    first = (await haystack("submit", QUESTION, *options, "--json")).json
    again = (await haystack("retry", first["run_id"], "--json")).json
    assert again["run_id"] != first["run_id"]
    differ = {"run_id", "created_at", "updated_at"}
    assert {name: value for name, value in again.items() if name not in differ} == {
        name: value for name, value in first.items() if name not in differ
    }
    listed = (await haystack("list", "--label", "screen 1", "--json")).json
    assert [run["run_id"] for run in listed["runs"]] == [again["run_id"], first["run_id"]]
    assert "label: screen 1" in (await haystack("status", "last")).out


async def test_notifications_are_asked_for_shown_and_asked_for_again(
    haystack: Haystack, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = await haystack("submit", QUESTION, "--notify-email")
    assert (refused.code, "This service sends no e-mail." in refused.err) == (2, True)
    for name, value in {
        "SERVICE_URL": haystack.url,
        "WEBHOOK_HOSTS": "hooks.example.org",
        "SMTP_HOST": "smtp.example.org",
        "SMTP_FROM": "haystack@example.org",
    }.items():
        monkeypatch.setenv(name, value)
    wiring.replace(None)
    options = ("--notify-webhook", "https://hooks.example.org/x", "--notify-email")
    first = (await haystack("submit", QUESTION, *options, "--json")).json
    again = (await haystack("retry", first["run_id"], "--json")).json
    assert first["notifications"] == again["notifications"]
    assert [each["channel"] for each in again["notifications"]] == ["webhook", "email"]
    shown = (await haystack("status", first["run_id"])).out
    assert "notification by webhook: waiting\nnotification by email: waiting\n" in shown


async def test_a_finished_run_is_deleted(haystack: Haystack, tmp_path: Path) -> None:
    run_id = await haystack.submit()
    refused = await haystack("delete", run_id)
    assert (refused.code, refused.err) == (2, f"error 409: Run {run_id} is pending. Cancel it first.\n")
    await complete(run_id, tmp_path)
    assert (await haystack("delete", "last")).out == f"{run_id} and its files are deleted\n"
    assert (await haystack("status", run_id)).code == 3


@pytest.mark.parametrize(("answer", "options", "code"), [(b"n\n", (), 1), (b"y\n", (), 0), (b"", ("--yes",), 0)])
async def test_on_a_terminal_a_deletion_is_confirmed(
    haystack: Haystack, tmp_path: Path, answer: bytes, options: tuple[str, ...], code: int
) -> None:
    """Regression: `haystack delete last` deleted without asking, and the next time the run before."""
    run_id = await haystack.submit()
    await complete(run_id, tmp_path)
    master, slave = os.openpty()
    process = await haystack.start("delete", "last", *options, stdin=slave, stdout=slave, stderr=slave)
    os.write(master, answer)
    await asyncio.wait_for(process.wait(), 30)
    text = await asyncio.to_thread(lambda: os.read(master, 65536).decode())
    os.close(master)
    os.close(slave)
    assert process.returncode == code
    assert (f"Delete {run_id}, its result and its files for good?" in text) == (not options)
    assert (QUESTION in text) == (not options)
    assert (await haystack("status", run_id)).code == (3 if code == 0 else 0)


async def test_labels_have_a_column_if_there_are_any(haystack: Haystack) -> None:
    await haystack.submit()
    assert "label" not in (await haystack("list")).out
    await haystack("submit", QUESTION, "--label", "screen 1")
    heading, _, newest, oldest = (await haystack("list")).out.splitlines()
    assert heading.split() == ["run", "status", "confidence", "created", "label", "question"]
    assert "screen 1" in newest
    assert "screen 1" not in oldest
