"""DNS and the certificate: each finding names the record or the command."""

from dataclasses import replace

import pytest

from deploy.checks import address
from deploy.checks.finding import Level
from tests.deploy.checks.conftest import ADDRESS, Examination
from tests.deploy.conftest import DOMAIN


def test_before_the_deployment_the_record_is_told(new: Examination) -> None:
    new.resolved = set()
    (finding,) = new.findings(address.dns)
    assert finding.level is Level.KNOW
    assert "point an A record to it. It does not resolve yet." in finding.text
    assert finding.command.startswith("gcloud compute addresses describe haystack-front --global ")


def test_without_a_domain_nothing_is_checked(new: Examination) -> None:
    new.target = replace(new.target, domain="")
    (finding,) = new.findings(address.dns)
    assert finding.text == "The domain was not checked. Pass --domain."
    assert new.findings(address.front_certificate) == []


@pytest.mark.parametrize(
    ("resolved", "level", "said"),
    [
        ({ADDRESS}, Level.OK, f"{DOMAIN} resolves to {ADDRESS}."),
        (set(), Level.FIX, f"Set this DNS record: {DOMAIN}. A {ADDRESS}\nIt does not resolve yet."),
        ({"198.51.100.1"}, Level.FIX, f"{DOMAIN}. A {ADDRESS}\nIt resolves to 198.51.100.1 now."),
        ({ADDRESS, "2001:db8::1"}, Level.FIX, f"{DOMAIN} also resolves to 2001:db8::1, which keeps Google"),
    ],
)
def test_the_domain_resolves_to_the_address_and_to_no_other(
    deployed: Examination, resolved: set[str], level: Level, said: str
) -> None:
    deployed.resolved = resolved
    (finding,) = deployed.findings(address.dns)
    assert finding.level is level
    assert said in finding.text


@pytest.mark.parametrize(
    ("managed", "level", "said"),
    [
        ({"status": "ACTIVE"}, Level.OK, "is active"),
        ({"status": "PROVISIONING", "domainStatus": {DOMAIN: "PROVISIONING"}}, Level.KNOW, "within an hour"),
        ({"status": "PROVISIONING", "domainStatus": {DOMAIN: "FAILED_NOT_VISIBLE"}}, Level.FIX, "Fix DNS"),
        ({"status": "PROVISIONING", "domainStatus": {DOMAIN: "FAILED_CAA_FORBIDDEN"}}, Level.FIX, "pki.goog"),
        ({"status": "PROVISIONING_FAILED"}, Level.FIX, "PROVISIONING_FAILED"),
    ],
)
def test_the_state_of_the_certificate_is_told(
    deployed: Examination, managed: dict[str, object], level: Level, said: str
) -> None:
    deployed.resource("sslCertificates/haystack-front-b293175a")["managed"] = managed
    (finding,) = deployed.findings(address.front_certificate)
    assert finding.level is level
    assert said in finding.text


def test_a_missing_certificate_is_made_by_the_next_deployment(deployed: Examination) -> None:
    deployed.without("sslCertificates/haystack-front-b293175a")
    (finding,) = deployed.findings(address.front_certificate)
    assert finding.level is Level.FIX
    assert finding.command.startswith("./deploy.sh --project")


def test_names_are_resolved_by_the_machine() -> None:
    assert "127.0.0.1" in address.resolve("localhost")
    assert address.resolve("nowhere.invalid") == set()
