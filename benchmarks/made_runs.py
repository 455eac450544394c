"""Runs for filling a database: what a real one holds, in its size, with made-up numbers."""

import random
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.fields import ControlStrategy
from shared.runs.records import Compute, Run, RunOutcome, StoredFile, Transition
from shared.runs.schemas import GeneChange, PathwayChange, ScorePart
from shared.runs.states import Actor, ComputeState, RunState

FIRST: Final = datetime(2025, 1, 1, tzinfo=UTC)
APART: Final = timedelta(seconds=90)
QUESTION: Final = "How would CD14 monocytes respond to IFN-gamma in donors who were never treated?"
LIVES: Final = (RunState.PENDING, RunState.RUNNING, RunState.COMPLETED)


def waiting() -> Run:
    """A run that was just submitted: about 1 kB."""
    return Run(
        run_id="run_0123456789ab",
        user_email="ada@example.com",
        query=QUESTION,
        control_strategy=ControlStrategy.SYNTHETIC_CONTROL,
        max_iterations=5,
        score_threshold=7,
        compute=Compute(job_id="haystack-0123456789ab-1"),
        transitions=[_transition(None, RunState.PENDING)],
        request_fingerprint=64 * "f",
        created_at=FIRST,
        updated_at=FIRST,
        check_at=None,
    )


def completed() -> Run:
    """A run that is done, with its lists of genes and pathways as long as the job makes them: about 9 kB."""
    parts = ("pathway_coherence", "target_activation", "network_coherence")
    reason = "21 of 21 measured responders of the expected pathway rise; random sets of as many genes: 3 of 21."
    iterations = [
        {
            "number": number,
            "strategy": "direct",
            "score": 6 + number,
            "components": [ScorePart(name=name, score=6 + number, reason=reason) for name in parts],
            "duration_seconds": 1.25,
        }
        for number in (1, 2)
    ]
    genes = [GeneChange(gene=f"GENE{i}", log2_fold_change=2.9611, adjusted_p_value=1.366414e-44) for i in range(25)]
    names = ("predictions.h5ad", "report.html", "log.json")
    outcome = RunOutcome(
        grounding_score=8,
        termination_reason="score_threshold: 8 reaches the threshold of 7",
        control_strategy_effective=ControlStrategy.SYNTHETIC_CONTROL,
        num_de_genes=245,
        top_upregulated=genes,
        top_downregulated=genes,
        enriched_pathways=[
            PathwayChange(name=f"HALLMARK_INFLAMMATORY_RESPONSE_{i}", score=18.787, adjusted_p_value=1.2e-13)
            for i in range(20)
        ],
        notes=[
            f"No cells of the asked type were measured; cells of the nearest type stand in for them ({i})."
            for i in "ab"
        ],
        files=[
            StoredFile(
                name=name, object_name=f"runs/x/{name}", media_type="text/html", size=1_000_000, crc32c="AAAAAA=="
            )
            for name in names
        ],
    )
    return Run.model_validate(
        {
            **waiting().model_dump(),
            "control_strategy_effective": ControlStrategy.SYNTHETIC_CONTROL,
            "status": RunState.COMPLETED,
            "current_iteration": 2,
            "iterations": iterations,
            "compute": Compute(job_id="haystack-0123456789ab-1", state=ComputeState.RELEASED),
            "outcome": outcome,
            "transitions": [_transition(*each) for each in zip((None, *LIVES), LIVES, strict=False)],
            "heartbeat_at": FIRST,
        }
    )


def belonging(run: Run, owner: str, number: int, chance: random.Random) -> Run:
    """The run, as the one of this number in the order of their making, with another owner and an id of its own."""
    made = {"run_id": f"run_{chance.getrandbits(48):012x}", "user_email": owner, "created_at": FIRST + number * APART}
    return run.model_copy(update=made)


def _transition(before: RunState | None, after: RunState) -> Transition:
    return Transition(at=FIRST, from_status=before, to_status=after, actor=Actor.JOB, reason="the job went on")
