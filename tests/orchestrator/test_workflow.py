"""A run from question to files, with the demo atlas and fakes of all ports."""

import asyncio
import json
import sys
import warnings
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from orchestrator.config import JobConfig
from orchestrator.evidence.gene_sets import hallmark
from orchestrator.ingest.build import ingest
from orchestrator.main import ATLAS_GONE, UNEXPECTED, Exit, Ports, run_job
from orchestrator.prediction.delta_transfer import DeltaTransfer
from orchestrator.progress import LONGEST_PAUSE, PATIENCE, Progress, Stopped, outlast
from orchestrator.question.llm import understand
from orchestrator.search.search import reason_to_stop
from orchestrator.workflow import Workflow
from shared.catalog.entries import DatasetEntry
from shared.catalog.interpretation import Direction, Interpretation
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView
from shared.errors import RunNotCompleted, Unavailable
from shared.fields import Answer, ControlStrategy, LlmProvider
from shared.runs import views
from shared.runs.evidence import Confidence
from shared.runs.lifecycle import RunLease
from shared.runs.records import Run, StoredFile
from shared.runs.states import Actor, FailureReason, Phase, RunState
from tests.support.builders import ADA, lease
from tests.support.orchestrator import small_atlas
from tests.support.orchestrator.world import FolderFiles, ListedCatalog, MemoryRuns, World

MakeRun = Callable[..., Run]
MakeWorld = Callable[[Run], World]

QUESTION = "How would CD14 monocytes respond to IFN-gamma?"


async def test_the_demo_question_is_answered_with_a_good_score_and_three_files(
    make_run: MakeRun, world: MakeWorld
) -> None:
    here = world(make_run(QUESTION))
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    run = here.run
    assert run.status is RunState.COMPLETED
    assert here.score >= 7
    assert here.outcome.termination_reason.startswith("score_threshold")
    assert {gene.gene for gene in here.outcome.top_upregulated} >= {"STAT1", "IRF1", "CXCL10"}
    assert "HALLMARK_INTERFERON_GAMMA_RESPONSE" in {change.name for change in here.outcome.enriched_pathways}
    assert run.control_strategy_effective is ControlStrategy.SYNTHETIC_CONTROL
    suffixes = [file.name.removeprefix(f"{run.run_id}_") for file in here.outcome.files]
    tables = ["genes.csv", "gene_sets.csv", "ranked_genes.rnk"]
    assert suffixes == ["predictions.h5ad", *tables, "report.html", "log.json"]
    assert all(
        here.file(suffix).stat().st_size == file.size for suffix, file in zip(suffixes, here.outcome.files, strict=True)
    )


async def test_the_result_says_that_the_atlas_is_semi_synthetic_and_which_type_was_used(
    make_run: MakeRun, world: MakeWorld
) -> None:
    here = world(make_run(QUESTION))
    await run_job(here.run_id, here.ports)
    notes = " ".join(here.outcome.notes)
    assert "simulated" in notes
    assert "MDC (mononuclear phagocyte)" in notes
    log = json.loads(here.file("log.json").read_text())
    assert log["semi_synthetic"] is True
    page, note = here.file("report.html").read_text(), escape(next(n for n in here.outcome.notes if "simulated" in n))
    assert note in page.partition('class="reading"')[2].partition("</section>")[0]


async def test_everything_that_is_delivered_carries_the_same_interpretation(
    make_run: MakeRun, world: MakeWorld
) -> None:
    here = world(make_run(QUESTION, max_iterations=1, interpretation=None))
    await run_job(here.run_id, here.ports)
    read = here.run.interpretation
    assert read is not None
    assert read.answerable
    log = json.loads(here.file("log.json").read_text())
    assert Interpretation.model_validate(log["interpretation"]) == read
    uns = ad.read_h5ad(here.file("predictions.h5ad")).uns
    assert Interpretation.model_validate_json(uns["haystack"]["interpretation"]) == read
    assert [caveat.detail for caveat in read.caveats] == here.outcome.notes[: len(read.caveats)]
    assert read.cell_type is not None
    assert read.cell_type.used is not None
    cells = f"{read.cell_type.used.name}s"
    assert log["answer"].startswith(f"In {cells}, used for CD14-positive monocytes, IFN-gamma is predicted to raise")
    assert here.outcome.answer == log["answer"]
    assert f"<title>IFN-gamma in {cells} ·" in here.file("report.html").read_text()


