"""Loops with Firestore's own synchronous client, in a process of their own.

Each input line names a loop, `document RUN_ID COUNT` or `query OWNER COUNT`; the output line is a JSON list with the seconds
of each call. The process keeps running like a service, so its client is as warm as the services it is compared with.
"""

import json
import os
import sys
import time
from collections.abc import Callable

from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

# Calls before each loop, because the previous loop made different calls.
WARM_UP = 5


def main() -> None:
    """Run loops until the end of the input."""
    runs = firestore.Client(project=os.environ["PROJECT"]).collection("runs")
    for line in sys.stdin:
        kind, target, count = line.split()
        print(json.dumps(loop(runs, kind, target, int(count))), flush=True)


def loop(runs: firestore.CollectionReference, kind: str, target: str, count: int) -> list[float]:
    """Return the seconds of each call."""
    newest = runs.where(filter=FieldFilter("user_email", "==", target)).order_by("created_at", direction="DESCENDING")
    calls: dict[str, Callable[[], object]] = {
        "document": lambda: runs.document(target).get().to_dict(),
        "query": lambda: [found.to_dict() for found in newest.limit(20).get()],
    }
    seconds = []
    for number in range(-WARM_UP, count):
        started = time.perf_counter()
        assert calls[kind]()
        if number >= 0:
            seconds.append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main()
