"""What Batch tells a Pub/Sub topic when a job changes its state.

A job asks for it by a notification with a topic and a message: of type JOB_STATE_CHANGED, and where a state is named, of that state only.
The attributes are those that users of the real service are seen to read; if it sends more, nothing here may depend on them.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from google.cloud import batch_v1

from local.batch.jobs import JobRecord
from shared.jobs import JobState

logger = logging.getLogger(__name__)

Publish = Callable[[dict[str, str]], Awaitable[None]]

_TYPE = "JOB_STATE_CHANGED"


def wanted(job: batch_v1.Job, new: JobState) -> list[str]:
    """The topics that are to hear of a job's new state."""
    return [
        notification.pubsub_topic
        for notification in job.notifications
        if notification.pubsub_topic
        and notification.message.type_.name == _TYPE
        and notification.message.new_job_state.name in {JobState.UNKNOWN.value, new.value}
    ]


def attributes(job: batch_v1.Job, new: JobState) -> dict[str, str]:
    """The attributes of the message that tells of a job's new state."""
    return {
        "Type": _TYPE,
        "JobName": job.name,
        "JobUID": job.uid,
        "NewJobState": new.value,
    }


class Notifier:
    """Publishes one message after the other, away from the job that it tells of.

    Args:
        publish: takes a message's attributes. It may fail: that is logged, and the job goes on. A notification is a hint, as with the
            real service.
    """

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._sender: asyncio.Task[None] | None = None

    def tell(self, record: JobRecord, _old: JobState, new: JobState) -> None:
        """Publish a job's new state to each topic that it asked for; returns at once."""
        for _topic in wanted(record.job, new):
            self._messages.put_nowait(attributes(record.job, new))

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
                logger.error("notification of %s was not taken", message["JobName"], exc_info=outcome)
