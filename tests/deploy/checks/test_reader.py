"""Distinguish refusals, disabled APIs and missing logins by the messages of the real gcloud."""

from collections.abc import Sequence

import pytest

from deploy.checks.reader import ApiDisabled, LoggedOut, NotAllowed, Reader, Unreadable, command
from deploy.gcloud import Answer
from tests.deploy.checks.conftest import Examination
from tests.deploy.conftest import PROJECT, REGION

READS = [
    ("compute", ("compute regions describe", REGION), "compute.regions.get"),
    ("run", ("run services list", f"--region={REGION}"), "run.services.list"),
    ("pubsub", ("pubsub topics list",), "pubsub.topics.list"),
]


@pytest.mark.parametrize(("api", "read", "permission"), READS)
def test_a_missing_permission_and_a_disabled_api_are_told_apart(
    new: Examination, api: str, read: tuple[str, ...], permission: str
) -> None:
    new.cloud.denied[f"^{api}/"] = permission
    with pytest.raises(NotAllowed) as refused:
        new.reader.find(*read)
    assert refused.value.permission == permission
    new.cloud.denied[f"^{api}/"] = ""
    with pytest.raises(ApiDisabled) as disabled:
        new.reader.find(*read)
    assert disabled.value.api == api
    # gcloud offers to enable an API; a check never accepts.
    assert not [each for each in new.recorder.requests if each.path.endswith(":enable")]


def test_what_does_not_exist_is_none(new: Examination) -> None:
    assert new.reader.find("compute regions describe", "nowhere1") is None


def test_a_command_runs_once(new: Examination) -> None:
    reader = new.reader
    first = reader.find("compute regions describe", REGION)
    assert reader.find("compute regions describe", REGION) == first
    assert len(new.recorder.requests) == 1


def test_a_command_that_names_a_project_keeps_it() -> None:
    commands: list[Sequence[str]] = []

    def run(words: Sequence[str], _: str) -> Answer:
        commands.append(words)
        return Answer(0, "[]", "")

    Reader(PROJECT, run=run).items("compute networks list", "--project=host-project")
    Reader(PROJECT, run=run).items("compute networks list")
    assert [[word for word in each if "project" in word] for each in commands] == [
        ["--project=host-project"],
        [f"--project={PROJECT}"],
    ]


@pytest.mark.parametrize(
    ("stderr", "kind", "said"),
    [
        ("ERROR: (gcloud.x) There was a problem refreshing your current auth tokens: x", LoggedOut, "not logged in"),
        ("ERROR: (gcloud.x) Reauthentication failed. cannot prompt", LoggedOut, "has expired"),
        ("WARNING: a\nERROR: (gcloud.x) Something broke.\nmore", Unreadable, "ERROR: (gcloud.x) Something broke."),
        ("", Unreadable, "gcloud failed"),
    ],
)
def test_other_failures_are_told_in_a_line(stderr: str, kind: type[Unreadable], said: str) -> None:
    with pytest.raises(kind) as failed:
        Reader(PROJECT, run=lambda *_: Answer(1, "", stderr)).say("version")
    assert said in str(failed.value)


def test_commands_to_copy_are_quoted() -> None:
    assert command("logging", "read", 'a="b c"') == "gcloud logging read 'a=\"b c\"'"
