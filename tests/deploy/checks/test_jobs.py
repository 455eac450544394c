"""What runs need: atlases, mounts, notifications and the sweep."""

from collections.abc import Callable

import pytest

from deploy.checks import jobs
from deploy.checks.finding import Level
from shared.gcp import batch
from tests.deploy.checks.conftest import JOB, Examination
from tests.deploy.conftest import PROJECT, REGION

ATLASES = f"{PROJECT}-haystack-atlases"
SUBSCRIPTION = "subscriptions/haystack-jobs-to-reconcile"
SWEEP = "jobs/haystack-sweep"
CHECKS = (jobs.atlases, jobs.last_job, jobs.notifications, jobs.sweep)


@pytest.mark.parametrize("check", CHECKS)
def test_a_healthy_service_has_nothing_to_fix(deployed: Examination, check: Callable[..., object]) -> None:
    assert [finding.level for finding in check(deployed.checkup())] == [Level.OK]  # type: ignore[attr-defined]


def test_a_job_that_may_not_read_its_atlas_is_told_with_the_command_that_lets_it(deployed: Examination) -> None:
    deployed.revoke(f"storage/b/{ATLASES}", member="haystack-job@")
    (finding,) = deployed.findings(jobs.atlases)
    assert finding.level is Level.FIX
    job = f"haystack-job@{PROJECT}.iam.gserviceaccount.com"
    assert finding.text == f"{job} lacks roles/storage.objectViewer on gs://{ATLASES}: reads the mounted atlases."
    assert finding.command == (
        f"gcloud storage buckets add-iam-policy-binding gs://{ATLASES} --member=serviceAccount:{job} "
        f"--role=roles/storage.objectViewer --project={PROJECT}"
    )


def test_a_service_without_atlases_is_told_how_to_ingest_one(deployed: Examination) -> None:
    deployed.cloud.objects.clear()
    _, finding = deployed.findings(jobs.atlases)
    assert finding.level is Level.KNOW
    assert "No atlas is ingested" in finding.text


def test_the_mount_options_are_those_of_the_jobs() -> None:
    assert jobs.MOUNT_OPTIONS == batch.MOUNT_OPTIONS


def test_a_job_that_mounts_its_atlas_for_root_only_is_told(deployed: Examination) -> None:
    volume = deployed.resource(f"/jobs/{JOB}")["taskGroups"][0]["taskSpec"]["volumes"][0]
    volume["mountOptions"] = ["--implicit-dirs"]
    (finding,) = deployed.findings(jobs.last_job)
    assert finding.level is Level.FIX
    assert f"The newest job {JOB} mounts the atlases without -o allow_other" in finding.text


def test_why_the_newest_job_failed_is_told(deployed: Examination) -> None:
    events = [{"description": "Task failed with exit code 2."}]
    deployed.resource(f"/jobs/{JOB}")["status"] = {"state": "FAILED", "statusEvents": events}
    (finding,) = deployed.findings(jobs.last_job)
    assert finding.level is Level.KNOW
    assert f"The newest job {JOB} failed. Task failed with exit code 2." in finding.text
    assert finding.command == f"gcloud batch jobs describe {JOB} --location={REGION} --project={PROJECT}"


def test_without_a_job_the_smoke_test_is_proposed(deployed: Examination) -> None:
    deployed.without(f"/jobs/{JOB}")
    (finding,) = deployed.findings(jobs.last_job)
    caller = f"haystack-caller@{PROJECT}.iam.gserviceaccount.com"
    place = f"--project {PROJECT} --region {REGION} --domain haystack.example.org"
    assert finding.command == f"./deploy.sh verify {place} --service-account {caller}"


def test_a_missing_topic_is_told(deployed: Examination) -> None:
    deployed.without("topics/haystack-jobs")
    (finding,) = deployed.findings(jobs.notifications)
    assert finding.text.startswith("The topic haystack-jobs does not exist")


def test_a_missing_subscription_is_told(deployed: Examination) -> None:
    deployed.without(SUBSCRIPTION)
    (finding,) = deployed.findings(jobs.notifications)
    assert finding.text.startswith("The subscription haystack-jobs-to-reconcile does not exist")


def test_a_subscription_whose_topic_was_deleted_is_told(deployed: Examination) -> None:
    deployed.resource(SUBSCRIPTION)["topic"] = "_deleted-topic_"
    (finding,) = deployed.findings(jobs.notifications)
    assert "has lost its topic" in finding.text
    assert finding.command == f"gcloud pubsub subscriptions delete haystack-jobs-to-reconcile --project={PROJECT}"


def test_a_subscription_that_pushes_elsewhere_is_told(deployed: Examination) -> None:
    deployed.resource(SUBSCRIPTION)["pushConfig"]["pushEndpoint"] = "https://elsewhere.example.org"
    (finding,) = deployed.findings(jobs.notifications)
    assert "pushes elsewhere" in finding.text


def test_an_account_that_may_not_publish_is_told(deployed: Examination) -> None:
    deployed.revoke("topics/haystack-jobs", member="haystack-job@")
    (finding,) = deployed.findings(jobs.notifications)
    assert "lacks roles/pubsub.publisher on the topic haystack-jobs: Batch notifies as this account." in finding.text
    assert finding.command.startswith("gcloud pubsub topics add-iam-policy-binding haystack-jobs ")


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({"state": "PAUSED"}, Level.FIX, "The sweep haystack-sweep is paused."),
        ({"status": {"code": 7, "message": "HTTP 403"}}, Level.FIX, "The last sweep failed (code 7, HTTP 403)."),
        ({"lastAttemptTime": "2026-11-28T11:00:00Z"}, Level.FIX, "The last sweep was at 2026-11-28 11:00 UTC"),
        ({"lastAttemptTime": ""}, Level.KNOW, "The sweep has not run yet."),
    ],
)
def test_a_sweep_that_does_not_run_is_told(
    deployed: Examination, changes: dict[str, object], level: Level, said: str
) -> None:
    deployed.resource(SWEEP).update(changes)
    (finding,) = deployed.findings(jobs.sweep)
    assert finding.level is level
    assert said in finding.text
    assert finding.command.startswith("gcloud ")


def test_a_missing_sweep_and_one_that_is_refused_are_told(deployed: Examination) -> None:
    deployed.revoke("services/haystack-reconcile")
    (finding,) = deployed.findings(jobs.sweep)
    assert "may not call reconcile" in finding.text
    deployed.without(SWEEP)
    (finding,) = deployed.findings(jobs.sweep)
    assert "The Cloud Scheduler job haystack-sweep does not exist" in finding.text