async def test_a_question_about_a_gene_is_answered_for_it(make_run: MakeRun, world: MakeWorld) -> None:
    here = world(make_run("Does IFN-gamma reduce CXCL10 in CD14 monocytes?", max_iterations=1))
    await run_job(here.run_id, here.ports)
    (found,) = here.outcome.gene_answers
    assert (found.gene, found.direction, found.answer) == ("CXCL10", Direction.DOWN, Answer.NO)
    assert found.text.startswith("No: IFN-gamma is predicted to raise CXCL10 in mononuclear phagocytes, used for")
    assert found.text in here.file("report.html").read_text()
    assert json.loads(here.file("log.json").read_text())["gene_answers"] == [found.model_dump(mode="json")]


async def test_the_record_has_the_interpretation_before_the_first_prediction(
    make_run: MakeRun, world: MakeWorld
) -> None:
    here = world(make_run(QUESTION, max_iterations=1, interpretation=None))
    seen: dict[Phase | None, bool] = {}

    def look(run: Run) -> Run:
        seen[run.current_phase] = run.interpretation is not None
        return run

    here.store.before = look
    await run_job(here.run_id, here.ports)
    assert (seen[Phase.QUERY_ANALYSIS], seen[Phase.PROMPT_GENERATION]) == (False, True)


async def test_the_predictions_open_without_a_warning_and_hold_what_the_docs_say(
    make_run: MakeRun, world: MakeWorld
) -> None:
    here = world(make_run(QUESTION))
    await run_job(here.run_id, here.ports)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cells = ad.read_h5ad(here.file("predictions.h5ad"))
    wanted = {"cell_id", "cell_type", "perturbation", "donor", "prompt_strategy", "iteration", "grounding_score"}
    assert wanted <= set(cells.obs)
    assert {"log2_fold_change", "p_value", "adjusted_p_value", "is_de", "target_gene"} <= set(cells.var)
    assert list(cells.obs["condition"].cat.categories) == ["query", "control", "predicted"]
    counts = cells.layers["counts"]
    assert np.array_equal(counts.data, np.rint(counts.data))
    assert cells.var["is_de"].sum() == here.outcome.num_de_genes
    assert set(cells.var_names[cells.var["target_gene"]]) <= {"IFNG", "IFNGR1", "IFNGR2"}
    assert cells.uns["semi_synthetic"]


async def test_a_run_iterates_with_other_prompts_within_its_budget_of_writes(
    make_run: MakeRun, world: MakeWorld
) -> None:
    here = world(make_run("How do plasma cells respond to TRAIL?", score_threshold=10, max_iterations=4))
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    log = json.loads(here.file("log.json").read_text())
    prompts = [json.dumps(each["prompt"], sort_keys=True) for each in log["iterations"]]
    assert len(prompts) == len(set(prompts)) == len(here.run.iterations) == 4
    assert here.store.writes <= 4 + 4 * 4
    # The first prompt is delivered, whatever scores best.
    assert here.outcome.grounding_score == here.run.iterations[0].score
    assert log["best_iteration"] == 1


async def test_query_as_control_compares_with_the_query_cells(make_run: MakeRun, world: MakeWorld) -> None:
    here = world(make_run(QUESTION, control_strategy=ControlStrategy.QUERY_AS_CONTROL, max_iterations=1))
    await run_job(here.run_id, here.ports)
    assert here.outcome.control_strategy_effective is ControlStrategy.QUERY_AS_CONTROL
    assert "query as control" in here.file("report.html").read_text()


async def test_a_cancel_in_the_middle_ends_the_job_before_the_next_phase(make_run: MakeRun, world: MakeWorld) -> None:
    here = world(make_run(QUESTION))
    now = here.ports.clock()

    def cancel_at_inference(run: Run) -> Run:
        if run.current_phase is not Phase.INFERENCE:
            return run
        return run.moved(RunState.CANCELLED, now=now, actor=Actor.USER, reason="cancelled by its owner")

    here.store.before = cancel_at_inference
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    assert here.run.status is RunState.CANCELLED
    assert here.run.iterations == []
    assert not (here.results / "runs").exists()


