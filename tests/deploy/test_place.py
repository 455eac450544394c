"""A command with a wrong region or domain stops, in the words of a person who mistyped it."""

from dataclasses import replace

import pytest

from deploy import place
from deploy.frontend import certificate
from deploy.gcloud import CommandFailed, Gcloud
from deploy.target import Target
from tests.deploy.conftest import PROJECT, REGION, answering


def buckets(target: Target, location: str) -> list[dict[str, str]]:
    return [{"name": target.results_bucket, "location": location}]


@pytest.mark.parametrize("location", [REGION.upper(), REGION, "US", "EUR4"])
def test_the_region_of_the_service_and_locations_of_somebody_s_choice_are_accepted(
    target: Target, location: str
) -> None:
    place.check_region(Gcloud(PROJECT, run=answering(buckets(target, location))), target)
    place.check_region(Gcloud(PROJECT, run=answering([])), target)


def test_another_region_is_refused(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    """Regression: with a wrong --region, destroy deleted the front end of the service, and a deployment made half a second one."""
    found = answering(buckets(target, "US-WEST1"))
    with pytest.raises(CommandFailed, match=r"is in us-west1, .* Pass --region us-west1"):
        place.check_region(Gcloud(PROJECT, run=found), target)
    place.check_region(Gcloud(PROJECT, dry_run=True, run=found), target)
    assert "Pass --region us-west1" in capsys.readouterr().out


def test_the_domain_of_the_other_environment_is_refused(target: Target) -> None:
    """Regression: a deployment of dev with the domain of prod made two certificates, and the doctor led prod's DNS to dev."""
    cloud = Gcloud(PROJECT, run=answering([{"name": certificate(target)}]))
    place.check_domain(cloud, target)
    with pytest.raises(CommandFailed, match=r"is the domain of prod\. Pass another --domain for dev"):
        place.check_domain(cloud, replace(target, env="dev"))


def test_a_change_of_the_domain_is_told(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    found = [{"name": certificate(replace(target, domain="old.example.org"))}, {"name": "haystack-front-else"}]
    place.check_domain(Gcloud(PROJECT, run=answering(found)), target)
    assert "The previous one stops working now" in capsys.readouterr().out
