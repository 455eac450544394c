"""What Firestore's own client takes for one document, or for one page: a loop in a process of its own, nothing around it.

    python firestore_loops.py document RUN_ID COUNT
    python firestore_loops.py query OWNER COUNT

Prints the seconds of each call as JSON.
"""

import json
import os
import sys
import time
from collections.abc import Callable

from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

WARM_UP = 50


def main(what: str, whose: str, count: int) -> None:
    """Call so many times and print."""
    runs = firestore.Client(project=os.environ["PROJECT"]).collection("runs")
    newest = runs.where(filter=FieldFilter("user_email", "==", whose)).order_by("created_at", direction="DESCENDING")
    calls: dict[str, Callable[[], object]] = {
        "document": lambda: runs.document(whose).get().to_dict(),
        "query": lambda: [found.to_dict() for found in newest.limit(20).get()],
    }
    seconds = []
    for number in range(-min(WARM_UP, count), count):
        started = time.perf_counter()
        assert calls[what]()
        if number >= 0:
            seconds.append(time.perf_counter() - started)
    json.dump(seconds, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
