"""People sign in with Google's OAuth client inside an organization, and with the operator's own everywhere else."""

import hashlib
import json
import os
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from deploy import frontend, secrets, signin
from deploy.__main__ import main
from deploy.gcloud import Answer, CommandFailed, Gcloud, Resource, Secret
from deploy.target import Target
from tests.deploy.conftest import DOMAIN, NUMBER, PROJECT, WHERE, answering, deploy, repository_in, running
from tests.deploy.recorder import recording

pytestmark = pytest.mark.timeout(300)  # gcloud takes a second or more for each command

ID = "123456789012-abc.apps.googleusercontent.com"
OTHER = "123456789012-xyz.apps.googleusercontent.com"
SECRET = "GOCSPX-of-the-test"
UP = (*WHERE, f"--domain={DOMAIN}")
ORGANIZATION = {"projectNumber": NUMBER, "parent": {"type": "organization", "id": "42"}}
FOLDER = {"projectNumber": NUMBER, "parent": {"type": "folder", "id": "7"}}
ANCESTORS = [{"id": PROJECT, "type": "project"}, {"id": "7", "type": "folder"}, {"id": "42", "type": "organization"}]
EXAMPLE = {"name": "organizations/42", "displayName": "example.org"}
DENIED = Answer(1, "", "ERROR: (gcloud.organizations.describe) [a@example.org] does not have permission to access it")


def backends(target: Target, *clients: str) -> dict[str, Resource]:
    """Return backends with these clients, in order; the others have Google's."""
    names = [target.name(function) for function in target.balanced]
    found = {name: {"name": name, "iap": {"enabled": True, "oauth2ClientId": ""}} for name in names}
    for name, client in zip(names, clients, strict=False):
        found[name]["iap"] = {"enabled": True, "oauth2ClientId": client}
    return found


# With the real gcloud.


def test_a_project_without_an_organization_stops_before_anything_is_created(gcloud: Path, tmp_path: Path) -> None:
    repository = repository_in(tmp_path)
    with recording(PROJECT, NUMBER) as recorder:
        recorder.cloud.organization = ""
        run = deploy(recorder, repository, gcloud, *UP)
        assert run.code == 1
        assert {each.method for each in run.requests} == {"GET"}
        for words in ("is in no organization", f"/auth/clients/create?project={PROJECT}", "--iap-client-id CLIENT_ID"):
            assert words in run.stderr
        assert "https://iap.googleapis.com/v1/oauth/clientIds/CLIENT_ID:handleRedirect" in run.stderr
        unknown = deploy(recorder, repository, gcloud, *UP, f"--iap-client-id={ID}")
        assert f"Pass the secret of the OAuth client {ID} on standard input." in unknown.stderr
        planned = deploy(recorder, repository, gcloud, *UP, "--dry-run")
        assert planned.code == 0, planned.stderr
        assert "# 5. Deploy with --iap-client-id CLIENT_ID." in planned.stdout


def test_a_client_stays_and_new_backends_get_it_without_the_option(
    gcloud: Path, tmp_path: Path, target: Target
) -> None:
    commands: list[Sequence[str]] = []
    with recording(PROJECT, NUMBER) as recorder:
        recorder.cloud.organization = ""
        recorder.cloud.enabled = {"compute.googleapis.com", "secretmanager.googleapis.com"}
        run = running(recorder, gcloud, tmp_path)

        def changes(target: Target) -> int:
            def noted(command: Sequence[str], stdin: str) -> Answer:
                commands.append(command)
                return run(command, stdin)

            cloud = Gcloud(PROJECT, run=noted)
            signin.check(cloud, target)
            signin.store_secret(cloud, target)
            frontend.create_backends(cloud, target)
            return cloud.changes

        every = len(target.balanced)
        given = replace(target, iap_client_id=ID, iap_client_secret=SECRET)
        assert changes(given) == 1 + every
        assert changes(given) == 0
        del recorder.cloud.resources[f"compute/projects/{PROJECT}/global/backendServices/haystack-list"]
        assert changes(target) == 1
        used = [each["iap"] for each in recorder.cloud.of("compute", "backendServices").values()]
        assert used == [signin.wanted(signin.OAuthClient(ID, SECRET))] * every
        assert changes(replace(given, iap_client_secret="GOCSPX-rotated")) == 1 + every
        assert recorder.cloud.secrets["haystack-iap-client-secret"] == "GOCSPX-rotated"
    assert not [word for command in commands for word in command if "GOCSPX" in word]


# Who may sign in with Google's client.