async def test_a_cancel_between_two_uploads_shows_nothing_of_the_result(make_run: MakeRun, world: MakeWorld) -> None:
    here = world(make_run(QUESTION, max_iterations=1))

    @dataclass
    class CancelledAfterOne(FolderFiles):
        async def upload(self, folder: str, path: Path, media_type: str) -> StoredFile:
            stored = await super().upload(folder, path, media_type)
            now = here.ports.clock()
            here.store.runs[here.run_id] = here.run.moved(
                RunState.CANCELLED, now=now, actor=Actor.USER, reason="cancelled by its owner"
            )
            await asyncio.sleep(5)  # longer than the job takes to notice it
            return stored

    files = CancelledAfterOne(here.results)
    assert await run_job(here.run_id, replace(here.ports, files=files)) is Exit.DONE
    assert [path.name for path in (here.results / "runs" / here.run_id).glob("*/*")] == [
        f"{here.run_id}_predictions.h5ad"
    ]
    assert here.run.outcome is None
    with pytest.raises(RunNotCompleted):
        await views.result(here.run_id, ADA, store=here.store, files=files, clock=here.ports.clock)


async def test_a_second_copy_of_the_job_finds_the_lease_and_leaves(make_run: MakeRun, world: MakeWorld) -> None:
    run = make_run(QUESTION, status=RunState.RUNNING)
    held = run.model_copy(
        update={"heartbeat_at": run.updated_at, "compute": run.compute.model_copy(update={"lease_owner": "another"})}
    )
    here = world(held)
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    assert here.store.writes == 0
    assert here.run == held


async def test_regression_two_processes_of_an_attempt_write_no_file_of_each_other(
    answer_from: Callable[..., World],
) -> None:
    """A process that lost its lease while it uploaded replaced files of the one that completed the run."""
    here = answer_from({"CD14 Mono": ("IFN-beta",)})
    begun = here.store.runs[here.run_id]
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    first = here.run
    here.store.runs[here.run_id] = begun
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    assert first.outcome is not None
    assert here.run.outcome is not None
    names = {file.object_name for run in (first, here.run) if run.outcome for file in run.outcome.files}
    assert len(names) == 2 * len(first.outcome.files)
    assert all(name.startswith(f"runs/{here.run_id}/attempt-1-") for name in names)


async def test_a_run_that_is_over_is_left_alone(make_run: MakeRun, world: MakeWorld) -> None:
    here = world(make_run(QUESTION, status=RunState.CANCELLED))
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    assert here.store.writes == 0


@pytest.mark.parametrize(
    "query",
    [
        "What does banana do to my zebra?",
        "How would B cells respond to dasatinib?",
        "How would neurons respond to IFN-gamma?",
        "What would IFN-gamma do to them?",
    ],
)
async def test_a_question_that_cannot_be_answered_fails_with_the_reasons_and_its_interpretation(
    query: str, make_run: MakeRun, world: MakeWorld
) -> None:
    here = world(make_run(query))
    assert await run_job(here.run_id, here.ports) is Exit.NOT_UNDERSTOOD
    assert here.run.status is RunState.FAILED
    assert here.run.failure is not None
    assert here.run.error_message is not None
    assert here.run.failure.reason is FailureReason.QUERY_NOT_UNDERSTOOD
    assert here.run.interpretation is not None
    assert here.run.interpretation.reasons
    assert [reason for reason in here.run.interpretation.reasons if reason not in here.run.error_message] == []
    assert "ubmit" not in here.run.error_message + here.run.failure.advice


async def test_a_run_whose_atlas_was_removed_fails_and_says_so(
    world: Callable[[Run], World], make_run: Callable[..., Run], demo_entry: DatasetEntry
) -> None:
    here = world(make_run("How would CD14 monocytes respond to IFN-gamma?"))
    await here.ports.catalog.put(demo_entry.model_copy(update={"atlas": f"{demo_entry.name}/v20200101t000000000000"}))
    assert await run_job(here.run_id, here.ports) is Exit.ERROR
    assert here.run.status is RunState.FAILED
    assert here.run.error_message == ATLAS_GONE


