"""What the owner of a run sees, and nobody else."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from shared.catalog.interpretation import Direction
from shared.errors import RunNotCompleted, RunNotFound
from shared.fields import Answer
from shared.runs import lifecycle, views
from shared.runs.jobs import failure_for
from shared.runs.records import MAX_ANSWER, GeneAnswer, Run, RunOutcome, RunSummary, StoredFile
from shared.runs.schemas import CreateRunRequest
from shared.runs.states import FailureReason, Phase
from shared.runs.submission import RunSubmission
from shared.runs.views import run_status
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.support.builders import ADA, ANSWERABLE, EVE, NO_RUN, completed_run, evidence, lease, outcome
from tests.support.fakes import FakeBatch, TestClock


class SignsNothing:
    """Result files that sign URLs which nobody opens."""

    async def upload(self, run_id: str, path: Path, media_type: str) -> StoredFile:
        """Not used in these tests."""
        raise AssertionError(f"unexpected upload for {run_id}: {path} {media_type}")

    async def delete(self, run_id: str) -> None:
        raise NotImplementedError

    async def sign(self, files: Sequence[StoredFile], expires_at: datetime) -> Sequence[str]:
        """Return a URL with the object and the time."""
        return [f"https://example.com/{file.object_name}?until={expires_at.isoformat()}" for file in files]


@pytest.fixture
def store(sqlite: SqliteDatabase) -> SqliteRunStore:
    return SqliteRunStore(sqlite)


@pytest.fixture
async def run(store: SqliteRunStore, batch: FakeBatch, clock: TestClock) -> Run:
    """Create a pending run of Ada's."""
    request = CreateRunRequest(query="How would NK cells respond to IL-15?")
    return await RunSubmission(store, batch, clock).create(request, ANSWERABLE, ADA)


@pytest.mark.parametrize("run_id", [NO_RUN, "run_", "../secrets", "run_0123456789AB"])
async def test_no_run_and_another_users_run_look_the_same(
    store: SqliteRunStore, run: Run, batch: FakeBatch, clock: TestClock, run_id: str
) -> None:
    for requested, caller in ((run_id, ADA), (run.run_id, EVE)):
        with pytest.raises(RunNotFound) as read:
            await views.summary(requested, caller, store=store)
        with pytest.raises(RunNotFound) as cancelled:
            await lifecycle.cancel(requested, caller, store=store, jobs=batch, clock=clock)
        assert read.value.detail == cancelled.value.detail == RunNotFound(requested).detail


class SlowToWatch(SqliteRunStore):
    """A store whose watch yields nothing."""

    async def watch(self, run_id: str) -> AsyncGenerator[Run | None]:  # noqa: ARG002
        await asyncio.Event().wait()
        yield None


async def test_a_wait_that_is_over_before_the_watch_begins_is_no_missing_run(sqlite: SqliteDatabase, run: Run) -> None:
    store = SlowToWatch(sqlite)
    waited = await views.await_change(run.run_id, ADA, seconds=0.01, store=store)
    assert run_status(waited) == run_status(run)
    assert run_status(run).interpretation == ANSWERABLE.interpretation
    with pytest.raises(RunNotFound):
        await views.await_change(run.run_id, EVE, seconds=0.01, store=store)


class Watched(SqliteRunStore):
    """A store that shows these versions of a run, and then nothing more."""

    versions: Sequence[Run | None] = ()
    watched: str = ""

    async def watch(self, run_id: str) -> AsyncGenerator[Run | None]:
        self.watched = run_id
        for version in self.versions:
            yield version
        await asyncio.Event().wait()


@pytest.fixture
def watched(sqlite: SqliteDatabase) -> Watched:
    return Watched(sqlite)


async def test_a_wait_ends_at_the_first_change(watched: Watched, run: Run, clock: TestClock) -> None:
    clock.move(seconds=1)
    changed = run.changed(clock.now, current_iteration=1)
    watched.versions = [run, run, changed, run.changed(clock.now, current_iteration=2)]
    assert await views.await_change(run.run_id, ADA, seconds=5, store=watched) == changed
    assert watched.watched == run.run_id


