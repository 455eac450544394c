"""The Pub/Sub messages that Batch publishes when a job changes state.

A job requests them with a topic and a message filter: of type JOB_STATE_CHANGED, optionally for one state only. The service requests no
messages of type TASK_STATE_CHANGED, so the emulator publishes none.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator

from local.batch.jobs import JobRecord
from shared.runs.jobs import JobState

logger = logging.getLogger(__name__)

Attributes = dict[str, str]
Publish = Callable[[Attributes], Awaitable[None]]


def messages(record: JobRecord, old: JobState) -> Iterator[Attributes]:
    """Yield the attributes of each message that a change of state causes, one per topic that requested it."""
    for notification in record.job.notifications:
        wanted = notification.message
        states = {"STATE_UNSPECIFIED", record.state.value}
        if (
            notification.pubsub_topic
            and wanted.type_.name == "JOB_STATE_CHANGED"
            and wanted.new_job_state.name in states
        ):
            yield {
                "Type": "JOB_STATE_CHANGED",
                "JobUID": record.job.uid,
                "Region": record.name.split("/")[3],
                "JobName": record.name,
                "NewJobState": record.state.value,
                "OldJobState": old.value,
            }


class Notifier:
    """Publishes messages one after the other, without holding up the jobs.

    An error of `publish` is logged and its message is lost: a notification is a hint, as with the real service.
    Without `publish`, messages stay in the queue.
    """

    def __init__(self, publish: Publish | None) -> None:
        self._publish = publish
        self._messages: asyncio.Queue[Attributes] = asyncio.Queue()
        self._sender: asyncio.Task[None] | None = None

    def notify(self, record: JobRecord, old: JobState) -> None:
        """Queue the messages of a change of state."""
        for attributes in messages(record, old):
            self._messages.put_nowait(attributes)

    def start(self) -> None:
        """Start publishing on the running loop."""
        if self._publish is not None:
            self._sender = asyncio.get_running_loop().create_task(self._send(self._publish), name="batch notifications")

    async def stop(self) -> None:
        """Stop publishing; messages still queued are lost."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)

    async def _send(self, publish: Publish) -> None:
        while True:
            message = await self._messages.get()
            [outcome] = await asyncio.gather(publish(message), return_exceptions=True)
            if outcome is not None:
                logger.error("a notification of %s could not be published", message["JobUID"], exc_info=outcome)
