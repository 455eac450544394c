"""What a person needs before anything else: gcloud, a login, a project, and billing."""

import json

from deploy.checks import account
from deploy.checks.finding import Level
from deploy.checks.reader import Reader
from deploy.gcloud import Answer
from tests.deploy.checks.conftest import Examination
from tests.deploy.conftest import PROJECT


def version(**components: str) -> Reader:
    """Return a reader of a gcloud with these components."""
    return Reader(PROJECT, run=lambda *_: Answer(0, json.dumps(components), ""))


def test_the_version_of_gcloud_is_told(new: Examination) -> None:
    (finding,) = account.gcloud(new.reader)
    assert finding.level in {Level.OK, Level.KNOW}  # an older gcloud may be installed here
    assert finding.text.startswith("gcloud ")


def test_an_old_gcloud_is_told_with_the_command_that_updates_it() -> None:
    (finding,) = account.gcloud(version(**{"Google Cloud SDK": "400.0.0", "alpha": "2022.01.01", "beta": "2022.01.01"}))
    assert finding.level is Level.KNOW
    assert "gcloud 400.0.0 is older than 528.0.0" in finding.text
    assert finding.command == "gcloud components update"


def test_missing_preview_commands_are_to_install() -> None:
    """Regression: the doctor asked for the beta commands only, and the deployment failed at its first alert."""
    for installed in ({}, {"beta": "2026.01.01"}, {"alpha": "2026.01.01"}):
        finding, _ = account.gcloud(version(**{"Google Cloud SDK": "600.0.0"}, **installed))
        assert finding.level is Level.FIX
    assert finding.command == "gcloud components install alpha beta"


def test_a_person_who_is_not_logged_in_is_told_to_log_in(new: Examination) -> None:
    new.logged_in = False
    found, (finding,) = account.project(new.reader)
    assert found is None
    assert finding.level is Level.FIX
    assert finding.text == "You are not logged in to gcloud, or your login has expired."
    assert finding.command == "gcloud auth login --update-adc"


def test_the_project_is_found(new: Examination) -> None:
    found, (finding,) = account.project(new.reader)
    assert found is not None
    assert finding.level is Level.OK


def test_a_project_that_one_may_not_view_is_told(new: Examination) -> None:
    new.cloud.denied[f"cloudresourcemanager/projects/{PROJECT}$"] = "resourcemanager.projects.get"
    found, (finding,) = account.project(new.reader)
    assert found is None
    assert finding.level is Level.FIX
    assert "does not exist, or your account may not view it" in finding.text
    assert finding.command == f"gcloud projects create {PROJECT}"


def test_billing_that_is_not_enabled_is_to_fix(new: Examination) -> None:
    (finding,) = new.findings(account.billing)
    assert finding.level is Level.OK
    new.cloud.billing = False
    (finding,) = new.findings(account.billing)
    assert finding.level is Level.FIX
    assert "Billing is not enabled" in finding.text
    assert finding.command == f"gcloud billing projects link {PROJECT} --billing-account=BILLING_ACCOUNT"
