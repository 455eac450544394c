"""The workflow checks everything with `.ci/run` on each Python, and deploys tags without a key."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / ".github" / "workflows" / "ci.yml"


@pytest.fixture
def jobs() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())["jobs"]
    return found


def steps(job: dict[str, Any], word: str) -> list[dict[str, Any]]:
    return [step for step in job["steps"] if word in step.get("uses", "") + step.get("run", "")]


def test_checking_runs_what_ci_runs_anywhere_with_java_and_the_emulator(jobs: dict[str, Any]) -> None:
    (run,) = steps(jobs["check"], ".ci/run")
    assert os.access(ROOT / run["run"], os.X_OK)
    assert steps(jobs["check"], "setup-java")[0]["with"]["java-version"] == "17"
    assert "cloud-firestore-emulator" in steps(jobs["check"], "setup-gcloud")[0]["with"]["install_components"]


def test_every_supported_python_is_checked(jobs: dict[str, Any]) -> None:
    assert jobs["check"]["strategy"]["matrix"] == {"python-version": ["3.11", "3.12", "3.13"]}
    assert jobs["check"]["strategy"]["fail-fast"] is False
    version = "${{ matrix.python-version }}"
    assert steps(jobs["check"], "setup-python")[0]["with"]["python-version"] == version
    assert steps(jobs["check"], ".ci/run")[0]["env"] == {"PYTHON": f"python{version}"}


def test_only_a_tag_is_deployed_and_only_after_every_check(jobs: dict[str, Any]) -> None:
    assert jobs["deploy"]["if"] == "github.ref_type == 'tag'"
    assert jobs["deploy"]["needs"] == [name for name in jobs if name != "deploy"]
    (run,) = steps(jobs["deploy"], "./deploy.sh")
    assert {"--project", "--region", "--domain", "$OPTIONS"} <= set(run["run"].split())
    for job in (
        jobs["check"],
        jobs["deploy"],
    ):  # deploy.sh uses preview commands, and nobody confirms their installation
        assert {"alpha", "beta"} <= set(steps(job, "setup-gcloud")[0]["with"]["install_components"].split(","))


def test_the_terraform_module_is_validated_against_the_real_provider_without_a_backend(jobs: dict[str, Any]) -> None:
    commands = [step["run"] for step in jobs["terraform"]["steps"] if "run" in step]
    inside = "terraform -chdir=deploy/terraform"
    assert commands == [f"{inside} init -backend=false -input=false", f"{inside} validate"]
    assert (ROOT / "deploy" / "terraform" / "versions.tf").is_file()
    for job in (jobs["check"], jobs["terraform"]):  # the tests of the module fail in CI without Terraform
        assert steps(job, "setup-terraform")[0]["with"] == {"terraform_version": "1.11.4", "terraform_wrapper": False}


def test_deploying_uses_federation_and_no_key(jobs: dict[str, Any]) -> None:
    (signing_in,) = steps(jobs["deploy"], "google-github-actions/auth")
    assert set(signing_in["with"]) == {"workload_identity_provider", "service_account"}
    assert jobs["deploy"]["permissions"]["id-token"] == "write"
    assert "secrets." not in FILE.read_text()
    assert "permissions" not in jobs["check"]  # it has the workflow's own permission, which is to read


def test_every_action_is_pinned_by_its_commit_with_the_version_as_a_comment() -> None:
    used = re.findall(r"uses: *(.+)", FILE.read_text())
    assert len(used) == 14
    pinned = re.compile(r"(actions|google-github-actions|hashicorp)/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [line for line in used if not pinned.fullmatch(line)] == []
    assert len({line.partition("@")[0] for line in used}) == len(set(used)), "one action in two versions"


def test_a_checkout_leaves_no_token_behind(jobs: dict[str, Any]) -> None:
    for job in jobs.values():
        assert steps(job, "actions/checkout")[0]["with"] == {"persist-credentials": False}


def test_dependabot_watches_every_kind_of_dependency() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    assert {each["package-ecosystem"] for each in updates} == {"pip", "npm", "github-actions", "docker", "terraform"}
    for each in updates:
        for folder in each.get("directories", [each.get("directory")]):
            assert (ROOT / folder.removeprefix("/")).is_dir()


def test_what_a_stranger_may_name_is_never_part_of_a_command(jobs: dict[str, Any]) -> None:
    assert not [step["run"] for job in jobs.values() for step in job["steps"] if "${{" in step.get("run", "")]
