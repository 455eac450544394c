"""Made-up runs and a catalog entry of realistic size, to fill a database."""

import random
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Final

from shared.catalog.entries import DatasetEntry, GroupCount
from shared.catalog.view import CatalogView
from shared.fields import ControlStrategy
from shared.resolver import labels
from shared.resolver.interpretation import read
from shared.runs.records import Compute, Run, Transition
from shared.runs.states import Actor, ComputeState, RunState

FIRST: Final = datetime(2025, 1, 1, tzinfo=UTC)
APART: Final = timedelta(seconds=90)
QUESTION: Final = "How would CD14 monocytes respond to IFN-gamma in donors who were never treated?"


def pending() -> Run:
    """Return a run that was just submitted: about 2 kB."""
    return Run(
        run_id="run_0123456789ab",
        owner="ada@example.com",
        query=QUESTION,
        interpretation=read(QUESTION, CatalogView((), [dataset()])).interpretation,
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
    """Return a completed run with as many genes and pathways as the job reports: about 10 kB."""
    reason = "21 of 21 measured responders of the expected pathway rise; random sets of as many genes: 3 of 21."
    names = ("pathway_coherence", "target_activation", "network_coherence")
    parts = [{"name": name, "score": 8, "reason": reason} for name in names]
    iteration = {"strategy": "direct", "score": 8, "components": parts, "duration_seconds": 1.25}
    change = {"log2_fold_change": 2.9611, "adjusted_p_value": 1.366414e-44}
    genes = [{"gene": f"GENE{number}", **change} for number in range(25)]
    pathway = {"score": 18.787, "adjusted_p_value": 1.2e-13}
    file = {"media_type": "text/html", "size": 10**6, "crc32c": "AAAAAA=="}
    outcome = {
        "grounding_score": 8,
        "termination_reason": "score_threshold: 8 reaches the threshold of 7",
        "control_strategy_effective": ControlStrategy.SYNTHETIC_CONTROL,
        "num_de_genes": 245,
        "top_upregulated": genes,
        "top_downregulated": genes,
        "enriched_pathways": [{"name": f"HALLMARK_INFLAMMATORY_RESPONSE_{i}", **pathway} for i in range(20)],
        "notes": 2 * ["No cells of this type were measured; cells of the nearest type replace them."],
        "files": [
            {"name": name, "object_name": f"runs/x/{name}", **file}
            for name in (
                *("predictions.h5ad", "genes.csv", "gene_sets.csv", "ranked_genes.rnk"),
                *("report.html", "log.json"),
            )
        ],
    }
    changes = {
        "control_strategy_effective": ControlStrategy.SYNTHETIC_CONTROL,
        "status": RunState.COMPLETED,
        "current_iteration": 2,
        "iterations": [{"number": number, **iteration} for number in (1, 2)],
        "compute": {"job_id": "haystack-0123456789ab-1", "state": ComputeState.RELEASED},
        "outcome": outcome,
        "transitions": [
            _transition(None, RunState.PENDING),
            _transition(RunState.PENDING, RunState.RUNNING),
            _transition(RunState.RUNNING, RunState.COMPLETED),
        ],
        "heartbeat_at": FIRST,
    }
    return Run.model_validate(pending().model_dump() | changes)


def owned(run: Run, owner: str, number: int, rng: random.Random) -> Run:
    """Return a copy of a run with this owner, a random id, and a creation time that increases with `number`."""
    changes = {"run_id": f"run_{rng.getrandbits(48):012x}", "owner": owner, "created_at": FIRST + number * APART}
    return run.model_copy(update=changes)


def dataset() -> DatasetEntry:
    """Return the entry of an ingested dataset: 12 cell types, 3 conditions, 3 donors."""
    cell_types = ["MDC", "CD8_T", "CD4_T", "Treg", "B_memory", "NK", "plasma", "B_naive", "DC", "gdT", "pDC", "mast"]
    conditions = ("PBS", "IFN-gamma", "IL-4")
    groups = [
        GroupCount(cell_type=cell_type, condition=condition, cells=30, donors=[10, 10, 10])
        for cell_type, condition in product(cell_types, conditions)
    ]
    return DatasetEntry(
        name="small_pbmc",
        title="Small PBMC",
        description="Made up, for benchmarks.",
        licence="MIT",
        source="made up",
        ingested=True,
        semi_synthetic=True,
        atlas="small_pbmc",
        n_cells=sum(group.cells for group in groups),
        n_genes=10,
        donors=["donor_1", "donor_2", "donor_3"],
        cell_types=[labels.cell_type_entry(label) for label in cell_types],
        conditions=[labels.condition_entry(label) for label in conditions],
        groups=groups,
    )


def _transition(before: RunState | None, after: RunState) -> Transition:
    return Transition(at=FIRST, from_status=before, to_status=after, actor=Actor.JOB, reason="the job progressed")
