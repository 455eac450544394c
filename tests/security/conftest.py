"""Test each claim of docs/security.md from outside. These tests follow that page, not the tree of the code.

The functions run as the framework serves them, on SQLite: refusals do not depend on the store.
"""

from pathlib import Path

import pytest

from tests.functions.conftest import api, batch, cloud, environment, settings

__all__ = ["api", "batch", "cloud", "environment", "settings"]  # fixtures of the functions' own tests

RUNS = "/api/v1/runs"
VALIDATE = f"{RUNS}/validate-control-strategy"
QUESTION = "How would CD14 monocytes respond to IFN-gamma?"
ADA, EVE = ({"X-Goog-Authenticated-User-Email": f"accounts.google.com:{name}@example.com"} for name in ("ada", "eve"))


@pytest.fixture
def store_settings(tmp_path: Path) -> dict[str, str]:
    return {
        "STORE": "sqlite",
        "SQLITE_PATH": str(tmp_path / "runs.db"),
        "MAX_ACTIVE_RUNS": "0",
        "MAX_REQUESTS_PER_MINUTE": "0",
    }
