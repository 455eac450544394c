"""What requests and answers look like: instances of the models, so that an example cannot be wrong without a failure."""

from datetime import UTC, datetime, timedelta
from typing import Final

from shared.catalog.schemas import (
    CellTypeInfo,
    ControlStrategyValidation,
    ControlStrategyValidationRequest,
    DatasetInfo,
    MatchedTerm,
    PerturbationInfo,
)
from shared.fields import ControlStrategy
from shared.runs.schemas import (
    CancelAnswer,
    CreateRunRequest,
    GeneChange,
    IterationSummary,
    PathwayChange,
    ResultFile,
    RunList,
    RunPreview,
    RunResult,
    RunStatus,
    ScorePart,
)
from shared.runs.states import Phase, RunState

RUN_ID: Final = "run_6534123de7ca"
QUESTION: Final = "How would CD14 monocytes respond to IFN-gamma?"
STARTED: Final = datetime(2026, 11, 22, 20, 34, 20, 251552, tzinfo=UTC)
SYNTHETIC: Final = ControlStrategy.SYNTHETIC_CONTROL

ASK: Final = CreateRunRequest(query=QUESTION)
ASK_WITH_ALL: Final = CreateRunRequest(
    query="What does TNF do to CD8 T cells?",
    control_strategy=ControlStrategy.QUERY_AS_CONTROL,
    max_iterations=3,
    score_threshold=8,
    random_seed=7,
)
ASK_ONLY_CHECK: Final = CreateRunRequest(query=QUESTION, validate_only=True)
CHECK: Final = ControlStrategyValidationRequest(query=QUESTION)

PENDING: Final = RunStatus(
    run_id=RUN_ID,
    status=RunState.PENDING,
    done=False,
    query=QUESTION,
    current_iteration=0,
    max_iterations=5,
    current_phase=None,
    grounding_scores=[],
    control_strategy=SYNTHETIC,
    control_strategy_effective=None,
    error_message=None,
    failure=None,
    attempt=1,
    user_email="ada@example.com",
    created_at=STARTED,
    updated_at=STARTED,
)
RUNNING: Final = PENDING.model_copy(
    update={
        "status": RunState.RUNNING,
        "current_iteration": 2,
        "current_phase": Phase.INFERENCE,
        "grounding_scores": [5],
        "control_strategy_effective": SYNTHETIC,
        "updated_at": STARTED + timedelta(seconds=95),
    }
)
COMPLETED: Final = RUNNING.model_copy(
    update={
        "status": RunState.COMPLETED,
        "done": True,
        "current_phase": None,
        "grounding_scores": [5, 9],
        "updated_at": STARTED + timedelta(seconds=240),
    }
)
RUNS: Final = RunList(runs=[COMPLETED], total=21, page=1, page_size=1, next_page_token="vJ0pT0oYkC5l3c1f")  # noqa: S106  # no secret
CANCELLED: Final = CancelAnswer(status=RunState.CANCELLED, run_id=RUN_ID)

MONOCYTE: Final = MatchedTerm(
    name="CD14-positive monocyte", matched_text="CD14 monocytes", match="synonym", cell_ontology_id="CL:0001054"
)
IFN_GAMMA: Final = MatchedTerm(name="IFN-gamma", matched_text="IFN-gamma", match="exact", kind="cytokine")
VALIDATION: Final = ControlStrategyValidation(
    synthetic_control_available=True,
    control_cells_found=612,
    control_donors=["donor_1", "donor_2", "donor_3"],
    control_conditions=["PBS"],
    recommendation=SYNTHETIC,
    warning=None,
    cell_type=MONOCYTE,
    perturbation=IFN_GAMMA,
    datasets=["demo_immune_semisynthetic"],
)
PREVIEW: Final = RunPreview(would_run=True, reason=None, request=ASK_ONLY_CHECK, validation=VALIDATION)

_FOLDER: Final = f"https://storage.googleapis.com/haystack-results/runs/{RUN_ID}/"


def _file(end: str, media_type: str, size: int, crc32c: str) -> ResultFile:
    name = f"{RUN_ID}_{end}"
    url = f"{_FOLDER}{name}?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Expires=3600&X-Goog-Signature=5f1c"
    expires_at = STARTED + timedelta(hours=2)
    return ResultFile(name=name, media_type=media_type, size=size, crc32c=crc32c, expires_at=expires_at, url=url)


FILES: Final = [
    _file("predictions.h5ad", "application/x-hdf5", 4_815_162, "yZRlqg=="),
    _file("report.html", "text/html", 342_108, "x+3jLA=="),
    _file("log.json", "application/json", 18_204, "f6hGEQ=="),
]
RESULT: Final = RunResult(
    run_id=RUN_ID,
    success=True,
    grounding_score=9,
    termination_reason="score_threshold: 9 reaches the threshold of 7",
    control_strategy_effective=SYNTHETIC,
    iterations=[
        IterationSummary(
            number=1,
            strategy="direct",
            score=9,
            components=[
                ScorePart(name="pathway_coherence", score=9, reason="Interferon gamma response rises most."),
                ScorePart(name="network_coherence", score=None, reason="No network is at hand."),
            ],
            duration_seconds=41.7,
        )
    ],
    num_de_genes=214,
    top_upregulated=[GeneChange(gene="GBP1", log2_fold_change=4.2, adjusted_p_value=1.3e-41)],
    top_downregulated=[GeneChange(gene="CXCR2", log2_fold_change=-1.1, adjusted_p_value=2.8e-6)],
    enriched_pathways=[PathwayChange(name="interferon gamma response", score=41.9, adjusted_p_value=3.1e-30)],
    notes=["The atlas demo_immune_semisynthetic is SEMI-SYNTHETIC: its perturbed cells are simulated."],
    anndata_url=FILES[0].url,
    report_url=FILES[1].url,
    log_url=FILES[2].url,
    files=FILES,
)

PERTURBATION: Final = PerturbationInfo(
    name="IFN-gamma",
    type="cytokine",
    synonyms=["IFNG", "interferon gamma"],
    targets=[],
    receptors=["IFNGR1", "IFNGR2"],
    family="type II interferon",
    datasets=["demo_immune_semisynthetic", "parse_pbmc"],
    cell_count=2410,
    control_count=2433,
)
CELL_TYPE: Final = CellTypeInfo(
    name="CD14-positive monocyte",
    cell_ontology_id="CL:0001054",
    lineage="myeloid",
    synonyms=["CD14 monocyte", "classical monocyte"],
    datasets=["demo_immune_semisynthetic", "parse_pbmc"],
    cell_count=1240,
)
DATASET: Final = DatasetInfo(
    name="parse_pbmc",
    title="10 Million Human PBMCs in a Single Experiment",
    description="Immune cells of twelve donors in ninety cytokines.",
    licence="CC BY-NC 4.0",
    source="Parse Biosciences",
    ingested=False,
    semi_synthetic=False,
    cells=9_697_974,
    genes=40_352,
    donors=[f"Donor{number}" for number in range(1, 13)],
    control_conditions=["PBS"],
    perturbations=90,
    cell_types=18,
)
DATASET_NAMES: Final = ["demo_immune_semisynthetic", "openproblems", "parse_pbmc", "tabula_sapiens"]
