"""The Pub/Sub messages that Batch publishes when a job or its task changes state.

A job requests them with a topic and a message filter: of type JOB_STATE_CHANGED or TASK_STATE_CHANGED, optionally for one state only.
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
    """Yield the attributes of each message that a change causes, one per topic that requested it."""
    moved = change.new_task != change.old_task
    for notification in change.record.job.notifications:
        wanted = notification.message
        if not notification.pubsub_topic:
            continue
        if wanted.type_.name == "JOB_STATE_CHANGED" and wanted.new_job_state.name in {_ANY, change.new.value}:
            yield _job_message(change)
        if (
            wanted.type_.name == "TASK_STATE_CHANGED"
            and moved
            and wanted.new_task_state.name in {_ANY, change.new_task}
        ):
            yield _task_message(change)


def _job_message(change: Change) -> Attributes:
    return {
        **_common("JOB_STATE_CHANGED", change.record.job),
        "JobName": change.record.name,
        "NewJobState": change.new.value,
        "OldJobState": change.old.value,
    }


def _task_message(change: Change) -> Attributes:
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
    """Publishes messages one after the other, without holding up the jobs.

    An error of `publish` is logged and its message is lost: a notification is a hint, as with the real service.
    """

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._messages: asyncio.Queue[Attributes] = asyncio.Queue()
        self._sender: asyncio.Task[None] | None = None

    def notify(self, change: Change) -> None:
        """Queue the messages of a change."""
        for attributes in messages(change):
            self._messages.put_nowait(attributes)

    def start(self) -> None:
        """Start publishing on the running loop."""
        self._sender = asyncio.get_running_loop().create_task(self._send(), name="batch notifications")

    async def stop(self) -> None:
        """Stop publishing; messages still queued are lost."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            message = await self._messages.get()
            [outcome] = await asyncio.gather(self._publish(message), return_exceptions=True)
            if outcome is not None:
                logger.error("a notification of %s could not be published", message["JobUID"], exc_info=outcome)