async def test_an_unexpected_error_fails_the_run_without_internal_details(
    make_run: MakeRun, world: MakeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    here = world(make_run(QUESTION))
    (here.results / "runs").write_text("a file where a folder should be")
    assert await run_job(here.run_id, here.ports) is Exit.ERROR
    assert here.run.failure is not None
    assert here.run.failure.reason is FailureReason.ORCHESTRATOR_ERROR
    assert here.run.error_message == UNEXPECTED
    assert "Error" in capsys.readouterr().err


async def test_a_run_whose_language_model_has_no_client_fails_and_says_what_operators_must_do(
    make_run: MakeRun, world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    monkeypatch.setitem(sys.modules, "orchestrator.question.llm_client", None)
    here = world(make_run(QUESTION, llm_provider=LlmProvider.OPENAI))
    assert await run_job(here.run_id, here.ports) is Exit.ERROR
    assert here.run.failure is not None
    assert here.run.failure.reason is FailureReason.ORCHESTRATOR_ERROR
    assert here.run.error_message is not None
    assert "please tell its operators" in here.run.error_message
    assert "the clients of language models are not installed" in here.run.error_message


async def test_a_watch_that_breaks_unexpectedly_fails_the_run_instead_of_leaving_it(
    answer_from: Callable[..., World], capsys: pytest.CaptureFixture[str]
) -> None:
    class Unwatchable(MemoryRuns):
        async def watch(self, run_id: str) -> AsyncGenerator[Run | None]:
            yield await self.get(run_id)
            raise PermissionError("no listener")

    small = answer_from({"CD14 Mono": ("IFN-beta",)})
    store = Unwatchable(small.store.runs)
    assert await run_job(small.run_id, replace(small.ports, store=store)) is Exit.ERROR
    failed = store.runs[small.run_id]
    assert failed.failure is not None
    assert failed.failure.reason is FailureReason.ORCHESTRATOR_ERROR
    assert "PermissionError" in capsys.readouterr().err


async def test_a_short_outage_of_the_store_does_not_end_the_run(make_run: MakeRun, world: MakeWorld) -> None:
    here = world(make_run(QUESTION, max_iterations=1))
    here.store.unavailable_at = frozenset({4})
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    assert here.run.status is RunState.COMPLETED
    assert here.store.updates == here.store.writes + 1


@dataclass
class LateFiles(FolderFiles):
    """A results bucket that is unavailable for the first calls."""

    failures: int = 0

    async def upload(self, folder: str, path: Path, media_type: str) -> StoredFile:
        self.failures -= 1
        if self.failures >= 0:
            raise Unavailable("Cloud Storage")
        return await super().upload(folder, path, media_type)


async def test_regression_a_bucket_that_comes_back_gets_the_finished_work(answer_from: Callable[..., World]) -> None:
    here = answer_from({"CD14 Mono": ("IFN-beta",)})
    files = LateFiles(here.results, failures=2)
    assert await run_job(here.run_id, replace(here.ports, files=files)) is Exit.DONE
    assert here.run.status is RunState.COMPLETED


async def test_regression_a_bucket_that_stays_away_leaves_the_run_to_another_attempt(
    answer_from: Callable[..., World],
) -> None:
    """The run was failed as an error of the service."""
    here = answer_from({"CD14 Mono": ("IFN-beta",)})
    files = LateFiles(here.results, failures=1000)
    assert await run_job(here.run_id, replace(here.ports, files=files), patience=0) is Exit.UNREACHABLE
    assert here.run.status is RunState.RUNNING


async def test_a_cancel_ends_the_wait_for_the_bucket(answer_from: Callable[..., World]) -> None:
    here = answer_from({"CD14 Mono": ("IFN-beta",)})

    @dataclass
    class CancelledMeanwhile(LateFiles):
        async def upload(self, folder: str, path: Path, media_type: str) -> StoredFile:
            cancelled = here.run.moved(RunState.CANCELLED, now=here.ports.clock(), actor=Actor.USER, reason="cancelled")
            here.store.runs[here.run_id] = cancelled
            return await super().upload(folder, path, media_type)

    files = CancelledMeanwhile(here.results, failures=1000)
    assert await run_job(here.run_id, replace(here.ports, files=files)) is Exit.DONE
    assert here.run.status is RunState.CANCELLED


class Outage:
    """A service that is away for some seconds, on a clock that moves only while somebody waits."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now, self.pauses = seconds, 0.0, list[float]()

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    async def work(self) -> float:
        if self.now < self.seconds:
            raise Unavailable("Cloud Storage")
        return self.now


async def test_finished_work_outlasts_ten_minutes_without_the_bucket() -> None:
    outage = Outage(600)
    done = await outlast(outage.work, clock=lambda: outage.now, sleep=outage.sleep)
    assert done < 600 + LONGEST_PAUSE
    assert outage.pauses[:6] == [1, 2, 4, 8, 16, LONGEST_PAUSE]
    with pytest.raises(Unavailable):
        await outlast(Outage(2 * PATIENCE).work, 0)


async def test_without_memory_a_run_fails_and_says_so(answer_from: Callable[..., World]) -> None:
    @dataclass
    class Large(FolderFiles):
        def _put(self, name: str, path: Path) -> bytes:
            raise MemoryError(name, path)

    here = answer_from({"CD14 Mono": ("IFN-beta",)})
    assert await run_job(here.run_id, replace(here.ports, files=Large(here.results))) is Exit.ERROR
    assert here.run.failure is not None
    assert here.run.failure.reason is FailureReason.OUT_OF_MEMORY


async def test_without_matched_controls_the_run_falls_back_and_says_so(
    make_run: MakeRun, tmp_path: Path, ticking: Callable[[], datetime]
) -> None:
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {"cell_type": "CD14 Mono", "condition": ["PBS"] * 60 + ["IFN-gamma"] * 60, "donor": ["D1"] * 60 + ["D2"] * 60},
        index=[f"c{i}" for i in range(120)],
    )
    genes = sorted(hallmark()["HALLMARK_INTERFERON_GAMMA_RESPONSE"])[:80] + small_atlas.OTHERS
    rates = np.full((120, 380), 2.0)
    rates[60:, :80] = 4.0
    cells = ad.AnnData(sparse.csr_matrix(rng.poisson(rates)), obs=obs, var=pd.DataFrame(index=genes))
    cells.write_h5ad(tmp_path / "unmatched.h5ad")
    entry = ingest("unmatched", tmp_path / "unmatched.h5ad", tmp_path)
    run = make_run(QUESTION, max_iterations=1)
    store = MemoryRuns({run.run_id: run})
    ports = Ports(store, ListedCatalog({entry.name: entry}), FolderFiles(tmp_path), ticking, tmp_path)
    assert await run_job(run.run_id, ports) is Exit.DONE
    done = World(ports, store, tmp_path, run.run_id)
    assert done.outcome.control_strategy_effective is ControlStrategy.QUERY_AS_CONTROL
    assert done.run.control_strategy is ControlStrategy.SYNTHETIC_CONTROL
    assert any("matched control cells" in note for note in done.outcome.notes)
    # Regression: the difference between two donors counted as a response, and more than 70 genes were called.
    assert done.outcome.num_de_genes == 0
    assert any("come from different donors" in note for note in done.outcome.notes)
    assert done.outcome.evidence is not None
    assert done.outcome.evidence.confidence is Confidence.NONE
    assert done.outcome.evidence.grounding.score is None
    assert done.outcome.grounding_score is None
    assert set(ad.read_h5ad(done.file("predictions.h5ad")).obs["condition"]) == {"query", "predicted"}


async def test_regression_a_prediction_that_cannot_be_judged_was_delivered_with_a_score_of_1(
    answer_from: Callable[..., World],
) -> None:
    """Regression: only `evidence.grounding.score` was null; everywhere else, too few cells looked like no agreement."""
    here = answer_from({"CD14 Mono": ("IFN-beta",)}, perturbed_cells=12, score_threshold=1)
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    why = "cannot be judged: 24 perturbed prompt cells, at least 30 are needed."
    outcome = here.outcome
    assert outcome.grounding_score is None
    assert outcome.success is False
    assert outcome.answer.endswith(f"This prediction {why}")
    assert f"The grounding score {why}" in outcome.notes
    assert outcome.evidence is not None
    assert outcome.evidence.confidence in {Confidence.LOW, Confidence.NONE}
    assert not outcome.termination_reason.startswith("score_threshold")
    assert views.run_status(here.run).grounding_scores[0] is None
    log = json.loads(here.file("log.json").read_text())
    assert log["grounding_score"] is log["iterations"][0]["score"] is log["evidence"]["grounding"]["score"] is None
    cells = ad.read_h5ad(here.file("predictions.h5ad"))
    assert cells.obs["grounding_score"].isna().all()
    assert np.isnan(cells.uns["iterations"]["score"].iloc[0])
    assert f"The score {why}" in here.file("report.html").read_text()
    assert Run.from_stored_json(here.run.model_dump_json()) == here.run


async def test_a_heartbeat_that_finds_the_run_over_stops_the_next_phase(
    make_run: MakeRun, ticking: Callable[[], datetime]
) -> None:
    pending = make_run(QUESTION)
    run = pending.model_copy(
        update={
            "status": RunState.RUNNING,
            "compute": pending.compute.model_copy(update={"lease_owner": "this process"}),
        }
    )
    store = MemoryRuns({run.run_id: run}, unavailable_at=frozenset({2}))
    beaten = asyncio.Event()

    def count(stored: Run) -> Run:
        if store.writes >= 2:
            beaten.set()
        return stored

    store.before = count
    progress = Progress(run.run_id, lease(run.run_id, owner="this process", store=store, clock=ticking), store)
    beating = asyncio.create_task(progress.heartbeats(0.01))
    await asyncio.wait_for(beaten.wait(), 30)
    assert store.runs[run.run_id].heartbeat_at is not None
    store.runs[run.run_id] = run.moved(RunState.CANCELLED, now=ticking(), actor=Actor.USER, reason="cancelled")
    await asyncio.wait_for(beating, 30)
    with pytest.raises(Stopped):
        await progress.phase(Phase.INFERENCE, 1)


class CountingProgress(Progress):
    """Progress that remembers how many of its steps each phase did."""

    def __init__(self, run_id: str, process: RunLease, store: MemoryRuns) -> None:
        super().__init__(run_id, process, store)
        self.counts: dict[Phase, list[int]] = {}  # the steps that were done, and all

    async def phase(self, phase: Phase, iteration: int, **more: Any) -> None:  # noqa: ANN401  # passed on
        self.now = phase
        await super().phase(phase, iteration, **more)

    def steps(self, total: int) -> Callable[[], None]:
        on_step, found = super().steps(total), self.counts.setdefault(self.now, [0, total])

        def counted() -> None:
            found[0] += 1
            on_step()

        return counted


async def test_the_long_phases_count_all_their_steps(answer_from: Callable[..., World], tmp_path: Path) -> None:
    here = answer_from({"CD14 Mono": (), "cDC": ("IFN-beta",), "B cells": ("IFN-beta",)}, max_iterations=1)
    process = lease(here.run_id, store=here.store, clock=here.ports.clock)
    run = await process.begin()
    progress = CountingProgress(here.run_id, process, here.store)
    question = await understand(run, CatalogView(datasets(), await here.ports.catalog.load()), {})
    workdir = tmp_path / "work"
    workdir.mkdir()
    workflow = Workflow(here.ports.atlas_root, DeltaTransfer(), here.ports.files, workdir, JobConfig())
    await workflow.do(run, question, progress)
    assert progress.counts.keys() == {Phase.PROMPT_GENERATION, Phase.EVALUATION, Phase.OUTPUT_GENERATION}
    for phase, (done, total) in progress.counts.items():
        assert (phase, done) == (phase, total)


@pytest.mark.parametrize(
    ("scores", "another", "reason"),
    [
        ([], True, None),
        ([7], True, "score_threshold"),
        ([3, 8], False, "no_new_prompt"),
        ([3], True, None),
        ([3], False, "no_new_prompt"),
        ([3, 8, 2], True, None),
        ([3, 8, 2, 1], True, "plateau"),
        ([1, 2, 3, 4, 5], True, "max_iterations"),
        ([None, 8], True, None),
        ([None], False, "no_new_prompt"),
    ],
)
def test_a_run_stops_for_the_first_reason_there_is(scores: list[int | None], another: bool, reason: str | None) -> None:
    succeeds = bool(scores) and (scores[0] or 0) >= 7
    found = reason_to_stop(scores, succeeds=succeeds, threshold=7, max_iterations=5, plateau=3, another=another)
    assert (found and found.split(":")[0]) == reason


def test_a_score_that_may_be_an_accident_of_the_labels_does_not_end_the_search() -> None:
    found = reason_to_stop([8, 9], succeeds=False, threshold=7, max_iterations=5, plateau=3, another=True)
    assert found is None
    found = reason_to_stop([8, 9], succeeds=False, threshold=7, max_iterations=2, plateau=3, another=True)
    assert found is not None
    assert found.startswith(
        "max_iterations: the threshold of 7 was reached, but without enough evidence (p of at least 0.05, or"
    )


def test_a_score_that_cannot_be_judged_neither_reaches_a_threshold_nor_misses_it() -> None:
    found = reason_to_stop([None, 9], succeeds=False, threshold=1, max_iterations=2, plateau=3, another=True)
    assert found == "max_iterations: the score could not be judged in 2 iterations"


@pytest.mark.parametrize(("most", "said"), [(1, "in 1 iteration"), (5, "in 5 iterations")])
def test_the_number_of_iterations_is_said_in_words(most: int, said: str) -> None:
    found = reason_to_stop([1] * most, succeeds=False, threshold=7, max_iterations=most, plateau=9, another=True)
    assert found == f"max_iterations: the threshold of 7 was not reached {said}"
