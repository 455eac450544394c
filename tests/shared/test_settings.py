"""Settings: all errors are reported at once, and nothing is guessed."""

from datetime import timedelta

import pytest

from shared.errors import SettingsInvalid
from shared.settings import Settings

ENOUGH = {"PROJECT": "p", "REGION": "r", "RESULTS_BUCKET": "b"}


def test_the_default_is_production_on_firestore() -> None:
    settings = Settings.from_env(ENOUGH)
    assert (settings.environment, settings.store, settings.max_active_runs) == ("production", "firestore", 20)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    wrong = {"ENVIRONMENT": "staging", "STORE": "sqlite", "JOB_MAX_RUN_SECONDS": "-1"}
    with pytest.raises(SettingsInvalid) as raised:
        Settings.from_env(wrong)
    assert raised.value.errors == [
        "JOB_MAX_RUN_SECONDS must be a whole number",
        "ENVIRONMENT must be one of production, development",
        "PROJECT is missing",
        "REGION is missing",
        "RESULTS_BUCKET is missing",
        "SQLITE_PATH is missing",
    ]


def test_numbers_are_read_as_numbers_and_blanks_as_not_given() -> None:
    settings = Settings.from_env({**ENOUGH, "MAX_ACTIVE_RUNS": "0", "JOB_IMAGE": "  "})
    assert (settings.max_active_runs, settings.job_image) == (0, "")


def test_a_job_may_wait_a_day_or_as_long_as_the_operator_says_up_to_batchs_own_limit() -> None:
    assert Settings.from_env(ENOUGH).queue_limit == timedelta(hours=24)
    assert Settings.from_env({**ENOUGH, "QUEUE_LIMIT_MINUTES": "90"}).queue_limit == timedelta(minutes=90)
    assert Settings.from_env({**ENOUGH, "QUEUE_LIMIT_MINUTES": "0"}).queue_limit is None
    with pytest.raises(SettingsInvalid, match="QUEUE_LIMIT_MINUTES must be at most 2880"):
        Settings.from_env({**ENOUGH, "QUEUE_LIMIT_MINUTES": "2881"})


def test_runs_are_kept_for_ever_or_for_a_week_at_least() -> None:
    assert Settings.from_env(ENOUGH).retention is None
    assert Settings.from_env({**ENOUGH, "RUN_RETENTION_DAYS": "7"}).retention == timedelta(days=7)
    with pytest.raises(SettingsInvalid, match="RUN_RETENTION_DAYS must be 7 or more"):
        Settings.from_env({**ENOUGH, "RUN_RETENTION_DAYS": "6"})


@pytest.mark.parametrize("wrong", ["ANTHROPIC_API_KEY", "A=sk-the-key-itself", "A=projects/p/secrets/s"])
def test_a_secret_is_named_never_given(wrong: str) -> None:
    right = "A=projects/p/secrets/s/versions/latest"
    assert Settings.from_env({**ENOUGH, "JOB_SECRETS": right}).secret_versions == {"A": right.partition("=")[2]}
    with pytest.raises(SettingsInvalid) as raised:
        Settings.from_env({**ENOUGH, "JOB_SECRETS": f"{right},{wrong}"})
    assert raised.value.errors == ["JOB_SECRETS must list NAME=projects/P/secrets/S/versions/V"]


NOTIFYING = {**ENOUGH, "SERVICE_URL": "https://haystack.example.org"}


def test_hosts_of_webhooks_get_their_port() -> None:
    hosts = "hooks.example.org, hooks.example.org:8443,http://127.0.0.1:9000"
    assert Settings.from_env({**NOTIFYING, "WEBHOOK_HOSTS": hosts}).webhook_origins == {
        "https://hooks.example.org:443",
        "https://hooks.example.org:8443",
        "http://127.0.0.1:9000",
    }
    assert Settings.from_env(ENOUGH).webhook_origins == frozenset()


@pytest.mark.parametrize(
    "hosts",
    [
        "*",
        "*.example.org",
        "https://hooks.example.org",
        "hooks.example.org/x",
        "Hooks.example.org",
        "http://10.0.0.1:80",
        "a@b",
    ],
)
def test_only_whole_hosts_can_be_allowed(hosts: str) -> None:
    with pytest.raises(SettingsInvalid) as raised:
        Settings.from_env({**NOTIFYING, "WEBHOOK_HOSTS": f"hooks.example.org,{hosts}"})
    assert raised.value.errors == ["WEBHOOK_HOSTS must list HOST, HOST:PORT or http://127.0.0.1:PORT, in lower case"]


@pytest.mark.parametrize("key", ["whsec_short", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "!" * 40])
def test_an_invalid_signing_key_is_told_and_not_quoted(key: str) -> None:
    assert Settings.from_env({**ENOUGH, "WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
    with pytest.raises(SettingsInvalid, match="WEBHOOK_SECRET must be whsec_") as raised:
        Settings.from_env({**ENOUGH, "WEBHOOK_SECRET": key})
    assert key not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"SERVICE_URL": ""}, "SERVICE_URL is missing; the links in notifications begin with it"),
        ({"SMTP_HOST": "smtp://x"}, "SMTP_HOST must be the name or the address of a server, without its port"),
        ({"SMTP_FROM": ""}, "SMTP_FROM must be an e-mail address in ASCII"),
        ({"SMTP_FROM": "HAYSTACK <haystack@example.org>"}, "SMTP_FROM must be an e-mail address in ASCII"),
        (
            {"SMTP_USER": "u", "SMTP_STARTTLS": "0"},
            "SMTP_USER needs SMTP_STARTTLS=1 or SMTP_PORT=465, so that no password travels unencrypted",
        ),
    ],
)
def test_a_mail_server_that_cannot_be_used_is_told(changes: dict[str, str], error: str) -> None:
    mail = {**NOTIFYING, "SMTP_HOST": "smtp.example.org", "SMTP_FROM": "haystack@example.org", "SMTP_USER": ""}
    assert Settings.from_env(mail).smtp_port == 587
    with pytest.raises(SettingsInvalid) as raised:
        Settings.from_env({**mail, **changes})
    assert raised.value.errors == [error]
    assert Settings.from_env({**mail, "SMTP_USER": "u", "SMTP_STARTTLS": "0", "SMTP_PORT": "465"})
