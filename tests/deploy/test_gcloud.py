"""Commands are run, printed, retried and judged by their error output."""

from collections.abc import Sequence

import pytest

from deploy.gcloud import Answer, CommandFailed, Gcloud, Secret, covers, last_segment, shell

EXISTS = "ERROR: (gcloud.firestore.indexes.composite.create) ALREADY_EXISTS: index already exists"
DENIED = "ERROR: (gcloud.firestore.indexes.composite.create) PERMISSION_DENIED: the caller does not have permission"
DISABLED = (
    "ERROR: (gcloud.run.services.list) Cloud Run Admin API has not been used in project 1 before (SERVICE_DISABLED)"
)

LINK = "https://www.googleapis.com/compute/v1/projects/p/global/backendServices/b"


class Shell:
    """Answer commands in order, repeat the last answer, and record the commands."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.commands: list[Sequence[str]] = []
        self.inputs: list[str] = []

    def __call__(self, command: Sequence[str], stdin: str) -> Answer:
        self.commands.append(command)
        self.inputs.append(stdin)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def said(text: str) -> Answer:
    return Answer(1, "", text)


def cloud(run: Shell, *, dry_run: bool = False, blind: bool = False) -> Gcloud:
    return Gcloud("my-project", dry_run=dry_run, blind=blind, run=run, wait=lambda _: None)


def test_a_change_is_run_in_the_project_and_counted() -> None:
    run = Shell(Answer(0, "", ""))
    gcloud = cloud(run)
    gcloud.change("pubsub topics create", "jobs")
    assert run.commands == [["gcloud", "pubsub", "topics", "create", "jobs", "--project=my-project", "--quiet"]]
    assert gcloud.changes == 1


def test_a_dry_run_prints_a_change_for_the_shell_and_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    run = Shell(Answer(0, "", ""))
    cloud(run, dry_run=True).change("scheduler jobs create http", "sweep", "--schedule=* * * * *")
    assert run.commands == []
    printed = capsys.readouterr().out
    assert printed == "gcloud scheduler jobs create http sweep '--schedule=* * * * *' --project=my-project --quiet\n"


def test_what_is_known_only_later_is_left_for_the_shell_to_ask() -> None:
    assert shell(["gcloud", "--set-env-vars=A=$(gcloud b c)"]) == 'gcloud "--set-env-vars=A=$(gcloud b c)"'


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_secret_is_handed_over_and_never_printed(capsys: pytest.CaptureFixture[str], *, dry_run: bool) -> None:
    run = Shell(Answer(0, "", ""))
    cloud(run, dry_run=dry_run).change("secrets create", "key", secret=Secret("s3cret", "make-one"))
    assert run.inputs == ([] if dry_run else ["s3cret"])
    printed = capsys.readouterr().out
    assert "s3cret" not in printed
    assert "make-one | gcloud secrets create key" in printed


def test_that_a_thing_is_there_already_is_no_failure_where_that_is_allowed() -> None:
    cloud(Shell(said(EXISTS))).change("firestore", exists_ok=True)


def test_that_a_thing_is_there_already_is_a_failure_everywhere_else() -> None:
    with pytest.raises(CommandFailed, match="ALREADY_EXISTS"):
        cloud(Shell(said(EXISTS))).change("firestore")


def test_any_other_failure_stops_with_the_command_and_what_it_said() -> None:
    with pytest.raises(CommandFailed) as failure:
        cloud(Shell(said(DENIED))).change("firestore indexes", exists_ok=True)
    assert "gcloud firestore indexes --project=my-project" in str(failure.value)
    assert "PERMISSION_DENIED" in str(failure.value)


def test_an_api_that_was_just_enabled_is_asked_again_until_it_answers() -> None:
    run = Shell(said(DISABLED), said(DISABLED), Answer(0, '[{"name": "one"}]', ""))
    assert cloud(run).items("run services list") == [{"name": "one"}]
    assert len(run.commands) == 3


def test_it_is_not_asked_for_ever() -> None:
    run = Shell(said(DISABLED))
    with pytest.raises(CommandFailed):
        cloud(run).items("run services list")
    assert 1 < len(run.commands) < 10


@pytest.mark.parametrize(
    "refusal",
    [
        "BUILD FAILURE: could not resolve source: googleapi: Error 403: no storage.objects.get access",
        "ERROR: (gcloud.run.deploy) Permission denied on secret: projects/1/secrets/key/versions/latest for Revision service account a@b.",
        'BUILD FAILURE: denied: Permission "artifactregistry.repositories.uploadArtifacts" denied on resource',
    ],
)
def test_a_new_permission_is_waited_for_and_the_user_is_told_once(
    refusal: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Regression: the first deployment to a new project failed with 403."""
    run = Shell(said(refusal), said(refusal), said(refusal), Answer(0, "", ""))
    cloud(run).change("builds submit", "folder")
    assert len(run.commands) == 4
    told = capsys.readouterr().out
    assert told.count("New permissions are not yet in force") == 1
    assert refusal in told


