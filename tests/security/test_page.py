"""docs/security.md lists every account, role and function, and the tests that it names exist."""

import re
from pathlib import Path

from deploy.iam import ACCOUNTS, bindings
from deploy.target import Target
from shared.routes import FUNCTIONS

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()
PLACE = Target(
    project="P",
    number="N",
    region="R",
    domain="D",
    env="prod",
    production=False,
    members=(),
    root=ROOT,
    work=ROOT / "build",
)


def row(account: str) -> str:
    """Return the row of this account in the page's table."""
    (found,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{account}` |"))
    return found


def test_each_account_is_listed_with_exactly_its_roles() -> None:
    for account in ACCOUNTS:
        member = f"serviceAccount:{PLACE.account(account)}"
        held = {each.role.removeprefix("roles/") for each in bindings(PLACE) if each.member == member}
        listed = set(re.findall(r"`([a-z]+\.[A-Za-z]+)`", row(account)))
        optional = {"secretmanager.secretAccessor"} if account == "job" else set()
        assert listed - optional == held, account


def test_each_function_has_its_callers_and_its_account() -> None:
    callers, accounts = PAGE.partition("## What each service account may do")[::2]
    for function in FUNCTIONS:
        assert function in callers
        assert function in accounts


def test_the_tests_that_it_names_exist() -> None:
    named = set(re.findall(r"`([a-z_/]*test_\w+\.py)`", PAGE))
    assert len(named) > 12
    assert [path for path in sorted(named) if not (ROOT / "tests" / path).is_file()] == []
