"""Operations of each user-facing route, with the models and errors of the code; `operations.yaml` has their text and examples."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from pydantic import BaseModel

from shared.catalog.schemas import (
    CellTypeInfo,
    ControlStrategyValidation,
    ControlStrategyValidationRequest,
    DatasetInfo,
    MetadataQuery,
    PerturbationInfo,
)
from shared.errors import HaystackError, Unavailable
from shared.fields import Model
from shared.runs.schemas import (
    CancelAnswer,
    CreateRunRequest,
    ListQuery,
    RunList,
    RunPreview,
    RunResult,
    RunStatus,
    StatusQuery,
)
from tools.openapi import problems
from tools.openapi.problems import ANY

RUNS: Final = "/api/v1/runs"
RUN: Final = f"{RUNS}/{{run_id}}"
METADATA: Final = "/api/v1/metadata"
CATALOG: Final = (*ANY, *problems.DATASET, *problems.NAME)


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
        model: type of the 200 response.
        errors: an example of each error that can occur.
        body: model of the request body.
        query: model of the query parameters.
        path: replaces the template of the route if the route has several operations.
    """

    name: str
    model: Any
    errors: tuple[HaystackError, ...]
    body: type[Model] | None = None
    query: type[Model] | None = None
    path: str | None = None


_OPERATIONS: Final[dict[tuple[str, str], Operation | tuple[Operation, ...]]] = {
    ("POST", RUNS): Operation(
        "createRun", RunStatus | RunPreview, (*ANY, *problems.BODY, *problems.SUBMIT), body=CreateRunRequest
    ),
    ("GET", RUNS): Operation("listRuns", RunList, (*ANY, *problems.LIST), query=ListQuery),
    ("POST", f"{RUNS}/validate-control-strategy"): Operation(
        "validateControlStrategy",
        ControlStrategyValidation,
        (*ANY, *problems.BODY),
        body=ControlStrategyValidationRequest,
    ),
    ("GET", RUN): Operation("getRun", RunStatus, (*ANY, *problems.RUN, *problems.WAIT), query=StatusQuery),
    ("GET", f"{RUN}/result"): Operation("getRunResult", RunResult, (*ANY, *problems.RUN, *problems.NO_RESULT)),
    ("POST", f"{RUN}/cancel"): Operation(
        "cancelRun", CancelAnswer, (*ANY, *problems.FOREIGN, *problems.RUN, *problems.FINISHED)
    ),
    ("GET", f"{METADATA}/{{subject}}"): (
        Operation(
            "listPerturbations", list[PerturbationInfo], CATALOG, None, MetadataQuery, f"{METADATA}/perturbations"
        ),
        Operation("listCellTypes", list[CellTypeInfo], CATALOG, None, MetadataQuery, f"{METADATA}/cell-types"),
        Operation("listDatasets", list[str], CATALOG, None, MetadataQuery, f"{METADATA}/datasets"),
    ),
    ("GET", f"{METADATA}/datasets/{{dataset}}"): Operation("getDataset", DatasetInfo, (*ANY, *problems.DATASET)),
    ("GET", "/api/v1/health"): Operation("getHealth", Health, (HaystackError("unexpected"),)),
    ("GET", "/api/v1/health/ready"): Operation(
        "getReadiness", Readiness, (HaystackError("unexpected"), Unavailable("Firestore"))
    ),
}
# Operations of each user-facing route, by method and template.
OPERATIONS: Final[Mapping[tuple[str, str], tuple[Operation, ...]]] = MappingProxyType(
    {route: found if isinstance(found, tuple) else (found,) for route, found in _OPERATIONS.items()}
)
