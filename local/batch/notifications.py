"""What Batch tells a Pub/Sub topic when a job or its task changes its state.

A job asks for it by a notification with a topic and a message: of type JOB_STATE_CHANGED or TASK_STATE_CHANGED, and where a state is
named, of that state only.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator

from google.cloud import batch_v1

from local.batch.jobs import Change

logger = logging.getLogger(__name__)

Attributes = dict[str, str]
Publish = Callable[[Attributes], Awaitable[None]]

_ANY = "STATE_UNSPECIFIED"


def messages(change: Change) -> Iterator[Attributes]:
    """The attributes of each message that is sent because of a change, for each topic that asked for it."""
    moved = change.new_task != change.old_task
    for notification in change.record.job.notifications:
        wanted = notification.message
        if not notification.pubsub_topic:
            continue
        if wanted.type_.name == "JOB_STATE_CHANGED" and wanted.new_job_state.name in {_ANY, change.new.value}:
            yield _of_job(change)
        if (
            wanted.type_.name == "TASK_STATE_CHANGED"
            and moved
            and wanted.new_task_state.name in {_ANY, change.new_task}
        ):
            yield _of_task(change)


def _of_job(change: Change) -> Attributes:
    return {
        **_common("JOB_STATE_CHANGED", change.record.job),
        "JobName": change.record.name,
        "NewJobState": change.new.value,
        "OldJobState": change.old.value,
    }


def _of_task(change: Change) -> Attributes:
    task = change.record.task
    *_, group, _, index = task.name.split("/")
    return {
        **_common("TASK_STATE_CHANGED", change.record.job),
        "TaskName": task.name,
        "TaskUID": f"{change.record.job.uid}-{group}-{index}",
        "NewTaskState": change.new_task,
        "OldTaskState": change.old_task,
    }


def _common(kind: str, job: batch_v1.Job) -> Attributes:
    return {"Type": kind, "JobUID": job.uid, "Region": job.name.split("/")[3]}


class Notifier:
    """Publishes one message after the other, away from the job that it tells of.

    Args:
        publish: takes a message's attributes. It may fail: that is logged, and the job goes on. A notification is a hint, as with the
            real service.
    """

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._messages: asyncio.Queue[Attributes] = asyncio.Queue()
        self._sender: asyncio.Task[None] | None = None

    def tell(self, change: Change) -> None:
        """Publish a change to each topic that asked for it; returns at once."""
        for attributes in messages(change):
            self._messages.put_nowait(attributes)

    def start(self) -> None:
        """Begin to publish, on the running loop."""
        self._sender = asyncio.get_running_loop().create_task(self._send(), name="batch notifications")

    async def stop(self) -> None:
        """End; what is not published by now never is."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            message = await self._messages.get()
            [outcome] = await asyncio.gather(self._publish(message), return_exceptions=True)
            if outcome is not None:
                logger.error("a notification of %s was not taken", message["JobUID"], exc_info=outcome)
