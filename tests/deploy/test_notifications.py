"""Options of notifications: off by default, refused if wrong, and secrets only for the function that sends."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from deploy import functions, notifications
from deploy.gcloud import Answer, CommandFailed, Gcloud
from deploy.iam import bindings
from deploy.target import Notifications, Target
from shared.routes import FUNCTIONS
from shared.settings import WEBHOOK_SECRET, Settings
from tests.deploy.conftest import PROJECT, answering

ALL = Notifications(("hooks.example.org",), "smtp.example.org", "587", "relay", "haystack@example.org")
NOT_FOUND = Answer(1, "", "ERROR: (gcloud.secrets.versions.describe) NOT_FOUND: Secret not found")


def parsed(*words: str) -> Notifications:
    """Return what these options say."""
    parser = argparse.ArgumentParser()
    parser.set_defaults(command="deploy")
    notifications.add_options(parser)
    args = parser.parse_args(words)
    notifications.check_options(parser, args)
    return notifications.given(args)


def test_without_options_there_are_no_notifications(target: Target) -> None:
    assert parsed() == target.notifications == Notifications()
    for function in FUNCTIONS:
        settings = functions.environment(target, function, "", "image")
        assert not [name for name in settings if name.startswith(("WEBHOOK", "SMTP", "SERVICE"))]
    assert functions.secret_environment(target, "reconcile") == {}


def test_create_knows_what_is_allowed_and_reconcile_alone_has_the_secrets(target: Target) -> None:
    hosts = ("--webhook-hosts", "hooks.example.org")
    mail = ("--smtp", "smtp.example.org", "--smtp-user", "relay", "--smtp-from", "haystack@example.org")
    assert parsed(*hosts, *mail) == ALL
    target = replace(target, notifications=ALL)
    for function in FUNCTIONS:
        found = functions.environment(target, function, "", "image")
        if function in {"create", "reconcile"}:
            settings = Settings.from_env(found)
            assert settings.webhook_origins == {"https://hooks.example.org:443"}
            assert (settings.smtp_host, settings.smtp_user) == ("smtp.example.org", "relay")
            assert settings.service_url == f"https://{target.domain}"
        else:
            assert not [name for name in found if name.startswith(("WEBHOOK", "SMTP", "SERVICE"))]
        secrets = functions.secret_environment(target, function)
        assert (function == "reconcile") == ("WEBHOOK_SECRET" in secrets) == ("SMTP_PASSWORD" in secrets)
    added = {
        each.resource for each in set(bindings(target)) - set(bindings(replace(target, notifications=Notifications())))
    }
    assert added == {"haystack-webhook-secret", "haystack-smtp-password"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--webhook-hosts", "*.example.org"), "not a host such as hooks.example.org"),
        (("--webhook-hosts", "http://127.0.0.1:80"), "not a host such as hooks.example.org"),
        (("--smtp", "smtp.example.org:x"), "not a mail server"),
        (("--smtp", "smtp.example.org:25"), "blocks port 25"),
        (("--smtp", "smtp.example.org"), "--smtp and --smtp-from together"),
        (("--smtp-from", "haystack@example.org"), "--smtp and --smtp-from together"),
        (("--smtp-from", "HAYSTACK <haystack@example.org>"), "not an e-mail address"),
        (("--smtp-user", "relay"), "needs --smtp"),
        (("--smtp-user", "a;b"), "not a user name"),
    ],
)
def test_a_wrong_option_is_refused_in_a_sentence(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parsed(*words)
    assert said in capsys.readouterr().err


def test_the_signing_key_is_created_once_and_is_valid(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    target = replace(target, notifications=ALL)
    given: list[str] = []

    def run(words: Sequence[str], text: str) -> Answer:
        if "create" in words:
            given.append(text)
        return Answer(0, "[]", "")

    notifications.create_signing_key(Gcloud(PROJECT, run=run), target)
    assert [bool(WEBHOOK_SECRET.fullmatch(value)) for value in given] == [True]
    assert not re.search("whsec_[A-Za-z0-9]{9}", capsys.readouterr().out)
    existing = answering([{"name": f"projects/1/secrets/{target.name('webhook-secret')}"}])
    notifications.create_signing_key(Gcloud(PROJECT, run=existing), target)


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_missing_password_stops_the_deployment_with_the_command_that_stores_it(
    target: Target, dry_run: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = Gcloud(PROJECT, dry_run=dry_run, run=answering(NOT_FOUND))
    notifications.check_password(cloud, target)  # nobody needs it
    target = replace(target, notifications=ALL)
    said = "gcloud secrets create haystack-smtp-password "
    if dry_run:
        notifications.check_password(cloud, target)
        assert said in capsys.readouterr().out
    else:
        with pytest.raises(CommandFailed, match=said):
            notifications.check_password(cloud, target)
