"""What a user of the load test has seen of a run, and what a later response may say of it."""

# ruff: noqa: S311  # random choices, no secrets
import random
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator

Json = Any
COMPONENTS: Final[Json] = yaml.safe_load((Path(__file__).parents[3] / "docs" / "openapi.yaml").read_text())[
    "components"
]
FINAL: Final = frozenset({"completed", "failed", "cancelled"})
NEXT: Final = {"pending": FINAL | {"pending", "running"}, "running": FINAL | {"running"}}
FIXED: Final = ("run_id", "user_email", "query", "control_strategy", "max_iterations", "created_at")
INCREASING: Final = ("attempt", "updated_at")


def validate(content: Json, schema: str) -> None:
    """Raise AssertionError unless JSON matches a schema of the OpenAPI document."""
    validator = Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": COMPONENTS})
    if error := next(validator.iter_errors(content), None):
        raise AssertionError(f"{schema}: {error.json_path}: {error.message}")


class Run:
    """A run as its owner has seen it."""

    def __init__(self, status: Json, etag: str) -> None:
        self.status, self.etag, self.cancelled = status, etag, False
        self.followed = random.random() < 0.3  # the users cancel the other runs
        self.path = f"/api/v1/runs/{status['run_id']}"

    def observe(self, new: Json, etag: str = "") -> None:
        """Remember a new status. Raise AssertionError if it contradicts the last one."""
        old, state = self.status, new["status"]
        for field in FIXED:
            assert new[field] == old[field], f"{self.path}: {field} changed from {old[field]} to {new[field]}"
        for field in INCREASING:
            assert new[field] >= old[field], f"{self.path}: {field} fell from {old[field]} to {new[field]}"
        iterations = [(each["attempt"], each["current_iteration"]) for each in (old, new)]
        assert iterations[0] <= iterations[1], f"{self.path}: attempt and iteration went from {iterations}"
        assert state in NEXT.get(old["status"], {old["status"]}), f"{self.path}: {old['status']} became {state}"
        assert not old["done"] or new == old, f"{self.path} changed after its end: {old} became {new}"
        assert not self.cancelled or state == "cancelled", f"{self.path} was cancelled and is {state}"
        assert new["done"] is (state in FINAL), f"{self.path} is {state} with done: {new['done']}"
        assert (new["failure"] is not None) is (state == "failed"), f"{self.path} is {state}: {new['failure']}"
        if etag and self.etag:
            assert (etag == self.etag) is (new == old), f"{self.path}: the ETag does not reflect the change"
        self.status, self.etag = new, etag or (self.etag if new == old else "")