@pytest.mark.parametrize(
    ("answers", "members"),
    [
        ([ORGANIZATION], []),
        ([ORGANIZATION], ["serviceAccount:asker@elsewhere.iam.gserviceaccount.com", "principalSet://iam/pool/*"]),
        ([ORGANIZATION, EXAMPLE], ["user:ada@example.org", "group:lab@Bio.Example.org", "domain:example.org"]),
        ([FOLDER, ANCESTORS, EXAMPLE], ["user:ada@example.org"]),
    ],
)
def test_members_of_the_organization_need_no_client(
    target: Target, answers: Sequence[object], members: Sequence[str]
) -> None:
    commands: list[Sequence[str]] = []
    signin.check(
        Gcloud(PROJECT, run=answering([], *answers, commands=commands)), replace(target, members=tuple(members))
    )
    assert len(commands) == 1 + len(answers)  # the first asks for an earlier deployment


@pytest.mark.parametrize("member", ["user:ada@gmail.com", "group:lab@notexample.org", "domain:example.com"])
def test_members_outside_the_organization_need_a_client(target: Target, member: str) -> None:
    asked = replace(target, members=("user:bob@example.org", member))
    with pytest.raises(CommandFailed) as failed:
        signin.check(Gcloud(PROJECT, run=answering([], ORGANIZATION, EXAMPLE)), asked)
    text = str(failed.value)
    assert f"not of example.org, the organization of {PROJECT}: {member}." in text
    assert "handleRedirect" in text
    assert "--iap-client-id=google" in text
    signin.check(Gcloud(PROJECT, run=answering(ORGANIZATION)), replace(asked, iap_client_id="google"))


def test_google_s_client_is_of_no_use_without_an_organization(target: Target) -> None:
    with pytest.raises(CommandFailed, match="is in no organization"):
        signin.check(
            Gcloud(PROJECT, run=answering({"projectNumber": NUMBER}, [])), replace(target, iap_client_id="google")
        )


