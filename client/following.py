"""Following a run to its end by long polling: what changes is told when it changes, and asking costs little."""

import time
from collections.abc import Iterator
from typing import Final

from client.api import Api, Json

WAIT_SECONDS: Final = 20
"""How long the service may hold a question back until there is something new."""


def follow(api: Api, run_id: str) -> Iterator[Json]:
    """How a run stands now, and each change of it, the last one being its end."""
    tag: str | None = None
    while True:
        # The first look is answered at once, the later ones when there is something new.
        poll = api.poll(run_id, tag, wait=WAIT_SECONDS if tag else 0)
        if poll.run is not None:
            yield poll.run
            if poll.run["done"]:
                return
        held_back = poll.seconds >= WAIT_SECONDS
        if poll.tag is None or (poll.run is None and not held_back):
            # The service did not wait, so it falls to us.
            time.sleep(poll.retry_after)
        tag = poll.tag
