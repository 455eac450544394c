"""The organization and its policies: each finding that stops a deployment says what to do."""

from dataclasses import replace

import pytest

from deploy.checks import organization
from deploy.checks.finding import Level
from tests.deploy.checks.conftest import Examination
from tests.deploy.conftest import REGION

pytestmark = pytest.mark.timeout(180)  # a dozen commands

FORBIDDEN = {"listPolicy": {"allValues": "DENY"}}
ENFORCED = {"booleanPolicy": {"enforced": True}}
JUDGES = {rule.constraint: rule.judge for rule in organization.RULES}


def test_an_organization_s_own_members_can_sign_in(new: Examination) -> None:
    (finding,) = new.findings(organization.membership)
    assert finding.level is Level.KNOW
    assert "only accounts of the project's organization can sign in" in finding.text
    assert ":handleRedirect" in finding.text


def test_without_an_organization_people_cannot_sign_in_without_a_client(new: Examination) -> None:
    new.cloud.organization = ""
    (finding,) = new.findings(organization.membership)
    assert finding.level is Level.FIX
    assert "is in no organization" in finding.text
    assert ":handleRedirect" in finding.text
    assert "./deploy.sh stops" in finding.text
    new.target = replace(new.target, iap_client_id="1-a.apps.googleusercontent.com")
    (finding,) = new.findings(organization.membership)
    assert finding.level is Level.OK


def test_the_doctor_says_of_members_what_the_deployment_says(new: Examination) -> None:
    """Regression: the doctor found nothing to fix, and the deployment refused a member of another organization."""
    new.target = replace(new.target, members=("user:ada@gmail.com",))
    (finding,) = new.findings(organization.membership)
    assert finding.level is Level.FIX
    assert "not of example.org" in finding.text
    new.target = replace(new.target, members=("user:ada@example.org",))
    (finding,) = new.findings(organization.membership)
    assert (finding.level, "accounts of example.org" in finding.text) == (Level.KNOW, True)


def test_a_blank_client_is_google_s(deployed: Examination) -> None:
    """Regression: the doctor took the blank id, which is left when a client is removed, for a client of one's own."""
    deployed.cloud.organization = ""
    deployed.resource("/backendServices/haystack-create")["iap"]["oauth2ClientId"] = " "
    (finding,) = deployed.findings(organization.membership)
    assert finding.level is Level.FIX


def test_a_client_of_one_s_own_decides_who_can_sign_in(deployed: Examination) -> None:
    deployed.cloud.organization = ""
    deployed.resource("/backendServices/haystack-create")["iap"]["oauth2ClientId"] = "1-a.apps.googleusercontent.com"
    (finding,) = deployed.findings(organization.membership)
    assert finding.level is Level.OK


def test_policies_that_nobody_set_restrict_nothing(new: Examination) -> None:
    (finding,) = new.findings(organization.policies)
    assert finding == (Level.OK, "None of 11 organization policies restricts the deployment.", "")


def test_the_policies_in_force_are_read_and_each_that_matters_is_told(new: Examination) -> None:
    new.cloud.org_policies = {"compute.vmExternalIpAccess": FORBIDDEN, "iam.disableServiceAccountCreation": ENFORCED}
    addresses, accounts = new.findings(organization.policies)
    assert addresses.level is Level.FIX
    assert addresses.command.endswith("--network NETWORK --subnet SUBNET --no-external-ip")
    assert "iam.disableServiceAccountCreation" in accounts.text


@pytest.mark.parametrize(
    ("constraint", "policy", "level", "said"),
    [
        ("iam.allowedPolicyMemberDomains", {"listPolicy": {"allowedValues": ["C0abc"]}}, Level.KNOW, "C0abc"),
        ("compute.vmExternalIpAccess", FORBIDDEN, Level.FIX, "allows no external addresses"),
        ("compute.skipDefaultNetworkCreation", ENFORCED, Level.KNOW, "have no default network"),
        (
            "gcp.resourceLocations",
            {"listPolicy": {"allowedValues": ["in:us-central1-locations", "global"]}},
            Level.KNOW,
            f"Check that {REGION} is among them",
        ),
        (
            "gcp.resourceLocations",
            {"listPolicy": {"allowedValues": ["us-east1", "global"]}},
            Level.FIX,
            "Choose another --region",
        ),
        (
            "gcp.resourceLocations",
            {"listPolicy": {"allowedValues": [f"in:{REGION}-locations"]}},
            Level.FIX,
            "Secrets also need `global`",
        ),
        (
            "gcp.resourceLocations",
            {"listPolicy": {"allowedValues": [f"in:{REGION}-locations", "global"]}},
            Level.KNOW,
            f"{REGION} is one of them",
        ),
        (
            "gcp.restrictServiceUsage",
            {"listPolicy": {"deniedValues": ["batch.googleapis.com"]}},
            Level.FIX,
            "forbids batch.googleapis.com",
        ),
        ("run.allowedIngress", {"listPolicy": {"allowedValues": ["internal"]}}, Level.FIX, "internal-and-cloud-load"),
        ("compute.restrictLoadBalancerCreationForTypes", FORBIDDEN, Level.FIX, "is the front end"),
        ("compute.trustedImageProjects", {"listPolicy": {"allowedValues": ["projects/x"]}}, Level.FIX, "jobs cannot"),
        ("compute.disableGlobalLoadBalancing", ENFORCED, Level.FIX, "forbids global load balancers"),
        ("iap.requireGlobalIapWebDisabled", ENFORCED, Level.FIX, "forbids Identity-Aware Proxy"),
        ("iam.disableServiceAccountCreation", ENFORCED, Level.FIX, "forbids new service accounts"),
    ],
)
def test_a_policy_is_judged_by_what_it_means_for_the_deployment(
    new: Examination, constraint: str, policy: dict[str, object], level: Level, said: str
) -> None:
    finding = JUDGES[constraint](new.checkup(), policy)
    assert finding is not None
    assert finding.level is level
    assert constraint in finding.text
    assert said in finding.text


def test_jobs_without_external_addresses_need_no_exception(new: Examination) -> None:
    judge = JUDGES["compute.vmExternalIpAccess"]
    assert judge(new.checkup(), FORBIDDEN) is not None
    new.target = replace(new.target, external_ip=False)
    assert judge(new.checkup(), FORBIDDEN) is None


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ({}, True),
        ({"listPolicy": {"allValues": "ALLOW"}}, True),
        (FORBIDDEN, False),
        ({"listPolicy": {"allowedValues": ["is:a"]}}, True),
        ({"listPolicy": {"allowedValues": ["b"]}}, False),
        ({"listPolicy": {"deniedValues": ["a"]}}, False),
        ({"listPolicy": {"deniedValues": ["b"]}}, True),
    ],
)
def test_a_list_policy_allows_what_it_lists_or_does_not_deny(policy: dict[str, object], *, allowed: bool) -> None:
    assert organization.allows(policy, "a") is allowed
