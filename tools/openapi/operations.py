"""User-facing operations, with the models and errors of the code; `operations.yaml` has their text and examples."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from shared.catalog.schemas import (
    CellTypeInfo,
    ControlStrategyValidation,
    ControlStrategyValidationRequest,
    DatasetInfo,
    EntriesQuery,
    MetadataQuery,
    PerturbationInfo,
)
from shared.errors import HaystackError, Unavailable
from shared.fields import Model
from shared.runs.schemas import (
    CancelAnswer,
    CreateRunRequest,
    DeleteAnswer,
    ListQuery,
    RunList,
    RunPreview,
    RunResult,
    RunStatus,
    StatusQuery,
)
from tools.openapi import problems

RUNS: Final = "/api/v1/runs"
RUN: Final = f"{RUNS}/{{run_id}}"
METADATA: Final = "/api/v1/metadata"
HEALTH: Final = "/api/v1/health"


class Health(BaseModel):
    """The service is alive."""

    status: Literal["healthy"]


class Readiness(BaseModel):
    """The service can process requests."""

    status: Literal["ready"]
    database: Literal["connected"]


@dataclass(frozen=True)
class Operation:
    """One operation of the document.

    Attributes:
        name: operation id.
        path: template of the path; one route may serve several operations.
        model: type of the 200 response.
        errors: an example of each error that not every operation has.
        body: model of the request body.
        query: model of the query parameters.
    """

    name: str
    method: Literal["GET", "POST", "DELETE"]
    path: str
    model: Any
    errors: tuple[HaystackError, ...] = ()
    body: type[Model] | None = None
    query: type[Model] | None = None


CATALOG: Final = (*problems.DATASET, *problems.NAME)
ENTRIES: Final = (*CATALOG, *problems.ALL)
OPERATIONS: Final = (
    Operation(
        "createRun",
        "POST",
        RUNS,
        Annotated[RunStatus | RunPreview, Field(discriminator="kind")],
        (*problems.BODY, *problems.SUBMIT),
        body=CreateRunRequest,
    ),
    Operation("listRuns", "GET", RUNS, RunList, problems.LIST, query=ListQuery),
    Operation(
        "validateControlStrategy",
        "POST",
        f"{RUNS}/validate-control-strategy",
        ControlStrategyValidation,
        problems.BODY,
        body=ControlStrategyValidationRequest,
    ),
    Operation("getRun", "GET", RUN, RunStatus, (*problems.RUN, *problems.WAIT), query=StatusQuery),
    Operation("getRunResult", "GET", f"{RUN}/result", RunResult, (*problems.RUN, *problems.NO_RESULT)),
    Operation(
        "cancelRun", "POST", f"{RUN}/cancel", CancelAnswer, (*problems.FOREIGN, *problems.RUN, *problems.FINISHED)
    ),
    Operation("deleteRun", "DELETE", RUN, DeleteAnswer, (*problems.FOREIGN, *problems.RUN, *problems.NOT_FINISHED)),
    Operation(
        "listPerturbations", "GET", f"{METADATA}/perturbations", list[PerturbationInfo], ENTRIES, query=EntriesQuery
    ),
    Operation("listCellTypes", "GET", f"{METADATA}/cell-types", list[CellTypeInfo], ENTRIES, query=EntriesQuery),
    Operation("listDatasets", "GET", f"{METADATA}/datasets", list[str], CATALOG, query=MetadataQuery),
    Operation("getDataset", "GET", f"{METADATA}/datasets/{{dataset}}", DatasetInfo, problems.DATASET),
    Operation("getHealth", "GET", HEALTH, Health),
    Operation("getReadiness", "GET", f"{HEALTH}/ready", Readiness, (Unavailable("Firestore"),)),
)