def test_a_permission_is_waited_for_two_minutes_however_long_a_command_takes() -> None:
    refused = said("could not resolve source: 403")
    waited: list[float] = []
    quick = Shell(refused)
    with pytest.raises(CommandFailed, match="could not resolve source"):
        Gcloud("my-project", run=quick, wait=waited.append, clock=lambda: 0.0).change("builds submit")
    assert sum(waited) == 120
    slow, now = Shell(refused), iter(range(0, 10_000, 100))
    with pytest.raises(CommandFailed):
        Gcloud("my-project", run=slow, wait=lambda _: None, clock=lambda: float(next(now))).change("builds submit")
    assert 2 <= len(slow.commands) <= 3


@pytest.mark.parametrize(
    ("failure", "todo"),
    [
        ("FAILED_PRECONDITION: due to quota restrictions, cannot run builds in this region", "--build-region"),
        ("FAILED_PRECONDITION: One or more users named in the policy do not belong to a permitted customer.", "domain"),
        ("FAILED_PRECONDITION: 'us-west1' violates constraint constraints/gcp.resourceLocations", "--region"),
        (
            "FAILED_PRECONDITION: Billing account for project '1' is not found. Billing must be enabled",
            "billing projects link",
        ),
        ("PERMISSION_DENIED: Permission 'compute.addresses.create' denied on resource", "roles/owner"),
    ],
)
def test_a_known_failure_says_what_to_do(failure: str, todo: str) -> None:
    with pytest.raises(CommandFailed) as failed:
        cloud(Shell(said(failure))).change("builds submit")
    assert todo in str(failed.value).splitlines()[-1]


def test_a_dry_run_takes_an_api_that_is_not_enabled_for_empty() -> None:
    run = Shell(said(DISABLED))
    assert cloud(run, dry_run=True).items("run services list") == []
    assert len(run.commands) == 1


def test_a_blind_dry_run_asks_nothing() -> None:
    run = Shell(said(DENIED))
    gcloud = cloud(run, dry_run=True, blind=True)
    assert gcloud.items("run services list") == []
    assert gcloud.find("projects describe", "p") is None
    assert run.commands == []


@pytest.mark.parametrize(
    "text",
    [
        "ERROR: (gcloud.artifacts.repositories.describe) NOT_FOUND: Requested entity was not found.",
        "ERROR: (gcloud.run.services.describe) Cannot find service [status]",
    ],
)
def test_a_missing_thing_is_none(text: str) -> None:
    assert cloud(Shell(said(text))).find("run services describe", "status") is None


def test_a_failure_to_ask_never_counts_as_missing() -> None:
    with pytest.raises(CommandFailed, match="PERMISSION_DENIED"):
        cloud(Shell(said(DENIED))).find("run services describe", "status")


def test_steps_side_by_side_all_come_to_their_end_before_a_failure_is_told() -> None:
    gcloud, done = cloud(Shell(Answer(0, "", ""))), []

    def fail() -> None:
        raise CommandFailed("no")

    with pytest.raises(CommandFailed, match="no"):
        gcloud.together(fail, lambda: done.append(1), lambda: done.append(2))
    assert sorted(done) == [1, 2]


@pytest.mark.parametrize(
    ("actual", "wanted"),
    [
        ({"a": 1, "added": "by the cloud"}, {"a": 1}),
        ({"rules": [{"p": 1, "id": 7}]}, {"rules": [{"p": 1}]}),
        (LINK, "projects/p/global/backendServices/b"),
        (LINK, LINK.replace("www", "compute")),
        ([LINK], ["projects/p/global/backendServices/b"]),
    ],
)
def test_what_the_cloud_adds_and_how_it_writes_urls_does_not_matter(actual: object, wanted: object) -> None:
    assert covers(actual, wanted)


@pytest.mark.parametrize(
    ("actual", "wanted"),
    [
        (None, {"a": 1}),
        ({}, {"iap": {"enabled": True}}),
        ({"iap": {"enabled": False}}, {"iap": {"enabled": True}}),
        ({"rules": [1, 2]}, {"rules": [2, 1]}),
        ({"rules": [1, 2]}, {"rules": [1]}),
        (["a", "b"], "ab"),
        ("ab", ["a", "b"]),
        (LINK, "projects/p/global/backendServices/c"),
        ("https://a.example.org", "https://b.example.org"),
    ],
)
def test_anything_else_does(actual: object, wanted: object) -> None:
    assert not covers(actual, wanted)


def test_a_name_s_last_segment() -> None:
    assert last_segment(LINK) == "b"
    assert last_segment("b") == "b"


def test_a_list_is_found_by_name_also_where_the_name_is_in_the_metadata() -> None:
    listed = '[{"name": "projects/p/topics/jobs"}, {"metadata": {"name": "haystack-list"}}]'
    assert set(cloud(Shell(Answer(0, listed, ""))).by_name("run services list")) == {"jobs", "haystack-list"}
