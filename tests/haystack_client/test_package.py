"""The wheel holds the client and nothing else of the project, and requires only what the client imports."""

import ast
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import haystack_client
from tests.haystack_client.conftest import ROOT

DEPENDENCIES = {"google-crc32c", "httpx", "rich", "typer"}
# Imported only by what returns their objects.
NOTEBOOK = {"anndata", "pandas"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the project, offline, with the setuptools of the environment."""
    source, target = tmp_path_factory.mktemp("source") / "project", tmp_path_factory.mktemp("wheel")
    shutil.copytree(
        ROOT, source, ignore=shutil.ignore_patterns(".*", "tests", "docs", "*.egg-info", "build", "demo-results")
    )
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", build, str(target)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (path,) = target.iterdir()
    return path


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_the_wheel_installs_only_the_client(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = [archive.read(name).decode() for name in names if name.endswith("entry_points.txt")]
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"haystack_client"}
    client = ROOT / "haystack_client"
    modules = {
        path.relative_to(client).as_posix()
        for path in client.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert {name.partition("/")[2] for name in names if name.startswith("haystack_client/")} == modules
    assert "py.typed" in modules
    assert entry_points == "[console_scripts]\nhaystack = haystack_client.__main__:main\n"


def test_the_wheel_requires_only_what_the_client_imports(metadata: Message) -> None:
    requirements = metadata.get_all("Requires-Dist", [])
    of_extra = {requirement for requirement in requirements if "extra ==" in requirement}
    assert {requirement.partition(">")[0] for requirement in set(requirements) - of_extra} == DEPENDENCIES
    assert {requirement.partition(">")[0] for requirement in of_extra} == NOTEBOOK
    assert metadata.get_all("Provides-Extra") == ["notebook"]
    imported = set()
    for path in (ROOT / "haystack_client").rglob("*.py"):
        # The statements of a module that run when it is imported; a block for type checkers is not among them.
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"haystack_client"}
    assert {name.replace("_", "-") for name in foreign} == DEPENDENCIES


def test_the_metadata_names_version_and_pythons(metadata: Message) -> None:
    assert metadata["Version"] == haystack_client.__version__ == "0.1.0"
    assert metadata["Requires-Python"] == "<3.14,>=3.11"
    pythons = [line for line in metadata.get_all("Classifier", []) if "Python :: 3." in line]
    assert [line.rpartition(" ")[2] for line in pythons] == ["3.11", "3.12", "3.13"]
