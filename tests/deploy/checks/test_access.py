"""Who reaches a deployed service: its functions, Identity-Aware Proxy, members, and requests."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from deploy.caller import Caller
from deploy.checks import access
from deploy.checks.finding import Level
from tests.deploy.checks.conftest import Examination
from tests.deploy.conftest import MEMBER, NUMBER, PROJECT
from tests.deploy.service import NOT_A_MEMBER, TOKEN, Reply, Service, serving

HEALTH, RUNS = "GET /api/v1/health", "GET /api/v1/runs"


@pytest.fixture
def service() -> Iterator[Service]:
    """Return a service in good health."""
    with serving() as running:
        running.replies = {HEALTH: Reply(body={"status": "healthy"}), RUNS: Reply(body={"runs": []})}
        yield running


def as_member(examination: Examination, service: Service) -> Examination:
    """Let the examination call a service with a token."""
    examination.caller = Caller(service.url, lambda: TOKEN)
    return examination


def test_ready_functions_are_fine(deployed: Examination) -> None:
    (finding,) = deployed.findings(access.functions)
    assert finding == (Level.OK, "All 10 functions are ready.", "")


def test_missing_unready_and_open_functions_are_told(deployed: Examination) -> None:
    deployed.without("services/haystack-list")
    create = deployed.resource("run/namespaces/cells-and-genes-1/services/haystack-create")
    create["status"]["conditions"] = [{"type": "Ready", "status": "False", "message": "The image was not found."}]
    status = deployed.resource("run/namespaces/cells-and-genes-1/services/haystack-status")
    status["metadata"]["annotations"]["run.googleapis.com/ingress"] = "all"
    missing, unready, opened = deployed.findings(access.functions)
    assert missing.text == "These functions are not deployed: list. Deploy again:"
    assert unready.text == "The function create is not ready: The image was not found. Its log:"
    assert unready.command.startswith('gcloud logging read \'resource.labels.service_name="haystack-create"')
    assert opened.text.startswith("The function status accepts requests from elsewhere.")


def test_a_backend_without_identity_aware_proxy_is_told(deployed: Examination) -> None:
    deployed.resource("backendServices/haystack-result")["iap"] = {"enabled": False}
    deployed.without("backendServices/haystack-cancel")
    deployed.revoke("locations/europe-west4/services/haystack-status")
    missing, off, refused = deployed.findings(access.proxy)
    assert missing.text == "These backend services do not exist: haystack-cancel. Deploy again:"
    assert off.level is Level.FIX
    assert off.text == "Identity-Aware Proxy is off for the backend haystack-result."
    assert off.command == (
        f"gcloud compute backend-services update haystack-result --global --iap=enabled --project={PROJECT}"
    )
    assert refused.text == "Identity-Aware Proxy may not call haystack-status. Deploy again:"


def test_protected_backends_are_fine(deployed: Examination) -> None:
    (finding,) = deployed.findings(access.proxy)
    assert finding == (Level.OK, "Identity-Aware Proxy protects all 9 backends.", "")


def test_members_are_named(deployed: Examination) -> None:
    (finding,) = deployed.findings(access.members)
    assert finding.text == f"These members may use the service: {MEMBER}."


def test_a_service_without_members_is_told(deployed: Examination) -> None:
    for policy in (each for key, each in deployed.cloud.policies.items() if key.startswith("iap/")):
        policy["bindings"] = []
    (finding,) = deployed.findings(access.members)
    assert finding.level is Level.FIX
    assert finding.text == "Nobody may use the service. Admit people:"
    assert finding.command.endswith("--member group:GROUP")


def test_members_of_a_part_and_of_the_whole_project_are_told(deployed: Examination) -> None:
    part = deployed.cloud.policies[f"iap/projects/{NUMBER}/iap_web/compute/services/haystack-create"]["bindings"]
    part.append({"role": part[0]["role"], "members": ["user:new@example.org"]})
    everywhere = [{"role": part[0]["role"], "members": ["group:all@example.org"]}]
    deployed.cloud.policies[f"iap/projects/{NUMBER}/iap_web"] = {"bindings": everywhere}
    partly, fine, wide = deployed.findings(access.members)
    assert partly.level is Level.FIX
    assert "These members may use some functions only: user:new@example.org." in partly.text
    assert fine.text == f"These members may use the service: group:all@example.org, {MEMBER}."
    assert wide.level is Level.KNOW
    assert "pass Identity-Aware Proxy in every environment" in wide.text


def test_a_request_without_a_token_is_stopped(deployed: Examination, service: Service) -> None:
    (finding,) = as_member(deployed, service).findings(access.stranger)
    assert finding == (Level.OK, "A request without a token is stopped (302).", "")


def test_a_service_that_answers_strangers_is_told(deployed: Examination, service: Service) -> None:
    service.guarded = False
    (finding,) = as_member(deployed, service).findings(access.stranger)
    assert finding.level is Level.FIX
    assert "A request without a token reaches the service (200)" in finding.text


def test_a_load_balancer_without_functions_and_one_that_is_silent_are_told(
    deployed: Examination, service: Service
) -> None:
    service.guarded, service.replies[RUNS] = False, Reply(503, b"no healthy upstream", {"Content-Type": "text/plain"})
    (finding,) = as_member(deployed, service).findings(access.stranger)
    assert "The load balancer answers 503" in finding.text
    deployed.caller = Caller("http://127.0.0.1:9")
    (finding,) = deployed.findings(access.stranger)
    assert finding.level is Level.FIX
    assert "nothing listens there" in finding.text


def test_a_member_gets_an_answer(deployed: Examination, service: Service) -> None:
    (finding,) = as_member(deployed, service).findings(access.signed_in)
    assert finding.level is Level.OK
    assert [key for key, _ in service.requests] == [HEALTH, RUNS]


def test_without_a_token_or_a_domain_no_request_is_sent(deployed: Examination) -> None:
    (finding,) = deployed.findings(access.signed_in)
    assert finding.level is Level.UNCHECKED
    assert finding.command.startswith("./deploy.sh doctor --project ")
    assert "--service-account haystack-caller@" in finding.command
    deployed.target = replace(deployed.target, domain="")
    (finding,) = deployed.findings(access.signed_in)
    assert finding.level is Level.UNCHECKED
    assert deployed.findings(access.stranger) == []


@pytest.mark.parametrize(
    ("path", "reply", "said"),
    [
        (HEALTH, NOT_A_MEMBER, "GET /api/v1/health with a token: Identity-Aware Proxy answers 403: this account is not a member"),
        (HEALTH, Reply(403, b"Your client does not have permission to get URL"), "Cloud Run answers 403"),
        (RUNS, Reply.problem(503, "unavailable", "Firestore is unavailable."), "503 unavailable: Firestore is unavailable."),
    ],
)  # fmt: skip
def test_a_member_who_is_refused_is_told_by_whom(
    deployed: Examination, service: Service, path: str, reply: Reply, said: str
) -> None:
    service.replies[path] = reply
    (finding,) = as_member(deployed, service).findings(access.signed_in)
    assert finding.level is Level.FIX
    assert said in finding.text
