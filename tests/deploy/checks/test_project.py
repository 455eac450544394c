"""APIs, the database and the network of jobs."""

from dataclasses import replace

import pytest

from deploy.checks import project
from deploy.checks.finding import Level
from tests.deploy.checks.conftest import Examination, assert_exists
from tests.deploy.conftest import PROJECT, REGION

SUBNET = f"compute/projects/{PROJECT}/regions/{REGION}/subnetworks/lab-jobs"


def test_apis_that_are_not_enabled_are_told(new: Examination) -> None:
    new.cloud.enabled = {"compute.googleapis.com"}
    (finding,) = new.findings(project.apis)
    assert finding.level is Level.KNOW
    assert finding.text.startswith("17 of 18 APIs are not enabled")
    assert "batch.googleapis.com" in finding.command
    assert "compute.googleapis.com" not in finding.command


def test_all_apis_are_enabled(deployed: Examination) -> None:
    (finding,) = deployed.findings(project.apis)
    assert finding.level is Level.OK


def test_a_project_without_a_database_is_fine(new: Examination) -> None:
    (finding,) = new.findings(project.database)
    assert finding.level is Level.OK
    assert "./deploy.sh creates it" in finding.text


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({}, Level.OK, "is in Native mode"),
        ({"type": "DATASTORE_MODE"}, Level.FIX, "is in Datastore mode"),
        ({"locationId": "nam5"}, Level.KNOW, f"is in nam5, not in {REGION}. Its location cannot change"),
    ],
)
def test_mode_and_location_of_a_database_are_told(
    deployed: Examination, changes: dict[str, str], level: Level, said: str
) -> None:
    deployed.resource("/databases/(default)").update(changes)
    (finding,) = deployed.findings(project.database)
    assert finding.level is level
    assert said in finding.text
    assert bool(finding.command) == (level is Level.FIX)


def test_the_default_network_is_enough(new: Examination) -> None:
    (finding,) = new.findings(project.subnet)
    assert finding == (Level.OK, "Jobs run in the default network.", "")


def test_a_project_without_a_network_is_told(new: Examination) -> None:
    new.without("networks/default")
    (finding,) = new.findings(project.subnet)
    assert finding.level is Level.FIX
    assert finding.command.endswith("--network haystack --subnet haystack --no-external-ip")
    for line in finding.text.splitlines()[1:3]:
        assert_exists(line)


def test_a_subnet_needs_private_google_access(new: Examination) -> None:
    new.target = replace(new.target, network="lab", subnet="lab-jobs", external_ip=False)
    (finding,) = new.findings(project.subnet)
    assert finding.text == f"The subnet lab-jobs does not exist in {REGION}, or you may not see it. Check --subnet."
    new.cloud.resources[SUBNET] = {"name": "lab-jobs"}
    (finding,) = new.findings(project.subnet)
    assert finding.level is Level.FIX
    assert finding.command.endswith("--enable-private-ip-google-access")
    new.cloud.resources[SUBNET] = {"name": "lab-jobs", "privateIpGoogleAccess": True}
    finding, nat = new.findings(project.subnet)
    assert finding.level is Level.OK
    assert "without external addresses" in finding.text
    assert "Cloud NAT" in nat.text


def test_the_network_of_a_deployed_service_is_checked(deployed: Examination) -> None:
    container = deployed.resource("/services/haystack-create")["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [
        {"name": "JOB_NETWORK", "value": f"projects/{PROJECT}/global/networks/lab"},
        {"name": "JOB_SUBNETWORK", "value": SUBNET.removeprefix("compute/")},
        {"name": "JOB_EXTERNAL_IP", "value": "0"},
    ]
    (finding,) = deployed.findings(project.subnet)
    assert finding.level is Level.FIX
    assert "The subnet lab-jobs does not exist" in finding.text
