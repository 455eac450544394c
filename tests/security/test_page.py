"""docs/security.md lists every account, role and function, and the tests that it names exist."""

import re
from pathlib import Path

from deploy.iam import ACCOUNTS
from shared.routes import FUNCTIONS

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()


def test_each_account_is_listed() -> None:
    """Its roles are in docs/deploy.md (`deploy/test_documents.py`)."""
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted(ACCOUNTS)


def test_each_function_has_its_callers_and_its_account() -> None:
    callers, accounts = PAGE.partition("## What each service account may do")[::2]
    for function in FUNCTIONS:
        assert function in callers
        assert function in accounts


def test_the_tests_that_it_names_exist() -> None:
    named = set(re.findall(r"`([a-z_/]*test_\w+\.py)`", PAGE))
    assert len(named) > 12
    assert [path for path in sorted(named) if not (ROOT / "tests" / path).is_file()] == []
