"""docs/deploy.md and docs/operations.md show what the code does, and their gcloud commands exist."""

import ast
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.iam import bindings
from deploy.plan import APIS
from deploy.target import Target

ROOT = Path(__file__).parent.parent.parent
DEPLOY = (ROOT / "docs" / "deploy.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
TERRAFORM = (ROOT / "deploy" / "terraform" / "README.md").read_text()
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


def bindings_list() -> str:
    """Return the bindings as the document shows them: by account, role and reason."""
    accounts: dict[str, dict[str, list[str]]] = {}
    for each in bindings(PLACE):
        resource = "" if each.kind == "project" else f" `{name(each.resource)}`"
        place = f"  - `{each.role.removeprefix('roles/')}` on {each.kind}"
        accounts.setdefault(name(each.member), {}).setdefault(f"{place}|{each.reason}", []).append(resource)
    lines = []
    for account, rows in accounts.items():
        lines.append(f"- `{account}`")
        for row, resources in rows.items():
            place, _, reason = row.partition("|")
            lines.append(f"{place}{','.join(resources)}: {reason}")
    return "\n".join(lines)


def name(resource: str) -> str:
    return resource.removeprefix("serviceAccount:").removeprefix("gs://").removesuffix("@P.iam.gserviceaccount.com")


def commands(text: str) -> Iterator[list[str]]:
    """Yield the gcloud commands of a document, also those inside other commands."""
    for code in (*re.findall(r"```sh\n(.*?)```", text, re.DOTALL), *re.findall(r"`(gcloud [^`]+)`", text)):
        for found in re.findall(r"gcloud (?:[^\n|;)'\"]|'[^']*'|\"[^\"]*\")+", code):
            yield shlex.split(found)[1:]


def test_the_bindings_are_those_of_the_code() -> None:
    assert bindings_list() in DEPLOY


def test_the_first_run_takes_ten_commands_at_most() -> None:
    (section,) = re.findall(r"first run\n(.*?)\n## ", DEPLOY, re.DOTALL)
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line and not line.startswith("export ")]
    assert 5 <= len(lines) <= 10


@pytest.fixture(scope="module")
def gcloud_tree() -> dict[str, Any]:
    """Return all commands and flags of gcloud, from its data for completion."""
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs gcloud")
        pytest.skip("gcloud, whose commands these are, is not installed")
    file = Path(gcloud).resolve().parent.parent / "data" / "cli" / "gcloud_completions.py"
    tree: dict[str, Any] = ast.literal_eval(file.read_text().partition("CLI_TREE = ")[2].strip())
    return tree


@pytest.mark.parametrize("document", [DEPLOY, OPERATIONS, TERRAFORM], ids=["deploy", "operations", "terraform"])
def test_every_gcloud_command_that_is_named_exists_with_its_flags(document: str, gcloud_tree: dict[str, Any]) -> None:
    for words in commands(document):
        node, flags = gcloud_tree, set(gcloud_tree["flags"])
        for word in words:
            if word in node["commands"]:
                node = node["commands"][word]
                flags |= set(node["flags"])
            elif word.startswith("--"):
                assert word.partition("=")[0] in flags | INHERITED, words
        assert not node["commands"], f"{words} is not a command"


# The APIs behind commands that only people run.
APIS_OF = {
    ("billing", "budgets"): {"billingbudgets"},
    ("iam", "workload-identity-pools"): {"iam", "iamcredentials", "sts"},
}
# These belong to gcloud itself, or to every project.
WITHOUT_API = {"auth", "billing", "components", "config", "projects", "services"}
API_NAMES = {
    "artifacts": "artifactregistry",
    "batch": "batch",
    "builds": "cloudbuild",
    "scheduler": "cloudscheduler",
    "secrets": "secretmanager",
}


@pytest.mark.parametrize("document", [DEPLOY, OPERATIONS], ids=["deploy", "operations"])
def test_every_api_that_a_command_calls_is_enabled(document: str) -> None:
    for words in commands(document):
        group = words[0]
        wanted = APIS_OF.get((group, words[1]), set() if group in WITHOUT_API else {API_NAMES.get(group, group)})
        assert wanted <= set(APIS), words


INHERITED = {"--project", "--format", "--limit", "--filter"}


def test_the_commands_are_found() -> None:
    found = list(commands(DEPLOY))
    assert len(found) > 25
    assert ["auth", "login", "--update-adc"] in found


@pytest.mark.parametrize("document", [DEPLOY, OPERATIONS], ids=["deploy", "operations"])
def test_every_file_that_is_named_is_there(document: str) -> None:
    named = {
        *re.findall(r"`((?:deploy|benchmarks|tests|shared|functions|orchestrator|\.github)/[\w./-]+\.\w+)`", document),
        *(f"docs/{link}" for link in re.findall(r"\]\(([\w.]+\.md)\)", document)),
    }
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
