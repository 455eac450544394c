"""What a run waits for until a process of its job begins: recognized in what Batch reports, and said in a sentence. Pure.

The texts of Batch's status events are those of https://cloud.google.com/batch/docs/troubleshooting (section "Insufficient quota") and of
reports by users: nextflow-io/nextflow#3061 and #3066, DataBiosphere/dsub#303. Both kinds of quota event occur while the job is QUEUED, the
errors of creating a machine also while it is SCHEDULED. Batch keeps trying in all these cases.
"""

import re
from types import MappingProxyType
from typing import Final

from shared.runs.jobs import IMAGE_TEXT, NO_MACHINES_TEXT, QUOTA_TEXT, JobReport, JobState, failure_for
from shared.runs.records import Failure
from shared.runs.states import FailureReason, WaitingReason

_TEXTS: Final = MappingProxyType(
    {
        WaitingReason.QUEUE: "The run waits for its turn in the queue of Google Cloud Batch.",
        WaitingReason.QUOTA: "The Google Cloud quota of the service is in use; the run starts when other jobs release their machines.",
        WaitingReason.MACHINES: "Google Cloud has no free machine of the required type at the moment; it keeps trying.",
        WaitingReason.MACHINE: "The machine of the run is starting, which usually takes one to two minutes.",
        WaitingReason.IMAGE: "The machine of the run is loading the container image of the job.",
    }
)
_BY_EVENT: Final = (
    (IMAGE_TEXT, WaitingReason.IMAGE),
    (NO_MACHINES_TEXT, WaitingReason.MACHINES),
    (QUOTA_TEXT, WaitingReason.QUOTA),
)
# A job in a new state no longer waits for what an earlier event says.
_NEW_STATE_TEXT: Final = re.compile(r"\bjob state is set from\b", re.IGNORECASE)
_BY_STATE: Final = MappingProxyType(
    {
        JobState.QUEUED: WaitingReason.QUEUE,
        JobState.SCHEDULED: WaitingReason.MACHINE,
        # The task has its machine; its process begins the run once the image is there.
        JobState.RUNNING: WaitingReason.IMAGE,
    }
)


def sentence(reason: WaitingReason) -> str:
    """Return the sentence for the owner of a run that waits for this."""
    return _TEXTS[reason]


def waits_for_machine(report: JobReport) -> bool:
    """Return whether the job has no machine yet."""
    return report.state in {JobState.QUEUED, JobState.SCHEDULED}


def waiting_reason(report: JobReport) -> WaitingReason | None:
    """Return what a run waits for whose job has this report and has not begun, or None if the job will not begin.

    The latest event that says it decides, unless the state of the job has changed since.
    """
    by_state = _BY_STATE.get(report.state)
    if by_state is None or not waits_for_machine(report):
        return by_state
    for event in reversed(report.events):
        for pattern, reason in _BY_EVENT:
            if pattern.search(event):
                return reason
        if _NEW_STATE_TEXT.search(event):
            break
    return by_state


def given_up(reason: WaitingReason | None) -> Failure:
    """Return the failure of a run whose job waited too long, with advice that names the last known reason."""
    failure = failure_for(FailureReason.QUOTA)
    known = "" if reason is None else f"Last known reason for the wait: {_TEXTS[reason]} "
    return failure.model_copy(update={"advice": f"{known}{failure.advice}"})
