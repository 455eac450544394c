"""`./deploy.sh verify`: each step that can fail says what failed and where to look. tests/e2e has the run that succeeds."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy import crc32c, question
from deploy.caller import Caller
from deploy.verify import Place, Verification
from tests.deploy.service import REDIRECT, TOKEN, Reply, Service, serving

RUN_ID = "run_0123456789ab"
STATUS = f"GET /api/v1/runs/{RUN_ID}"
RESULT = f"GET /api/v1/runs/{RUN_ID}/result"
CREATE = "POST /api/v1/runs"
DOCTOR = "./deploy.sh doctor --project some-project --region REGION --domain d.example.org"
DEPLOYED = Place("some-project", DOCTOR)
FILE = b"gene,log2_fold_change\n"


def status(state: str, **more: object) -> dict[str, Any]:
    done = state in {"completed", "failed"}
    return {"run_id": RUN_ID, "status": state, "done": done, "attempt": 2, "current_phase": None, **more}


@pytest.fixture
def service() -> Iterator[Service]:
    """Return a service whose run is completed at once, with one file."""
    with serving() as running:
        file = {"name": "genes.csv", "url": f"{running.url}/signed", "size": len(FILE), "crc32c": crc32c.encoded(FILE)}
        entry = {"name": "drug A", "cell_count": 9, "datasets": ["mine"]}
        running.replies = {
            "GET /api/v1/health": Reply(body={"status": "healthy"}),
            "GET /api/v1/health/ready": Reply(body={"status": "ready"}),
            f"GET {question.PERTURBATIONS}": Reply(body=[entry]),
            f"GET {question.CELL_TYPES}": Reply(body=[entry]),
            f"POST {question.VALIDATION}": Reply(body={"interpretation": {"answerable": True}, "suggestions": []}),
            CREATE: Reply(body=status("pending")),
            STATUS: [
                Reply(body=status("running", current_phase="inference"), headers={"ETag": '"1"'}),
                Reply(304, b"", {"ETag": '"1"'}),
                Reply(body=status("completed"), headers={"ETag": '"2"'}),
            ],
            RESULT: Reply(body={"files": [file], "answer": "Drug A changes 12 genes."}),
            "GET /signed": Reply(body=FILE, headers={"Content-Type": "text/csv"}),
        }
        yield running


def verify(
    service: Service, place: Place = DEPLOYED, *, keep: Path | None = None, token: str = TOKEN
) -> tuple[int, str]:
    out = io.StringIO()
    verification = Verification(Caller(service.url, lambda: token), place, out, seconds=30.0, pause=lambda _: None)
    return verification.run("", keep), out.getvalue()


def test_every_step_is_told(service: Service, tmp_path: Path) -> None:
    code, output = verify(service, keep=tmp_path)
    assert code == 0, output
    assert "A question that can be answered" not in output
    for said in (
        "The metadata name a question that can be answered: How would drug A respond to drug A?",
        f"The run {RUN_ID} is created.",
        "The run is running, inference.",
        "The run is completed.",
        "The result has 1 files. Drug A changes 12 genes.",
        "genes.csv: 22 bytes, checksum verified.",
    ):
        assert said in output
    assert (tmp_path / "genes.csv").read_bytes() == FILE


def test_a_busy_service_is_asked_again_with_the_same_key(service: Service) -> None:
    busy = Reply.problem(503, "unavailable", "Try again.")
    service.replies[CREATE] = [busy, Reply(body=status("pending"))]
    code, output = verify(service)
    assert code == 0, output
    keys = [headers["Idempotency-Key"] for key, headers in service.requests if key == CREATE]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_refused_sign_in_names_the_proxy_and_the_doctor(service: Service) -> None:
    code, output = verify(service, token="expired")
    assert code == 1
    assert "Identity-Aware Proxy answers 302" in output
    assert f"This command finds the cause: {DOCTOR}" in output


def test_too_many_runs_are_told_at_once(service: Service) -> None:
    service.replies[CREATE] = Reply.problem(429, "too_many_runs", "You have 20 unfinished runs.")
    code, output = verify(service)
    assert code == 1
    assert "You have 20 unfinished runs." in output
    assert [key for key, _ in service.requests].count(CREATE) == 1


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (DEPLOYED, "gcloud batch jobs list --project=some-project --filter=name~haystack-0123456789ab-2"),
        (Place(), "The log of its job is haystack-0123456789ab-2.log"),
    ],
)
def test_a_failed_run_is_told_with_its_reason_and_its_logs(service: Service, place: Place, said: str) -> None:
    failure = {"reason": "IMAGE_PULL", "advice": "Contact the operators."}
    service.replies[STATUS] = Reply(body=status("failed", failure=failure, error_message="No image."))
    code, output = verify(service, place)
    assert code == 1
    assert "The run is failed. IMAGE_PULL No image. Contact the operators." in output
    assert said in output


def test_a_run_that_cannot_be_followed_is_cancelled(service: Service) -> None:
    """Regression: a status without an answer ended the test, and the run went on at the operator's cost."""
    service.replies[f"POST /api/v1/runs/{RUN_ID}/cancel"] = Reply(body={"status": "cancelled", "run_id": RUN_ID})
    for reply in (Reply.problem(503, "unavailable", "Try again."), Reply(body=b"<html>"), Reply(body=b"[]")):
        service.replies[STATUS] = reply
        service.requests.clear()
        code, output = verify(service)
        assert code == 1
        assert f"The run {RUN_ID} was cancelled." in output
        assert [key for key, _ in service.requests][-1] == f"POST /api/v1/runs/{RUN_ID}/cancel"


