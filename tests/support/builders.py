"""Build runs and outcomes for tests, and read back what a store holds."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from shared.auth.identity import Caller
from shared.catalog.interpretation import (
    Caveat,
    CaveatCode,
    Direction,
    Evidence,
    Interpretation,
    InterpretedCellType,
    InterpretedPerturbation,
    ReadQuestion,
    Relation,
    UsedCells,
)
from shared.fields import Answer, Clock, ControlStrategy
from shared.runs import states
from shared.runs.deliveries import Channel
from shared.runs.evidence import Confidence, GroundingEvidence, RunEvidence
from shared.runs.lifecycle import RunLease
from shared.runs.notifier import Notifier
from shared.runs.ports import BatchJobs, RunFilter, RunStore, Sender
from shared.runs.reconciler import Reconciler
from shared.runs.records import (
    Compute,
    GeneAnswer,
    GeneChange,
    Iteration,
    PathwayChange,
    Run,
    RunOutcome,
    ScorePart,
    StoredFile,
    Transition,
)
from shared.runs.states import Actor, RunState
from shared.runs.submission import RunSubmission
from shared.runs.sweeper import Sweeper

ADA = Caller("accounts.google.com:1001", "ada@example.com")
EVE = Caller("accounts.google.com:1002", "eve@example.com")
# In development, the e-mail address is also the subject.
DEVELOPER = Caller("dev@example.com", "dev@example.com")
SERVICE = "https://haystack.example.org"
START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
NO_RUN = "run_000000000000"


def interpretation(*caveats: Caveat) -> Interpretation:
    """Build the interpretation of a question about monocytes and IFN-gamma, by default an answerable one without caveats."""
    answerable = not any(caveat.blocking for caveat in caveats)
    used = UsedCells(
        label="MDC",
        name="mononuclear phagocyte",
        cell_ontology_id="CL:0000113",
        relation=Relation.SUPERTYPE,
        distance=2,
        cells=30,
    )
    return Interpretation(
        answerable=answerable,
        dataset="small_pbmc" if answerable else None,
        cell_type=InterpretedCellType(
            name="CD14-positive monocyte",
            cell_ontology_id="CL:0001054",
            matched_text="CD14 monocytes",
            match="synonym",
            used=used if answerable else None,
        ),
        perturbation=InterpretedPerturbation(
            name="IFN-gamma",
            kind="cytokine",
            matched_text="IFN-gamma",
            match="exact",
            evidence=Evidence.MEASURED_IN_CELL_TYPE if answerable else None,
            used="IFN-gamma" if answerable else None,
        ),
        caveats=list(caveats),
    )


def caveat(code: CaveatCode, text: str = "", detail: str = "This narrows the answer.") -> Caveat:
    """Build a caveat."""
    return Caveat(code=code, text=text, detail=detail, blocking=code.blocking)


# What create knows of a question that can be answered.
ANSWERABLE = ReadQuestion(interpretation())
# And of one that cannot be answered.
UNANSWERABLE = ReadQuestion(
    interpretation(
        caveat(CaveatCode.TIME), caveat(CaveatCode.KNOCKOUT, "IFNGR1-/-", "A run cannot predict a knockout.")
    ),
    ["How would CD14 monocytes respond to IFN-gamma?"],
)


async def runs_of(store: RunStore, caller: Caller, *, limit: int = 100) -> list[Run]:
    """Return the newest runs of this caller, whole; the service itself never reads that."""
    listed = await store.page(RunFilter(caller.owners), limit=limit)
    return [run for each in listed if (run := await store.get(each.run_id)) is not None]


def outcome(run_id: str) -> RunOutcome:
    """Build the outcome of a finished run."""
    files = [
        StoredFile(
            name=f"{run_id}{end}",
            object_name=f"runs/{run_id}/{run_id}{end}",
            media_type=kind,
            size=3,
            crc32c="AAAAAA==",
        )
        for end, kind in (
            ("_predictions.h5ad", "application/x-hdf5"),
            ("_genes.csv", "text/csv"),
            ("_gene_sets.csv", "text/csv"),
            ("_ranked_genes.rnk", "text/tab-separated-values"),
            ("_report.html", "text/html"),
            ("_log.json", "application/json"),
        )
    ]
    return RunOutcome(
        grounding_score=8,
        termination_reason="threshold reached",
        control_strategy_effective=ControlStrategy.SYNTHETIC_CONTROL,
        num_de_genes=12,
        top_upregulated=[],
        top_downregulated=[],
        enriched_pathways=[],
        notes=[],
        files=files,
    )


def make_run(run_id: str = "", *, owner: Caller = ADA, minutes: float = 0, **fields: object) -> Run:
    """Build a pending run, accepted `minutes` after `START`, with a new id unless one is given."""
    run_id = run_id or states.new_run_id()
    at = START + timedelta(minutes=minutes)
    accepted = Transition(at=at, from_status=None, to_status=RunState.PENDING, actor=Actor.USER, reason="accepted")
    run = Run(
        run_id=run_id,
        owner=owner.subject,
        owner_email=owner.email,
        query="How would CD14 monocytes respond to IFN-γ?",
        interpretation=interpretation(),
        control_strategy=ControlStrategy.SYNTHETIC_CONTROL,
        max_iterations=5,
        score_threshold=7,
        compute=Compute(job_id=states.job_id(run_id, 1)),
        transitions=[accepted],
        request_fingerprint="f" * 64,
        created_at=at,
        updated_at=at,
        check_at=at + states.PENDING_LIMIT,
    )
    return run.model_copy(update=fields)


def by_email(run: Run) -> Run:
    """Return the run as it would have been stored before owners were subjects."""
    return run.model_copy(update={"owner": run.user_email, "owner_email": None})


def evidence() -> RunEvidence:
    """Build the evidence of an answer with low confidence."""
    return RunEvidence(
        expected_accuracy=None,
        expected_accuracy_note="Nothing can be left out.",
        grounding=GroundingEvidence(score=6, p_value=0.01, permutations=199),
        confidence=Confidence.LOW,
        confidence_reason="One donor.",
        donors=1,
        cell_types=1,
        cells=100,
    )


def completed_run() -> Run:
    """Build a completed run with lists of genes and pathways as long as those of the job."""
    run = make_run()
    part = ScorePart(name="pathway_coherence", score=7, reason="The expected gene sets are upregulated.")
    iterations = [
        Iteration(number=number, strategy="direct", score=6 + number, components=[part], duration_seconds=1.25)
        for number in (1, 2)
    ]
    genes = [GeneChange(gene=f"GENE{i}", log2_fold_change=2.9611, adjusted_p_value=1.366414e-44) for i in range(25)]
    pathways = [PathwayChange(name=f"SET_{i}", score=18.787, adjusted_p_value=1.2e-13) for i in range(20)]
    answer = GeneAnswer(
        gene="CXCL10",
        direction=Direction.UP,
        answer=Answer.YES,
        log2_fold_change=2.9611,
        adjusted_p_value=1.366414e-44,
        text="Yes: CXCL10 rises.",
    )
    found = outcome(run.run_id).model_copy(
        update={
            "answer": f"{answer.text} Overall, IFN-gamma is predicted to raise 7 genes.",
            "gene_answers": [answer],
            "top_upregulated": genes,
            "top_downregulated": genes,
            "enriched_pathways": pathways,
        }
    )
    done = {"outcome": found, "iterations": iterations, "current_iteration": 2, "status": RunState.COMPLETED}
    return run.model_copy(update=done)


def lease(run_id: str, *, attempt: int = 1, owner: str = "process", store: RunStore, clock: Clock) -> RunLease:
    """Build the lease of one process of the job."""
    return RunLease(run_id, attempt=attempt, owner=owner, store=store, clock=clock)


def make_reconciler(
    store: RunStore, jobs: BatchJobs, clock: Clock, *, queue_limit: timedelta | None = states.QUEUE_LIMIT
) -> Reconciler:
    """Build a reconciler that submits with default limits."""
    return Reconciler(store, jobs, RunSubmission(store, jobs, clock), clock, queue_limit=queue_limit)


def make_sweeper(
    store: RunStore,
    jobs: BatchJobs,
    clock: Clock,
    *,
    queue_limit: timedelta | None = states.QUEUE_LIMIT,
    max_pages: int = 20,
    max_seconds: float = 45,
    max_announcements: int = 50,
    senders: Mapping[Channel, Sender] | None = None,
    send_seconds: float = 30,
) -> Sweeper:
    """Build a sweeper that sends no notifications unless it is given what sends them."""
    return Sweeper(
        store,
        make_reconciler(store, jobs, clock, queue_limit=queue_limit),
        Notifier(store, (senders or {}).get, clock, SERVICE, send_seconds=send_seconds),
        clock,
        max_pages=max_pages,
        max_seconds=max_seconds,
        max_announcements=max_announcements,
    )
