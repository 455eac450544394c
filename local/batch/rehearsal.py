"""What is to go wrong in the stand-in, so that operators can rehearse it: one order at a time, for the next jobs or the next calls."""

import logging
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

logger = logging.getLogger(__name__)

QUEUE_SECONDS: Final = 2 * 24 * 3600.0
"""How long Batch lets a job be QUEUED before it fails it (https://docs.cloud.google.com/batch/quotas)."""


class Code(StrEnum):
    """The errors that a call can be answered with, by their gRPC names."""

    UNAVAILABLE = "UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    ABORTED = "ABORTED"
    INTERNAL = "INTERNAL"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"


class Rpc(StrEnum):
    """The calls that can be answered with an error."""

    ANY = "any"
    CREATE = "CreateJob"
    GET = "GetJob"
    CANCEL = "CancelJob"
    DELETE = "DeleteJob"


class Moment(StrEnum):
    """On which side of its effect a call fails."""

    BEFORE = "before"
    AFTER = "after"


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    times: int = Field(1, ge=1, le=1000)


class Preempt(_Order):
    """The job loses its Spot VM so many seconds after it began to run."""

    trouble: Literal["preempt"] = "preempt"
    after_seconds: float = Field(2.0, ge=0, le=3600)


class ImagePull(_Order):
    """The job's container image is not there."""

    trouble: Literal["image-pull"] = "image-pull"


class StayQueued(_Order):
    """The job waits for quota, until the rehearsal is ended, or until it has waited so many seconds and fails."""

    trouble: Literal["stay-queued"] = "stay-queued"
    seconds: float = Field(QUEUE_SECONDS, gt=0, le=QUEUE_SECONDS)


class LoseJob(_Order):
    """Somebody deletes the job so many seconds after it began to run."""

    trouble: Literal["lose-job"] = "lose-job"
    after_seconds: float = Field(2.0, ge=0, le=3600)


class Fail(_Order):
    """A call is answered with an error: before its effect, or after it, so that the answer is lost."""

    trouble: Literal["error"] = "error"
    code: Code = Code.UNAVAILABLE
    rpc: Rpc = Rpc.ANY
    moment: Moment = Moment.BEFORE


JobOrder = Preempt | ImagePull | StayQueued | LoseJob
Order = Annotated[JobOrder | Fail, Field(discriminator="trouble")]


class Rehearsal:
    """The order in force, if any; a new one takes its place, and it ends when it was carried out as often as it says."""

    def __init__(self) -> None:
        self._order: Order | None = None

    @property
    def order(self) -> Order | None:
        """What is still to go wrong."""
        return self._order

    def begin(self, order: Order) -> None:
        """Have something go wrong from now on."""
        self._order = order
        logger.warning("rehearsal: %s: %s", order.trouble, order.model_dump_json(exclude={"trouble"}))

    def end(self) -> None:
        """Have nothing go wrong any more."""
        self._order = None
        logger.warning("rehearsal: ended")

    def for_job(self, name: str) -> JobOrder | None:
        """What goes wrong with a job that was just created."""
        if self._order is None or isinstance(self._order, Fail):
            return None
        order = self._order
        self._carried_out(name)
        return order

    def for_call(self, rpc: str) -> Fail | None:
        """What goes wrong with a call."""
        order = self._order
        if not isinstance(order, Fail) or order.rpc not in {Rpc.ANY, rpc}:
            return None
        self._carried_out(rpc)
        return order

    def _carried_out(self, on: str) -> None:
        order = self._order
        assert order is not None, "there is an order to carry out"
        logger.warning("rehearsal: %s for %s", order.trouble, on)
        self._order = order.model_copy(update={"times": order.times - 1}) if order.times > 1 else None
