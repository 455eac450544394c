"""What the document tells of each route beyond the route table: in words, models, errors, headers, links and examples."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from pydantic import BaseModel

from local.openapi import examples, problems
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

RUNS: Final = "/api/v1/runs"
RUN: Final = f"{RUNS}/{{run_id}}"
METADATA: Final = "/api/v1/metadata/{subject}"

TAGS: Final = MappingProxyType(
    {
        "Runs": "Ask a question, follow it, take its result.",
        "Catalog": "What questions can be about.",
        "Health": "For monitors; nobody has to sign in.",
    }
)

CACHED: Final = ("ETag", "CacheControl")
RUN_LINKS: Final = ("Status", "Result", "Cancel")


class Health(BaseModel):
    """The service is alive."""

    status: Literal["healthy"]


class Readiness(BaseModel):
    """The service can work."""

    status: Literal["ready"]
    database: Literal["connected"]


@dataclass(frozen=True)
class Operation:
    """One operation of the document.

    Attributes:
        name: the operation's id.
        tag: one of `TAGS`.
        description: what the summary does not say.
        answer: the type of the 200 answer.
        answers: examples of it, by what they show.
        answered: the 200 answer in words.
        errors: what can go wrong, the bugs and outages that every operation knows included.
        body: the model of the request's body.
        bodies: examples of it.
        query: the model of the query parameters.
        headers: components of the headers that the 200 answer has.
        links: components of the links to what may come next.
        parameters: components of parameters beyond those that every operation has.
        summary: in the place of the route's, where a route is more than one operation.
        path: in the place of the route's template, as above.
    """

    name: str
    tag: str
    description: str
    answer: Any
    answers: Mapping[str, Any]
    answered: str
    errors: tuple[HaystackError, ...]
    body: type[Model] | None = None
    bodies: Mapping[str, Model] = field(default_factory=dict)
    query: type[Model] | None = None
    headers: tuple[str, ...] = CACHED
    links: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    summary: str | None = None
    path: str | None = None


def _catalog_list(name: str, subject: str, summary: str, answer: Any, example: Any) -> Operation:  # noqa: ANN401  # as answer above
    return Operation(
        name=name,
        tag="Catalog",
        summary=summary,
        path=METADATA.replace("{subject}", subject),
        description="By name. Keep the answer and ask again with its ETag: the catalog changes only when a dataset is ingested.",
        query=MetadataQuery,
        answer=answer,
        answers={"catalog": example},
        answered="What the catalog knows.",
        links=("FirstDataset",) if subject == "datasets" else (),
        errors=(*problems.ANY, *problems.DATASET, *problems.NAME),
    )


OPERATIONS: Final[Mapping[tuple[str, str], tuple[Operation, ...]]] = MappingProxyType(
    {
        ("POST", RUNS): (
            Operation(
                name="createRun",
                tag="Runs",
                description=(
                    "The answer comes at once, with the run's address in `Location`; the work goes on behind it. Send an "
                    "`Idempotency-Key` to make a repeat safe: for 24 hours the same key and body answer with the same run. With "
                    "`validate_only` everything is checked, nothing is kept or submitted, and the answer is a `RunPreview`."
                ),
                body=CreateRunRequest,
                bodies={
                    "question": examples.ASK,
                    "with_options": examples.ASK_WITH_ALL,
                    "validate_only": examples.ASK_ONLY_CHECK,
                },
                answer=RunStatus | RunPreview,
                answers={"accepted": examples.PENDING, "validate_only": examples.PREVIEW},
                answered="The run, or a preview of it where `validate_only` was asked for.",
                headers=("ETag", "OptionalCacheControl", "Location", "RetryAfterWhileNotDone"),
                links=RUN_LINKS,
                parameters=("IdempotencyKey",),
                errors=(*problems.ANY, *problems.BODY, *problems.SUBMIT),
            ),
        ),
        ("GET", RUNS): (
            Operation(
                name="listRuns",
                tag="Runs",
                description=(
                    "Only your own. Follow `next_page_token` to go on, with the same filters: such a page costs the same wherever it lies. "
                    "`page` is there for those who must jump; it bills what it skips."
                ),
                query=ListQuery,
                answer=RunList,
                answers={"page": examples.RUNS},
                answered="A page of your runs.",
                links=("FirstStatus", "FirstResult", "FirstCancel"),
                errors=(*problems.ANY, *problems.LIST),
            ),
        ),
        ("POST", f"{RUNS}/validate-control-strategy"): (
            Operation(
                name="validateControlStrategy",
                tag="Runs",
                description="Says what the question is taken for and which control strategy suits it. Nothing is kept or submitted.",
                body=ControlStrategyValidationRequest,
                bodies={"question": examples.CHECK},
                answer=ControlStrategyValidation,
                answers={"understood": examples.VALIDATION},
                answered="What the question was taken for, and what follows.",
                headers=("ETag", "CacheControl"),
                errors=(*problems.ANY, *problems.BODY),
            ),
        ),
        ("GET", RUN): (
            Operation(
                name="getRun",
                tag="Runs",
                description=(
                    "Poll it until `done`: `Retry-After` says when to ask again, `If-None-Match` saves the body, and `wait` has the "
                    "service answer as soon as something changes."
                ),
                query=StatusQuery,
                answer=RunStatus,
                answers={"pending": examples.PENDING, "running": examples.RUNNING, "completed": examples.COMPLETED},
                answered="The run as it is now.",
                headers=(*CACHED, "RetryAfterWhileNotDone"),
                links=RUN_LINKS,
                parameters=("RunId",),
                errors=(*problems.ANY, *problems.RUN, *problems.WAIT),
            ),
        ),
        ("GET", f"{RUN}/result"): (
            Operation(
                name="getRunResult",
                tag="Runs",
                description="Only a completed run has one. The URLs in it are signed anew for each answer and hold for an hour.",
                answer=RunResult,
                answers={"completed": examples.RESULT},
                answered="What the run found.",
                parameters=("RunId",),
                errors=(*problems.ANY, *problems.RUN, *problems.NO_RESULT),
            ),
        ),
        ("POST", f"{RUN}/cancel"): (
            Operation(
                name="cancelRun",
                tag="Runs",
                description="Holds at once; the machine is released behind it. Cancelling a cancelled run is no error.",
                answer=CancelAnswer,
                answers={"cancelled": examples.CANCELLED},
                answered="The run is cancelled and stays so.",
                links=("Status",),
                parameters=("RunId",),
                errors=(*problems.ANY, *problems.FOREIGN, *problems.RUN, *problems.FINISHED),
            ),
        ),
        ("GET", METADATA): (
            _catalog_list(
                "listPerturbations",
                "perturbations",
                "List the perturbations that the catalog knows",
                list[PerturbationInfo],
                [examples.PERTURBATION],
            ),
            _catalog_list(
                "listCellTypes",
                "cell-types",
                "List the cell types that the catalog knows",
                list[CellTypeInfo],
                [examples.CELL_TYPE],
            ),
            _catalog_list(
                "listDatasets",
                "datasets",
                "List the names of the datasets that the catalog knows",
                list[str],
                examples.DATASET_NAMES,
            ),
        ),
        ("GET", "/api/v1/metadata/datasets/{dataset}"): (
            Operation(
                name="getDataset",
                tag="Catalog",
                description="Where it comes from, what is in it, and whether its cells are ingested.",
                answer=DatasetInfo,
                answers={"reference": examples.DATASET},
                answered="The dataset.",
                parameters=("Dataset",),
                errors=(*problems.ANY, *problems.DATASET),
            ),
        ),
        ("GET", "/api/v1/health"): (
            Operation(
                name="getHealth",
                tag="Health",
                description="Asks nothing else.",
                answer=Health,
                answers={"healthy": {"status": "healthy"}},
                answered="The service is alive.",
                headers=("CacheControl",),
                errors=(HaystackError("unexpected"),),
            ),
        ),
        ("GET", "/api/v1/health/ready"): (
            Operation(
                name="getReadiness",
                tag="Health",
                description="Asks the run store.",
                answer=Readiness,
                answers={"ready": {"status": "ready", "database": "connected"}},
                answered="The run store answers.",
                headers=("CacheControl",),
                errors=(HaystackError("unexpected"), Unavailable("Firestore")),
            ),
        ),
    }
)
"""The operations of each user-facing route, by its method and template."""
