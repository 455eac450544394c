"""The command line writes and checks the generated files, and builds the images that variables name."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.gcloud import Answer, Gcloud
from deploy.target import Target
from deploy.terraform.__main__ import build, main
from shared.routes import FUNCTIONS
from tests.deploy.conftest import PROJECT, REGION


class Registry:
    """A gcloud that keeps the images it builds."""

    def __init__(self) -> None:
        self.images: dict[str, list[dict[str, object]]] = {}
        self.commands: list[str] = []

    def run(self, command: Sequence[str], _: str) -> Answer:
        words = " ".join(command[1:4])
        if words == "artifacts docker images":
            return Answer(0, json.dumps(self.images.get(command[5], [])), "")
        self.commands.append(words)
        if words.startswith("builds submit"):
            values = next(each for each in command if each.startswith("--substitutions="))
            name, _, tag = values.partition("_IMAGE=")[2].partition(",")[0].rpartition(":")
            self.images.setdefault(name, []).append({"version": f"sha256:{len(self.images)}", "tags": [tag]})
        return Answer(0, "{}", "")


@pytest.fixture
def building(target: Target) -> Target:
    """Return a target whose builds have a region."""
    return replace(target, build_region=REGION)


def test_each_image_is_built_once_and_named(building: Target) -> None:
    registry = Registry()
    variables = build(Gcloud(PROJECT, run=registry.run), building)
    assert str(variables["job_image"]).startswith(f"{building.registry}/orchestrator@sha256:")
    assert isinstance(variables["function_images"], dict)
    assert sorted(variables["function_images"]) == list(FUNCTIONS)
    for function, image in variables["function_images"].items():
        assert image.startswith(f"{building.registry}/haystack-{function}:content-")
    assert len(registry.commands) == len(FUNCTIONS) + 2  # the job, and the tag of what is deployed
    registry.commands.clear()
    assert build(Gcloud(PROJECT, run=registry.run), building) == variables
    assert [words for words in registry.commands if words.startswith("builds")] == []


def test_a_dry_run_needs_no_access_and_writes_no_variables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["images", f"--project={PROJECT}", f"--region={REGION}", "--llm=anthropic", "--dry-run"]
    assert main(words, folder=tmp_path) == 0
    printed = capsys.readouterr().out
    assert printed.count("gcloud builds submit") == len(FUNCTIONS) + 1
    assert "orchestrator-llm" in printed
    assert list(tmp_path.iterdir()) == []


def test_an_outdated_file_fails_the_check_and_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], folder=tmp_path) == 1
    assert "Run: python -m deploy.terraform" in capsys.readouterr().err
    assert main([], folder=tmp_path) == 0
    assert main(["--check"], folder=tmp_path) == 0
    (tmp_path / "tables.tf.json").write_text("{}")
    assert main(["--check"], folder=tmp_path) == 1
    assert "tables.tf.json" in capsys.readouterr().err