async def test_a_wait_ends_at_once_if_the_caller_does_not_know_the_run_as_it_is(watched: Watched, run: Run) -> None:
    watched.versions = [run]
    seen: list[RunSummary] = []

    def is_known(version: RunSummary) -> bool:
        seen.append(version)
        return False

    assert await views.await_change(run.run_id, ADA, seconds=5, is_known=is_known, store=watched) == run
    assert seen == [run]


async def test_a_wait_for_a_version_that_the_caller_knows_goes_on(watched: Watched, run: Run, clock: TestClock) -> None:
    clock.move(seconds=1)
    later = run.changed(clock.now, current_iteration=1)
    watched.versions = [run, later]
    found = await views.await_change(run.run_id, ADA, seconds=5, is_known=lambda version: version == run, store=watched)
    assert found == later


async def test_a_wait_for_a_finished_run_ends_at_once(watched: Watched) -> None:
    done = completed_run()
    watched.versions = [done]
    assert await views.await_change(done.run_id, ADA, seconds=5, is_known=lambda _: True, store=watched) == done


async def test_a_wait_that_sees_no_change_returns_the_latest_version(watched: Watched, run: Run) -> None:
    watched.versions = [run]
    assert await views.await_change(run.run_id, ADA, seconds=0.05, store=watched) == run


async def test_a_wait_for_a_run_that_is_missing_or_another_users_is_refused_at_once(watched: Watched, run: Run) -> None:
    for version, caller in ((None, ADA), (run, EVE)):
        watched.versions = [version]
        with pytest.raises(RunNotFound) as refused:
            await views.await_change(run.run_id, caller, seconds=5, store=watched)
        assert refused.value.detail == RunNotFound(run.run_id).detail
    with pytest.raises(RunNotFound) as refused:
        await views.await_change("../secrets", ADA, seconds=5, store=watched)
    assert refused.value.detail == RunNotFound("../secrets").detail


