"""Build runs and outcomes for tests, and read back what a store holds."""

from shared.auth.identity import Caller
from shared.fields import ControlStrategy
from shared.runs.ports import RunFilter, RunStore
from shared.runs.records import Run, RunOutcome, StoredFile

ADA, EVE = Caller("ada@example.com"), Caller("eve@example.com")
NO_RUN = "run_000000000000"


async def runs_of(store: RunStore, owner: str, *, limit: int = 100) -> list[Run]:
    """Return the newest runs of this owner, whole; the service itself never reads that."""
    listed = await store.page(RunFilter(owner), limit=limit)
    return [run for each in listed if (run := await store.get(each.run_id)) is not None]


def outcome(run_id: str) -> RunOutcome:
    """A finished run's outcome."""
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