def test_a_run_that_takes_too_long_is_cancelled_and_told(service: Service) -> None:
    service.replies[STATUS] = Reply(body=status("running"), headers={"ETag": '"1"'})
    service.replies[f"POST /api/v1/runs/{RUN_ID}/cancel"] = Reply(body={"status": "cancelled", "run_id": RUN_ID})
    out, seconds = io.StringIO(), iter(range(0, 1_000_000, 10))
    caller = Caller(service.url, lambda: TOKEN)
    verification = Verification(
        caller, DEPLOYED, out, seconds=30.0, clock=lambda: float(next(seconds)), pause=lambda _: None
    )
    assert verification.run("", None) == 1
    assert "The run is not done after 30 s." in out.getvalue()
    assert f"The run {RUN_ID} was cancelled." in out.getvalue()


def test_a_run_that_could_not_be_cancelled_is_told(service: Service) -> None:
    service.replies[STATUS] = Reply(body=b"[]")
    service.replies[f"POST /api/v1/runs/{RUN_ID}/cancel"] = Reply.problem(503, "unavailable", "Try again.")
    _, output = verify(service)
    assert f"{RUN_ID} could not be cancelled: The service answers 503" in output


def test_a_changed_file_is_refused(service: Service, tmp_path: Path) -> None:
    service.replies["GET /signed"] = Reply(body=FILE.replace(b"2", b"3"))
    code, output = verify(service, keep=tmp_path)
    assert code == 1
    assert "genes.csv differs from the stored file: 22 bytes with CRC32C" in output
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_signer_may_not_read_is_told(service: Service) -> None:
    service.replies["GET /signed"] = Reply(403, b"AccessDenied")
    code, output = verify(service)
    assert code == 1
    assert "the storage answers 403. Signed URLs need roles/storage.objectViewer of the signer" in output


def test_a_name_that_leaves_the_folder_stays_in_it(service: Service, tmp_path: Path) -> None:
    reply = service.replies[RESULT]
    assert isinstance(reply, Reply)
    assert isinstance(reply.body, dict)
    reply.body["files"][0]["name"] = "../../genes.csv"
    code, _ = verify(service, keep=tmp_path / "kept")
    assert code == 0
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.csv")] == ["kept/genes.csv"]


def test_a_result_without_files_is_told(service: Service) -> None:
    service.replies[RESULT] = Reply(body={"files": [], "answer": ""})
    code, output = verify(service)
    assert code == 1
    assert f"The result of {RUN_ID} has no files." in output


def test_a_service_without_an_atlas_is_told(service: Service) -> None:
    service.replies[f"GET {question.PERTURBATIONS}"] = Reply(body=[])
    code, output = verify(service)
    assert code == 1
    assert "The service has no atlas that could answer a question. Ingest one: see `From an empty project" in output


def test_another_server_is_told(service: Service) -> None:
    service.guarded, service.replies["GET /api/v1/health"] = False, Reply(body=b"<html>")
    code, output = verify(service)
    assert code == 1
    assert "does not answer like this service" in output
    service.replies["GET /api/v1/health"] = REDIRECT
    assert verify(service)[0] == 1