async def test_a_result_is_signed_for_an_hour(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    await lease(run.run_id, store=store, clock=clock).begin()
    await lease(run.run_id, store=store, clock=clock).complete(outcome(run.run_id))
    result = await views.result(run.run_id, ADA, store=store, files=SignsNothing(), clock=clock)
    assert result.success
    urls = {file.name.removeprefix(f"{run.run_id}_"): file.url for file in result.files}
    assert len(urls) == 6
    named = (result.anndata_url, result.report_url, result.log_url)
    assert named == (urls["predictions.h5ad"], urls["report.html"], urls["log.json"])
    assert "2026-03-01T13:00:00" in result.anndata_url


async def test_a_result_answers_for_the_genes_that_the_question_names(
    store: SqliteRunStore, run: Run, clock: TestClock
) -> None:
    found = completed_run().outcome
    assert found is not None
    answers = [
        GeneAnswer(
            gene="CXCL10",
            direction=Direction.DOWN,
            answer=answer,
            log2_fold_change=change,
            adjusted_p_value=None if change is None else 0.25,
            text=answer.value,
        )
        for answer, change in zip(Answer, (0.5, None, -0.5), strict=True)
    ]
    await lease(run.run_id, store=store, clock=clock).begin()
    answer = " ".join(each.text for each in answers)
    done = found.model_copy(update={"answer": answer, "gene_answers": answers})
    await lease(run.run_id, store=store, clock=clock).complete(done)
    result = await views.result(run.run_id, ADA, store=store, files=SignsNothing(), clock=clock)
    assert result.answer == answer
    assert [each.model_dump() for each in result.gene_answers] == [each.model_dump() for each in answers]
    assert result.interpretation == ANSWERABLE.interpretation


@pytest.mark.parametrize("reason", [FailureReason.QUERY_NOT_UNDERSTOOD, FailureReason.PREEMPTED])
async def test_a_failed_run_has_no_result_and_the_advice_of_its_failure(
    store: SqliteRunStore, run: Run, clock: TestClock, reason: FailureReason
) -> None:
    failure = failure_for(reason)
    failed = await lease(run.run_id, store=store, clock=clock).fail(failure, "It failed.")
    assert run_status(failed).error_message == "It failed."
    shown = run_status(failed).failure
    assert shown is not None
    assert shown.model_dump() == {"reason": reason, "retryable": failure.retryable, "advice": failure.advice}
    with pytest.raises(RunNotCompleted) as refusal:
        await views.result(run.run_id, ADA, store=store, files=SignsNothing(), clock=clock)
    assert refusal.value.detail.endswith(failure.advice)


async def test_a_run_that_is_not_completed_has_no_result(store: SqliteRunStore, run: Run, clock: TestClock) -> None:
    with pytest.raises(RunNotCompleted, match=f"{run.run_id} is pending and has no result") as refusal:
        await views.result(run.run_id, ADA, store=store, files=SignsNothing(), clock=clock)
    assert run.run_id in refusal.value.detail
    assert refusal.value.detail.endswith(f"Poll /api/v1/runs/{run.run_id} until it is done.")


async def test_a_cancelled_run_has_no_result_and_may_be_asked_again(
    store: SqliteRunStore, run: Run, batch: FakeBatch, clock: TestClock
) -> None:
    await lifecycle.cancel(run.run_id, ADA, store=store, jobs=batch, clock=clock)
    with pytest.raises(RunNotCompleted) as refusal:
        await views.result(run.run_id, ADA, store=store, files=SignsNothing(), clock=clock)
    assert refusal.value.detail.endswith("Submit the question again.")


@pytest.mark.parametrize(("score", "success"), [(8, True), (7, True), (6, False), (None, False)])
async def test_a_result_of_before_the_job_decided_is_a_success_if_it_reaches_the_threshold(
    store: SqliteRunStore, run: Run, clock: TestClock, score: int | None, success: bool
) -> None:
    await lease(run.run_id, store=store, clock=clock).begin()
    found = outcome(run.run_id).model_copy(update={"grounding_score": score})
    iteration = completed_run().iterations[0].model_copy(update={"number": 1, "score": score})
    await lease(run.run_id, store=store, clock=clock).progress(
        phase=Phase.OUTPUT_GENERATION, iteration=1, finished=iteration
    )
    done = await lease(run.run_id, store=store, clock=clock).complete(found)
    assert run_status(done).grounding_scores == [score]
    result = await views.result(run.run_id, ADA, store=store, files=SignsNothing(), clock=clock)
    assert (result.grounding_score, result.iterations[0].score, result.success) == (score, score, success)


async def test_a_result_tells_the_evidence_and_the_parts_of_each_score_and_trusts_the_job(
    store: SqliteRunStore, run: Run, clock: TestClock
) -> None:
    done = completed_run()
    assert done.outcome is not None
    holder = lease(run.run_id, store=store, clock=clock)
    await holder.begin()
    await holder.progress(phase=Phase.OUTPUT_GENERATION, iteration=1, finished=done.iterations[0])
    found = {"success": False, "grounding_p_value": 0.25, "evidence": evidence()}
    await holder.complete(done.outcome.model_copy(update=found))
    result = await views.result(run.run_id, ADA, store=store, files=SignsNothing(), clock=clock)
    assert (result.evidence, result.grounding_p_value) == (evidence(), 0.25)
    assert result.grounding_score is not None
    assert result.grounding_score >= run.score_threshold
    assert not result.success
    stored, shown = done.iterations[0].components, result.iterations[0].components
    assert [part.model_dump() for part in shown] == [part.model_dump() for part in stored]
    assert any(part.score for part in stored)


def test_an_answer_of_any_length_is_stored_short() -> None:
    stored = outcome("run_0123456789ab").model_dump() | {"answer": "x" * (MAX_ANSWER + 1)}
    answer = RunOutcome.model_validate(stored).answer
    assert (len(answer), answer[-1]) == (MAX_ANSWER, "…")