def test_an_organization_that_cannot_be_read_is_no_reason_to_stop(
    target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    signin.check(
        Gcloud(PROJECT, run=answering([], ORGANIZATION, DENIED)), replace(target, members=("user:ada@gmail.com",))
    )
    assert "cannot sign in without --iap-client-id" in capsys.readouterr().out


# Which client.


def test_a_client_of_an_earlier_deployment_is_kept(target: Target) -> None:
    assert signin.client(target, backends(target)) is None
    assert signin.client(target, backends(target, " ")) is None
    assert signin.client(target, backends(target, ID, "", ID)) == signin.OAuthClient(ID)


def test_google_s_client_comes_back_when_it_is_asked_for(gcloud: Path, tmp_path: Path, target: Target) -> None:
    """Regression: `--iap-client-id google` left the client of an earlier deployment in use."""
    google = replace(target, iap_client_id="google")
    with recording(PROJECT, NUMBER) as recorder:
        recorder.cloud.enabled = {"compute.googleapis.com", "secretmanager.googleapis.com"}
        run = running(recorder, gcloud, tmp_path)
        own = Gcloud(PROJECT, run=run)
        frontend.create_backends(own, replace(target, iap_client_id=ID, iap_client_secret=SECRET))
        for changes in (len(target.balanced), 0):
            cloud = Gcloud(PROJECT, run=run)
            frontend.create_backends(cloud, google)
            assert cloud.changes == changes
        used = [each["iap"] for each in recorder.cloud.of("compute", "backendServices").values()]
        assert {each["oauth2ClientId"].strip() for each in used} == {""}
        assert all(each["enabled"] for each in used)
        assert signin.client_in_use(Gcloud(PROJECT, run=run), target) == ""
        recorder.cloud.organization = ""
        with pytest.raises(CommandFailed, match="is in no organization"):
            signin.check(Gcloud(PROJECT, run=run), google)


def test_a_secret_without_a_version_gets_one(target: Target) -> None:
    """Regression: gcloud stopped between the secret and its version, and each later deployment failed."""
    missing = Answer(1, "", "ERROR: (gcloud.secrets.versions.describe) NOT_FOUND: Secret Version [latest] not found")
    commands: list[Sequence[str]] = []
    listed = [{"name": target.name("iap-client-secret")}, {"name": target.name("page-token-key")}]
    cloud = Gcloud(PROJECT, run=answering(listed, missing, {}, listed, missing, {}, commands=commands))
    signin.store_secret(cloud, replace(target, iap_client_id=ID, iap_client_secret=SECRET))
    secrets.create_page_token_key(cloud, target)
    added = [command[4] for command in commands if command[1:4] == ["secrets", "versions", "add"]]
    assert added == [target.name("iap-client-secret"), target.name("page-token-key")]


def test_a_stored_secret_with_a_line_break_is_the_secret(target: Target) -> None:
    """Regression: a secret that was added by hand with `echo` made the flag of each backend invalid."""
    _, secret = signin.flag(
        Gcloud(PROJECT, run=answering(Answer(0, f"{SECRET}\n", ""))), target, signin.OAuthClient(ID)
    )
    assert secret is not None
    assert json.loads(secret.value)["--iap"].endswith(f"oauth2-client-secret={SECRET}")


def test_clients_that_differ_are_a_choice_of_the_operator(target: Target) -> None:
    with pytest.raises(CommandFailed, match=f"{ID}, {OTHER}. Choose with --iap-client-id"):
        signin.client(target, backends(target, OTHER, ID))
    chosen = signin.client(replace(target, iap_client_id=ID), backends(target, OTHER, ID))
    assert chosen == signin.OAuthClient(ID)


def test_the_secret_of_one_client_is_never_used_for_another(target: Target) -> None:
    enabled = [{"name": "projects/1/services/compute.googleapis.com"}]
    for_another = replace(target, iap_client_id=OTHER)
    with pytest.raises(CommandFailed, match=f"Pass the secret of the OAuth client {OTHER}"):
        signin.check(Gcloud(PROJECT, run=answering(enabled, [*backends(target, ID).values()])), for_another)
    signin.check(
        Gcloud(PROJECT, run=answering(enabled, [*backends(target, ID).values()])), replace(target, iap_client_id=ID)
    )


def test_a_secret_that_is_gone_is_asked_for(target: Target) -> None:
    gone = Answer(1, "", "ERROR: (gcloud.secrets.versions.access) NOT_FOUND: Secret not found")
    with pytest.raises(CommandFailed, match=f"--iap-client-id {ID} and the secret of this client on standard input"):
        signin.flag(Gcloud(PROJECT, run=answering(gone)), target, signin.OAuthClient(ID))


# The secret.


def test_a_dry_run_prints_commands_that_carry_the_secret_on_standard_input(
    tmp_path: Path, target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = Gcloud(PROJECT, dry_run=True, run=answering([]))
    asked = replace(target, iap_client_id=ID)
    signin.store_secret(cloud, asked)
    frontend.create_backends(cloud, asked)
    storing, creating, *_ = capsys.readouterr().out.splitlines()
    (tmp_path / "gcloud").write_text(f'#!/bin/sh\n[ "$2" = versions ] && printf {SECRET} || cat\n')
    (tmp_path / "gcloud").chmod(stat.S_IRWXU)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "IAP_CLIENT_SECRET": SECRET}

    def pasted(line: str) -> str:
        return subprocess.run(
            ["/bin/bash", "-c", line], env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert pasted(storing) == SECRET
    assert json.loads(pasted(creating)) == {
        "--iap": f"enabled,oauth2-client-id={ID},oauth2-client-secret={SECRET}",
    }


def test_a_secret_that_gcloud_quotes_is_not_shown(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither in the message of a failure, nor while permissions are waited for, nor in the description of an object."""
    client = signin.OAuthClient(ID, SECRET)
    quoting = Answer(1, "", f"could not resolve source: --iap: {SECRET} is invalid")
    cloud = Gcloud(PROJECT, run=answering(quoting), wait=lambda _: None)
    flag, secret = signin.flag(cloud, target, client)
    with pytest.raises(CommandFailed) as failed:
        cloud.change("compute backend-services update", "haystack-list", flag, secret=secret)
    assert "--iap: [secret] is invalid" in str(failed.value)
    shown = capsys.readouterr()
    described = f"{replace(target, iap_client_id=ID, iap_client_secret=SECRET)} {secret} {Secret(SECRET, '')}"
    assert SECRET not in shown.out + shown.err + str(failed.value) + described


def test_a_backend_with_another_secret_is_updated(target: Target) -> None:
    state = signin.wanted(signin.OAuthClient(ID, SECRET))
    assert state["oauth2ClientSecretSha256"] == hashlib.sha256(SECRET.encode()).hexdigest()
    assert "oauth2ClientSecretSha256" not in signin.wanted(signin.OAuthClient(ID))


@pytest.mark.parametrize("text", ["short", f"{SECRET},disabled", '{"web": {"client_secret": "GOCSPX-of-the-test"}}'])
def test_a_secret_of_another_form_is_refused_and_not_quoted(text: str) -> None:
    command = ["./deploy.sh", *UP, f"--iap-client-id={ID}"]
    root = Path(__file__).parent.parent.parent
    recorded = {**os.environ, "CLOUDSDK_CONFIG": "/nonexistent"}
    done = subprocess.run(command, cwd=root, env=recorded, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "standard input is not the secret of an OAuth client" in done.stderr
    assert text not in done.stderr


@pytest.mark.parametrize("wrong", ["123", "abc.apps.googleusercontent.com", f"{ID},disabled"])
def test_an_id_of_another_form_is_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["deploy", *UP, "--dry-run", f"--iap-client-id={wrong}"])
    assert "is not the ID of an OAuth client" in capsys.readouterr().err
