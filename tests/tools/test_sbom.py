"""The bills of materials list exactly what the lock files install, and the base image of the job."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "orchestrator" / "Dockerfile").read_text()
LOCKS = {
    "haystack-functions": "requirements.txt",
    "haystack-orchestrator": "orchestrator/requirements.txt",
    "haystack-orchestrator-llm": "orchestrator/requirements-llm.txt",
}
RUNTIME = {"python_version": "3.11", "python_full_version": "3.11.16"}

Bill = dict[str, Any]


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bill]:
    """Write the bills of materials as `make sbom` does, and return them by name."""
    folder = tmp_path_factory.mktemp("sbom")
    subprocess.run([sys.executable, "-m", "tools.sbom", str(folder)], cwd=ROOT, check=True)
    return {path.name.removesuffix(".cdx.json"): json.loads(path.read_text()) for path in folder.iterdir()}


def locked(file: str) -> set[str]:
    """Return what a lock file installs on the runtime's Python, as `name==version`."""
    found = (
        Requirement(line.rstrip(" \\")) for line in (ROOT / file).read_text().splitlines() if re.match(r"\w", line)
    )
    wanted = (each for each in found if each.marker is None or each.marker.evaluate(RUNTIME))
    return {f"{canonicalize_name(each.name)}{each.specifier}" for each in wanted}


@pytest.mark.timeout(300)  # it installs three environments
def test_each_bill_lists_what_its_lock_file_installs(bills: dict[str, Bill]) -> None:
    assert set(bills) == set(LOCKS)
    for name, bill in bills.items():
        packages = [part for part in bill["components"] if part["type"] == "library"]
        assert {f"{canonicalize_name(part['name'])}=={part['version']}" for part in packages} == locked(LOCKS[name])
        assert bill["metadata"]["component"]["name"] == name


@pytest.mark.timeout(300)
def test_the_bill_of_an_image_names_its_base_image_by_digest(bills: dict[str, Bill]) -> None:
    images = {
        name: [part["purl"] for part in bill["components"] if part["type"] == "container"]
        for name, bill in bills.items()
    }
    (tag, digest) = re.findall(r"^ARG PYTHON_IMAGE=python:(\S+)@sha256:([0-9a-f]{64})$", DOCKERFILE, re.MULTILINE)[0]
    base = f"pkg:oci/python@sha256%3A{digest}?repository_url=docker.io/library/python&tag={tag}"
    assert images == {name: [base] if "orchestrator" in name else [] for name in LOCKS}


@pytest.mark.timeout(300)
def test_a_bill_tells_nothing_of_the_machine_or_the_time(bills: dict[str, Bill]) -> None:
    for bill in bills.values():
        assert not {"serialNumber", "timestamp"} & {*bill, *bill["metadata"]}
        assert not any(path in json.dumps(bill) for path in (tempfile.gettempdir(), str(ROOT), str(Path.home())))


def test_every_image_of_the_job_is_built_on_that_digest() -> None:
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${PYTHON_IMAGE}", "job"}
