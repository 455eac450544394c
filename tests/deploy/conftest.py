"""A whole deployment, run twice by the real gcloud against the recorder."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from deploy.gcloud import Answer
from deploy.target import Target
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
    "web",
    "docs",
    "requirements.txt",
    "firestore.indexes.json",
)


@dataclass(frozen=True)
class Run:
    """One run of deploy.sh: its output and the requests of gcloud."""

    code: int
    stdout: str
    stderr: str
    requests: Sequence[Request]


@dataclass(frozen=True)
class Deployment:
    """A project that was empty, after two deployments."""

    recorder: Recorder
    repository: Path
    first: Run
    second: Run

    @contextmanager
    def copied(self) -> Iterator[Recorder]:
        """Return a recorder with a copy of the project's state, for a test that changes it."""
        with recording(PROJECT, NUMBER) as recorder:
            recorder.cloud = deepcopy(self.recorder.cloud)
            yield recorder


def repository_in(folder: Path) -> Path:
    """Copy everything that a deployment reads, so that edits cannot interfere between two runs."""
    for name in DEPLOYED_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)
    return folder


def deploy(recorder: Recorder, repository: Path, binaries: Path, *arguments: str, typed: str = "") -> Run:
    """Run deploy.sh in a repository, with gcloud pointed at the recorder; `typed` is the user's input."""
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
    """Return a folder for PATH with the real gcloud, preloaded; if gcloud is missing, skip locally and fail in CI."""
    if shutil.which("gcloud") is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs gcloud")
        pytest.skip("gcloud is not installed")
    folder = tmp_path_factory.mktemp("gcloud")
    with warm(folder, Recorder(PROJECT, NUMBER).environment(folder / "config")) as binaries:
        yield binaries


@pytest.fixture(scope="session")
def deployment(gcloud: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Deploy twice to an empty project."""
    repository = repository_in(tmp_path_factory.mktemp("repository"))
    with recording(PROJECT, NUMBER) as recorder:
        for secret in LLM_SECRETS.values():  # created by the operators beforehand
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


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """Return a target without options."""
    return Target(
        project=PROJECT,
        number=NUMBER,
        region=REGION,
        domain="haystack.example.org",
        env="prod",
        production=False,
        members=(),
        root=ROOT,
        work=tmp_path,
    )


def answering(*answers: object, commands: list[Sequence[str]] | None = None) -> Callable[[Sequence[str], str], Answer]:
    """Return a gcloud that gives these answers in order, repeats the last one, and records the commands."""
    left = list(answers)

    def run(command: Sequence[str], _: str) -> Answer:
        if commands is not None:
            commands.append(command)
        answer = left.pop(0) if len(left) > 1 else left[0]
        return answer if isinstance(answer, Answer) else Answer(0, json.dumps(answer), "")

    return run


def running(recorder: Recorder, binaries: Path, folder: Path) -> Callable[[Sequence[str], str], Answer]:
    """Return a function that runs gcloud like a step of the deployment, pointed at the recorder."""
    environment = recorder.environment(folder / "gcloud-config")
    environment["PATH"] = f"{binaries}{os.pathsep}{environment['PATH']}"

    def run(command: Sequence[str], stdin: str) -> Answer:
        done = subprocess.run(command, input=stdin, env=environment, capture_output=True, text=True, check=False)
        return Answer(done.returncode, done.stdout, done.stderr)

    return run
