"""Fault injection in the Batch emulator: one fault specification at a time, for the next jobs or the next calls."""

import logging
from collections.abc import Callable
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

logger = logging.getLogger(__name__)

# Batch fails a job that has been QUEUED for this long (https://docs.cloud.google.com/batch/quotas).
QUEUE_SECONDS: Final = 2 * 24 * 3600.0


# The gRPC errors that a call can fail with, the calls, and whether a call fails before or after it takes effect.
Code = Literal[
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "ABORTED",
    "INTERNAL",
    "PERMISSION_DENIED",
    "INVALID_ARGUMENT",
]
Rpc = Literal["any", "CreateJob", "GetJob", "CancelJob", "DeleteJob"]
Moment = Literal["before", "after"]
# What a queued job waits for: quota, a machine that the zone lacks, or only its turn.
Because = Literal["quota", "quota-exceeded", "machines", "turn"]


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    times: int = Field(1, ge=1, le=1000)


class Preempt(_Fault):
    """The job loses its Spot VM after it has run for `after_seconds`."""

    kind: Literal["preempt"] = "preempt"
    after_seconds: float = Field(2.0, ge=0, le=3600)


class ImagePull(_Fault):
    """The job's container image does not exist."""

    kind: Literal["image-pull"] = "image-pull"


class StayQueued(_Fault):
    """The job waits for quota or a machine until fault injection ends, or fails after `seconds`."""

    kind: Literal["stay-queued"] = "stay-queued"
    seconds: float = Field(QUEUE_SECONDS, gt=0, le=QUEUE_SECONDS)
    because: Because = "quota"


class LoseJob(_Fault):
    """Somebody deletes the job after it has run for `after_seconds`."""

    kind: Literal["lose-job"] = "lose-job"
    after_seconds: float = Field(2.0, ge=0, le=3600)


class Fail(_Fault):
    """A call fails: before it takes effect, or after it, so that only the response is lost."""

    kind: Literal["error"] = "error"
    code: Code = "UNAVAILABLE"
    rpc: Rpc = "any"
    moment: Moment = "before"


JobFault = Preempt | ImagePull | StayQueued | LoseJob
FaultSpec = Annotated[JobFault | Fail, Field(discriminator="kind")]


class FaultInjector:
    """Holds the fault specification in force. A new one replaces it, and it ends after `times` uses.

    Args:
        on_end: called when fault injection ends on request.

    Attributes:
        spec: the specification in force, with the number of uses that are left.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self.spec: FaultSpec | None = None

    def begin(self, spec: FaultSpec) -> None:
        """Inject this fault from now on."""
        self.spec = spec
        logger.warning("fault injection: %s: %s", spec.kind, spec.model_dump_json(exclude={"kind"}))

    def end(self) -> None:
        """Inject no more faults, and let the jobs run that waited because of one."""
        self.spec = None
        logger.warning("fault injection: ended")
        self._on_end()

    def for_job(self, name: str) -> JobFault | None:
        """Return the fault of a job that was just created."""
        spec = self.spec
        if spec is None or isinstance(spec, Fail):
            return None
        self._use(spec, name)
        return spec

    def for_call(self, rpc: str) -> Fail | None:
        """Return the fault of a call."""
        spec = self.spec
        if not isinstance(spec, Fail) or spec.rpc not in {"any", rpc}:
            return None
        self._use(spec, rpc)
        return spec

    def _use(self, spec: FaultSpec, target: str) -> None:
        logger.warning("fault injection: %s for %s", spec.kind, target)
        self.spec = spec.model_copy(update={"times": spec.times - 1}) if spec.times > 1 else None
