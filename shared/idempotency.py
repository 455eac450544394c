"""What makes a repeated create the same create.

The run id is derived from the user and the key, so create-if-absent in the store is all that idempotency needs: no second record, no
lock. A key is forgotten after 24 hours: the next use of it derives the next id.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Final

from shared.models import CreateRunRequest

LIFETIME: Final = timedelta(hours=24)
"""How long a key means the same run."""


def fingerprint(request: CreateRunRequest) -> str:
    """The SHA-256 of a request, defaults filled in: equal for requests that mean the same."""
    content = json.dumps(request.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def key_digest(owner: str, key: str) -> str:
    """The SHA-256 of a user's key, scoped to the user."""
    return hashlib.sha256(f"{owner}\n{key}".encode()).hexdigest()


def run_ids(digest: str) -> Iterator[str]:
    """The run ids that a key stands for, one a generation: the first whose run is not older than `LIFETIME` counts."""
    for generation in count():
        yield "run_" + hashlib.sha256(f"{digest}\n{generation}".encode()).hexdigest()[:12]
