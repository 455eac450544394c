"""Errors of an ingest tell the operator to log in, which role is missing, or where the settings are."""

from collections.abc import Iterator

import pytest
from google.api_core.exceptions import PermissionDenied, ServiceUnavailable
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError

from orchestrator.ingest import refusals
from orchestrator.ingest.__main__ import main
from shared import wiring
from shared.errors import SettingsInvalid, Unavailable


def unavailable(cause: Exception) -> Unavailable:
    """Return the error of a port whose library raised this."""
    error = Unavailable("Firestore")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("cause", [DefaultCredentialsError, RefreshError])
def test_an_operator_who_is_not_logged_in_is_told_to_log_in(cause: type[GoogleAuthError]) -> None:
    assert "gcloud auth login --update-adc" in refusals.told(unavailable(cause("expired")))


def test_an_operator_without_a_role_is_told_which() -> None:
    told = refusals.told(unavailable(PermissionDenied("Missing or insufficient permissions.")))  # type: ignore[no-untyped-call]
    assert "Firestore" in told
    assert "roles/datastore.user" in told


@pytest.mark.parametrize("cause", [ServiceUnavailable, TransportError])
def test_a_service_that_does_not_answer_may_be_asked_again(cause: type[Exception]) -> None:
    assert refusals.told(unavailable(cause("no network"))) == "Firestore is not responding. Try again in a few seconds."


def test_missing_settings_name_the_file_that_has_them() -> None:
    told = refusals.told(SettingsInvalid(["PROJECT is missing"]))
    assert "PROJECT is missing" in told
    assert "ingest.env" in told


@pytest.fixture
def _new_container() -> Iterator[None]:
    """Let the process build a container from the environment, and forget it after the test."""
    wiring.replace(None)
    yield
    wiring.replace(None)


@pytest.mark.usefixtures("_new_container")
def test_a_command_without_a_login_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """Regression: it said that Firestore was not responding."""
    settings = {"PROJECT": "a-project", "REGION": "us-central1", "RESULTS_BUCKET": "a-project-results"}
    no_login = {"GOOGLE_APPLICATION_CREDENTIALS": f"{tmp_path}/none.json", "HOME": str(tmp_path)}
    for name, value in (settings | no_login).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    assert main(["list"]) == 1
    assert capsys.readouterr().err.strip().endswith(refusals.LOGGED_OUT)
