"""Jobs run in a network of the operator's choice, and reach Google's APIs without an external address."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from deploy import functions, network
from deploy.__main__ import main
from deploy.gcloud import Answer, CommandFailed, Gcloud
from deploy.target import Target
from tests.deploy.conftest import PROJECT, REGION, answering

NOT_FOUND = Answer(1, "", "ERROR: (gcloud.compute.networks.subnets.describe) The resource was not found")
SUBNET = f"projects/{PROJECT}/regions/{REGION}/subnetworks/jobs"
UP = (f"--project={PROJECT}", f"--region={REGION}", "--domain=haystack.example.org", "--dry-run")


@pytest.fixture
def inside(target: Target) -> Target:
    """Return a target whose jobs have a network and no external address."""
    return replace(target, network="lab", subnet="jobs", external_ip=False)


def test_functions_that_submit_jobs_know_the_network(inside: Target) -> None:
    given = functions.environment(inside, "create", "", "image")
    assert given["JOB_NETWORK"] == f"projects/{PROJECT}/global/networks/lab"
    assert given["JOB_SUBNETWORK"] == SUBNET
    assert given["JOB_EXTERNAL_IP"] == "0"
    assert not [name for name in functions.environment(inside, "list", "", "image") if name.startswith("JOB_")]


def test_a_shared_network_keeps_its_full_name(inside: Target) -> None:
    shared = "projects/host-project/regions/europe-west4/subnetworks/jobs"
    assert replace(inside, subnet=shared).job_subnetwork == shared


def test_a_subnet_with_private_google_access_is_accepted(inside: Target, capsys: pytest.CaptureFixture[str]) -> None:
    commands: list[Sequence[str]] = []
    network.check(Gcloud(PROJECT, run=answering({"privateIpGoogleAccess": True}, commands=commands)), inside)
    assert len(commands) == 1
    assert "Private Google Access" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (NOT_FOUND, "does not exist"),
        ({"name": "jobs"}, f"gcloud compute networks subnets update jobs --project={PROJECT} --region={REGION} "),
    ],
)
def test_a_subnet_without_it_stops_the_deployment_and_a_dry_run_says_so(
    inside: Target, found: object, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandFailed, match=said):
        network.check(Gcloud(PROJECT, run=answering(found)), inside)
    network.check(Gcloud(PROJECT, dry_run=True, run=answering(found)), inside)
    printed = capsys.readouterr().out
    assert SUBNET in printed
    assert said.partition(" --project")[0] in printed


def test_the_default_network_and_a_shared_one_are_not_checked(target: Target, inside: Target) -> None:
    commands: list[Sequence[str]] = []
    cloud = Gcloud(PROJECT, run=answering({}, commands=commands))
    network.check(cloud, target)
    network.check(Gcloud(PROJECT, dry_run=True, blind=True, run=answering({}, commands=commands)), inside)
    network.check(cloud, replace(inside, subnet="projects/host-project/regions/r1/subnetworks/jobs"))
    assert commands == []


@pytest.mark.parametrize(
    ("found", "said"),
    [(NOT_FOUND, "does not exist"), ({"network": "https://x/projects/p/global/networks/other"}, "--network")],
)
def test_a_subnet_is_checked_although_jobs_have_external_addresses(inside: Target, found: object, said: str) -> None:
    """Regression: Batch refused the first job because the subnet was missing, or in another network."""
    with pytest.raises(CommandFailed, match=said):
        network.check(Gcloud(PROJECT, run=answering(found)), replace(inside, external_ip=True))


def test_a_subnet_of_another_region_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Regression: jobs run in --region, and Batch refused a subnet elsewhere only when the first question was asked."""
    subnet = f"--subnet=projects/{PROJECT}/regions/us-west1/subnetworks/jobs"
    with pytest.raises(SystemExit):
        main(["deploy", *UP, "--network=lab", subnet])
    assert f"--subnet is in us-west1, and jobs run in {REGION}" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--network=lab"], ["--subnet=jobs"], ["--no-external-ip"]])
def test_half_a_network_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["deploy", *UP, *words])
    assert "--network and --subnet" in capsys.readouterr().err
