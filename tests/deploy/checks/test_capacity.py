"""Quotas and builds: each finding names the request that raises the quota."""

from dataclasses import replace

from deploy.checks import capacity
from deploy.checks.finding import Level
from tests.deploy.checks.conftest import Examination, listed
from tests.deploy.conftest import PROJECT, REGION


def test_the_number_of_concurrent_runs_is_told(new: Examination) -> None:
    (finding,) = new.findings(capacity.quotas_of_runs)
    assert finding.level is Level.KNOW
    assert finding.text == f"{REGION} has room for 6 concurrent runs, limited by CPUs. More runs wait in Batch."


def test_a_quota_without_room_for_one_run_is_told_with_the_request_for_more(new: Examination) -> None:
    region = new.resource(f"regions/{REGION}")
    region["quotas"] = listed({"CPUS": 24, "SSD_TOTAL_GB": 500, "E2_CPUS": 0}) + listed(
        {"IN_USE_ADDRESSES": 8}, usage=8
    )
    finding, _ = new.findings(capacity.quotas_of_runs)
    assert finding.level is Level.FIX
    assert (
        f"The quota of external addresses in {REGION} is too small: 8 of 8 are in use, and a run needs 1."
        in finding.text
    )
    assert "--quota-id=IN-USE-ADDRESSES-per-project-region" in finding.command
    assert f"--dimensions=region={REGION} --preferred-value=9" in finding.command


def test_jobs_without_external_addresses_need_no_quota_of_them(new: Examination) -> None:
    new.target = replace(new.target, external_ip=False)
    new.resource(f"regions/{REGION}")["quotas"] = listed({"CPUS": 8}) + listed({"IN_USE_ADDRESSES": 8}, usage=8)
    (finding,) = new.findings(capacity.quotas_of_runs)
    assert "2 concurrent runs" in finding.text


def test_a_project_without_cpus_has_room_for_no_run(new: Examination) -> None:
    new.resource(f"regions/{REGION}")["quotas"] = listed({"CPUS": 0})
    (finding,) = new.findings(capacity.quotas_of_runs)
    assert finding.level is Level.FIX
    assert finding.command.endswith(f"--preferred-value=4 --project={PROJECT}")


def test_quotas_that_are_not_listed_are_not_checked(new: Examination) -> None:
    del new.resource(f"regions/{REGION}")["quotas"]
    (finding,) = new.findings(capacity.quotas_of_runs)
    assert finding.level is Level.UNCHECKED


def test_a_region_that_does_not_exist_is_told(new: Examination) -> None:
    new.target = replace(new.target, region="europe-west99")
    (finding,) = new.findings(capacity.quotas_of_runs)
    assert finding.level is Level.FIX
    assert finding.text.startswith("There is no region europe-west99.")


def test_a_new_project_has_room_for_the_load_balancer(new: Examination) -> None:
    (finding,) = new.findings(capacity.quotas_of_front)
    assert finding.level is Level.OK


def test_too_few_backend_services_are_told(new: Examination) -> None:
    new.cloud.resources[f"compute/projects/{PROJECT}"]["quotas"] = listed({"BACKEND_SERVICES": 9}, usage=5)
    (finding,) = new.findings(capacity.quotas_of_front)
    assert finding.level is Level.FIX
    assert (
        "The quota of backend services is too small: 5 of 9 are in use, and the load balancer needs 9 more."
        in finding.text
    )
    assert "--quota-id=BACKEND-SERVICES-per-project --preferred-value=14" in finding.command


def test_an_existing_load_balancer_needs_no_more(deployed: Examination) -> None:
    deployed.cloud.resources[f"compute/projects/{PROJECT}"]["quotas"] = listed({"BACKEND_SERVICES": 9}, usage=9)
    (finding,) = deployed.findings(capacity.quotas_of_front)
    assert finding.level is Level.OK


def test_a_region_in_which_new_projects_may_not_build_is_told_with_another(new: Examination) -> None:
    (finding,) = new.findings(capacity.builds)
    assert finding.level is Level.KNOW
    assert f"New projects often cannot build in {REGION}." in finding.text
    assert finding.command.endswith("--build-region us-central1")


def test_a_region_with_a_successful_build_is_fine(new: Examination) -> None:
    new.cloud.builds.append({"id": "1", "status": "SUCCESS", "createTime": "2026-11-01T00:00:00Z"})
    (finding,) = new.findings(capacity.builds)
    assert finding.level is Level.OK
    assert "has built" in finding.text


def test_the_build_region_is_the_one_that_counts(new: Examination) -> None:
    new.target = replace(new.target, build_region="us-central1")
    (finding,) = new.findings(capacity.builds)
    assert finding.level is Level.OK
