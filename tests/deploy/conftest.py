"""The whole deployment, run twice by the real gcloud against the recorder."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.deploy.recorder import Recorder, Request, recording
from tests.deploy.warm_gcloud import warm

ROOT: Final = Path(__file__).parent.parent.parent
PROJECT: Final = "cells-and-genes-1"
NUMBER: Final = "123456789012"
REGION: Final = "europe-west4"
DOMAIN: Final = "haystack.example.org"
WHERE: Final = (f"--project={PROJECT}", f"--region={REGION}")
MEMBER: Final = "group:lab@example.org"
ORIGINS: Final = ("https://app.example.org", "http://localhost:5173")
OPERATOR: Final = "ops@example.org"
RETENTION_DAYS: Final = 60
LLM_SECRETS: Final = {"anthropic": "haystack-anthropic-api-key", "openai": "haystack-openai-api-key"}
UP: Final = (
    *WHERE,
    f"--domain={DOMAIN}",
    f"--origins={','.join(ORIGINS)}",
    f"--notify={OPERATOR}",
    f"--retention-days={RETENTION_DAYS}",
    f"--llm-secrets={','.join(LLM_SECRETS)}",
)
DEPLOYED_FROM: Final = (
    "deploy.sh",
    "deploy",
    "functions",
    "shared",
    "orchestrator",
    "requirements.txt",
    "firestore.indexes.json",
)


@dataclass(frozen=True)
class Run:
    """One run of deploy.sh: what it printed and what gcloud asked on its behalf."""

    code: int
    stdout: str
    stderr: str
    requests: Sequence[Request]


@dataclass(frozen=True)
class Deployment:
    """An empty project after two deployments."""

    recorder: Recorder
    repository: Path
    first: Run
    second: Run

    @contextmanager
    def copied(self) -> Iterator[Recorder]:
        """A recorder of a project in the same state, for a test that changes it."""
        with recording(PROJECT, NUMBER) as recorder:
            recorder.cloud = deepcopy(self.recorder.cloud)
            yield recorder


def repository_in(folder: Path) -> Path:
    """A copy of all that a deployment reads, so that nobody's edits come between two runs."""
    for name in DEPLOYED_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)
    return folder


def deploy(recorder: Recorder, repository: Path, binaries: Path, *arguments: str, typed: str = "") -> Run:
    """Run deploy.sh in a repository, with gcloud pointed at the recorder; `typed` is what the user answers."""
    before = len(recorder.requests)
    environment = recorder.environment(repository / "gcloud-config")
    done = subprocess.run(
        ["./deploy.sh", *arguments],
        cwd=repository,
        env={**environment, "PATH": f"{binaries}{os.pathsep}{environment['PATH']}"},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr, recorder.requests[before:])


@pytest.fixture(scope="session")
def gcloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the path with the real gcloud, warmed up; where it is missing, a skip for a user and a failure in CI."""
    if shutil.which("gcloud") is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs gcloud")
        pytest.skip("gcloud is not installed")
    folder = tmp_path_factory.mktemp("gcloud")
    with warm(folder, Recorder(PROJECT, NUMBER).environment(folder / "config")) as binaries:
        yield binaries


@pytest.fixture(scope="session")
def deployment(gcloud: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A project that was empty and has been deployed to twice."""
    repository = repository_in(tmp_path_factory.mktemp("repository"))
    with recording(PROJECT, NUMBER) as recorder:
        for secret in LLM_SECRETS.values():  # people's own, and there before
            place = f"projects/{PROJECT}/secrets/{secret}"
            recorder.cloud.resources[f"secretmanager/{place}"] = {"name": place}
            version = {"name": f"{place}/versions/1", "state": "ENABLED"}
            recorder.cloud.resources[f"secretmanager/{place}/versions/latest"] = version
        arguments = (*UP, f"--member={MEMBER}")
        first = deploy(recorder, repository, gcloud, *arguments)
        assert first.code == 0, first.stderr
        second = deploy(recorder, repository, gcloud, *arguments)
        assert second.code == 0, second.stderr
        yield Deployment(recorder, repository, first, second)
