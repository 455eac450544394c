"""What a notification says, as receivers read it."""

from shared.runs.notifications import RunEnded
from shared.runs.states import RunState
from tests.support.builders import START

SERVICE = "https://haystack.example.com"
RUN = "run_0123456789ab"


def test_the_event_of_a_completed_run_leads_to_its_result() -> None:
    event = RunEnded(RUN, RunState.COMPLETED, "screen", START, SERVICE)
    assert event.payload() == {
        "type": "run.completed",
        "timestamp": "2026-03-01T12:00:00.123456Z",
        "data": {
            "run_id": RUN,
            "status": "completed",
            "label": "screen",
            "links": {
                "page": f"{SERVICE}/runs/{RUN}",
                "status": f"{SERVICE}/api/v1/runs/{RUN}",
                "result": f"{SERVICE}/api/v1/runs/{RUN}/result",
            },
        },
    }


def test_the_event_of_a_run_without_a_result_leads_to_none() -> None:
    for status in (RunState.FAILED, RunState.CANCELLED):
        data = RunEnded(RUN, status, None, START, SERVICE).payload()["data"]
        assert isinstance(data, dict)
        assert (data["status"], data["label"], sorted(data["links"])) == (status.value, None, ["page", "status"])
