"""What Firestore's own client takes for one document, or for one page: loops in a process of their own, nothing around them.

Each line of the input asks for a loop, `document RUN_ID COUNT` or `query OWNER COUNT`; a line of the output answers it with the seconds of
each call, as JSON. The process stays, as a service does: its client is as warm as what it is compared with.
"""

import json
import os
import sys
import time
from collections.abc import Callable

from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

WARM_UP = 5
"""Calls before each loop, since what it asks for is another thing than what the loop before asked for."""


def main() -> None:
    """Answer until the input ends."""
    runs = firestore.Client(project=os.environ["PROJECT"]).collection("runs")
    for line in sys.stdin:
        what, whose, count = line.split()
        print(json.dumps(loop(runs, what, whose, int(count))), flush=True)


def loop(runs: firestore.CollectionReference, what: str, whose: str, count: int) -> list[float]:
    """The seconds of so many calls."""
    newest = runs.where(filter=FieldFilter("user_email", "==", whose)).order_by("created_at", direction="DESCENDING")
    calls: dict[str, Callable[[], object]] = {
        "document": lambda: runs.document(whose).get().to_dict(),
        "query": lambda: [found.to_dict() for found in newest.limit(20).get()],
    }
    seconds = []
    for number in range(-WARM_UP, count):
        started = time.perf_counter()
        assert calls[what]()
        if number >= 0:
            seconds.append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main()
