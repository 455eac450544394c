"""The project stays easy to enter: few places to look, short documents, names that say something."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = subprocess.run(
    [shutil.which("git") or "git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.splitlines()
DOCUMENTS = [path for path in FILES if path.endswith(".md")]


def words(*paths: str) -> int:
    return sum(len((ROOT / path).read_text(encoding="utf-8").split()) for path in paths)


def test_shared_has_few_entries() -> None:
    entries = {path.split("/")[1] for path in FILES if path.startswith("shared/")}
    assert len(entries) <= 16, sorted(entries)


def test_no_module_has_a_name_that_says_nothing() -> None:
    nothing = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [path for path in FILES if nothing & set(Path(path).with_suffix("").parts)] == []


def test_documents_are_short() -> None:
    assert words("README.md") <= 600
    assert words(*(path for path in DOCUMENTS if path.startswith("docs/"))) <= 12_000
    for record in (path for path in DOCUMENTS if path.startswith("docs/adr/")):
        assert words(record) <= 400, record


@pytest.mark.parametrize("path", DOCUMENTS)
def test_links_between_documents_lead_somewhere(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
    assert [target for target in targets if not (ROOT / path).parent.joinpath(target).exists()] == []
