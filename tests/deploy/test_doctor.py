"""`./deploy.sh doctor` as a whole: what it prints, how it counts, and that it changes nothing."""

import io
import re

import pytest

from deploy import doctor
from deploy.caller import Caller
from tests.deploy.checks.conftest import Examination, deployed, new  # noqa: F401  # fixtures
from tests.deploy.conftest import DOMAIN, PROJECT, WHERE, deploy, repository_in
from tests.deploy.service import TOKEN, Reply, serving

pytestmark = pytest.mark.timeout(300)  # about 50 commands

READING = re.compile(r"^GET |:(getIamPolicy|getAncestry|getEffectiveOrgPolicy)$")


def examine(examination: Examination) -> tuple[int, str]:
    """Return the exit code and the output."""
    out = io.StringIO()
    return doctor.examine(examination.reader, examination.checkup, out), out.getvalue()


def changes(examination: Examination) -> list[str]:
    """Return the requests that change something."""
    return [str(each) for each in examination.recorder.requests if not READING.search(str(each))]


def test_a_service_in_good_health_has_nothing_to_fix(deployed: Examination) -> None:  # noqa: F811
    with serving() as service:
        service.replies = {
            "GET /api/v1/health": Reply(body={"status": "healthy"}),
            "GET /api/v1/runs": Reply(body={"runs": []}),
        }
        deployed.caller = Caller(service.url, lambda: TOKEN)
        code, output = examine(deployed)
    assert code == 0, output
    assert re.search(r"^0 to fix, \d to know, 0 not checked$", output, re.MULTILINE), output
    titles = [line for line in output.splitlines() if line and not line.startswith(" ")]
    assert titles[:-1] == ["You", "Project", "Organization", "Region", "Domain", "Service", "Runs"]
    assert "  ok    A request with a token gets an answer" in output
    assert changes(deployed) == []


def test_a_new_project_is_examined_without_the_service(new: Examination) -> None:  # noqa: F811
    new.cloud.billing = False
    code, output = examine(new)
    assert code == 1
    assert "  FIX   Billing is not enabled" in output
    assert f"        $ gcloud billing projects link {PROJECT}" in output
    assert "  know  The service is not deployed yet (haystack in cells-and-genes-1)." in output
    assert "Runs" not in output.splitlines()
    assert output.splitlines()[-1].startswith("1 to fix, ")
    assert changes(new) == []


def test_what_one_may_not_read_is_told_and_the_rest_is_checked(deployed: Examination) -> None:  # noqa: F811
    deployed.cloud.denied = {
        ":getEffectiveOrgPolicy": "orgpolicy.policy.get",
        "^run/": "run.services.list",
        "^cloudscheduler/": "cloudscheduler.jobs.list",
    }
    _, output = examine(deployed)
    assert (
        "  ?     Organization policies could not be checked: you may not read this (orgpolicy.policy.get). "
        f"Ask an owner of {PROJECT} for roles/viewer, or for this permission."
    ) in output
    for about in ("Functions", "Identity-Aware Proxy", "The sweep"):
        assert f"  ?     {about} could not be checked: you may not read this (" in output
    assert "  ok    The Firestore database" in output
    assert "  ok    Batch notifications" in output
    assert output.splitlines()[-1].endswith(" not checked")


def test_an_api_that_is_not_enabled_is_told_with_the_command_that_enables_it(new: Examination) -> None:  # noqa: F811
    new.cloud.denied = {"^(compute|firestore|cloudbuild)/": ""}
    code, output = examine(new)
    assert code == 0, output
    assert "  ?     The quotas of jobs could not be checked: the API compute is not enabled yet." in output
    assert f"        $ gcloud services enable firestore.googleapis.com --project={PROJECT}" in output
    assert "The service is not deployed yet" in output
    assert changes(new) == []


def test_without_a_login_only_the_login_is_told(new: Examination) -> None:  # noqa: F811
    new.logged_in = False
    code, output = examine(new)
    assert code == 1
    assert "$ gcloud auth login --update-adc" in output
    assert output.splitlines()[-1].startswith("1 to fix, ")
    assert new.recorder.requests == []


def test_the_script_passes_the_exit_code_and_adds_nothing(
    new: Examination,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    new.cloud.denied = {f"cloudresourcemanager/projects/{PROJECT}$": "resourcemanager.projects.get"}
    repository = repository_in(tmp_path_factory.mktemp("repository"))
    run = deploy(new.recorder, repository, new.binaries, "doctor", *WHERE, f"--domain={DOMAIN}")
    assert (run.code, run.stderr) == (1, "")
    assert f"The project {PROJECT} does not exist, or your account may not view it." in run.stdout
