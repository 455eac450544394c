"""What GitHub is told to do: check everything as `.ci/run` does, and deploy tags without a key."""

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


def test_only_a_tag_is_deployed_and_only_after_the_check(jobs: dict[str, Any]) -> None:
    assert (jobs["deploy"]["if"], jobs["deploy"]["needs"]) == ("github.ref_type == 'tag'", "check")
    (run,) = steps(jobs["deploy"], "./deploy.sh")
    assert {"--project", "--region", "--domain", "$OPTIONS"} <= set(run["run"].split())
    for job in jobs.values():  # deploy.sh uses preview commands, and nobody is there to say yes to installing them
        assert {"alpha", "beta"} <= set(steps(job, "setup-gcloud")[0]["with"]["install_components"].split(","))


def test_deploying_uses_federation_and_no_key(jobs: dict[str, Any]) -> None:
    (signing_in,) = steps(jobs["deploy"], "google-github-actions/auth")
    assert set(signing_in["with"]) == {"workload_identity_provider", "service_account"}
    assert jobs["deploy"]["permissions"]["id-token"] == "write"
    assert "secrets." not in FILE.read_text()
    assert "permissions" not in jobs["check"]  # the workflow's own: it reads, no more


def test_every_action_is_pinned_by_its_major_version(jobs: dict[str, Any]) -> None:
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"(actions|google-github-actions)/[a-z-]+@v\d+", name) for name in used)


def test_what_a_stranger_may_name_is_never_part_of_a_command(jobs: dict[str, Any]) -> None:
    assert not [step["run"] for job in jobs.values() for step in job["steps"] if "${{" in step.get("run", "")]
