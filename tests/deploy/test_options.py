"""What the options of `deploy.sh` come to, where that is decided before gcloud is asked for anything."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from deploy import alerts, llm_keys, preflights
from deploy.buckets import results_lifecycle
from deploy.gcloud import Answer, CommandFailed, Gcloud
from deploy.target import Target
from shared.fields import LlmProvider
from shared.settings import LLM_KEYS
from tests.deploy.conftest import NUMBER, PROJECT, REGION, ROOT

NOT_FOUND = Answer(1, "", "ERROR: (gcloud.secrets.versions.describe) NOT_FOUND: Secret not found")


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(
        project=PROJECT,
        number=NUMBER,
        region=REGION,
        domain="haystack.example.org",
        env="prod",
        production=False,
        members=(),
        root=ROOT,
        work=tmp_path,
    )


def answering(*answers: object, commands: list[Sequence[str]] | None = None) -> Callable[[Sequence[str], str], Answer]:
    """A gcloud that gives these answers, the last for ever, and writes down what it was asked."""
    left = list(answers)

    def run(command: Sequence[str], _: str) -> Answer:
        if commands is not None:
            commands.append(command)
        answer = left.pop(0) if len(left) > 1 else left[0]
        return answer if isinstance(answer, Answer) else Answer(0, json.dumps(answer), "")

    return run


@pytest.mark.parametrize("latest", [NOT_FOUND, {"name": "projects/p/secrets/s/versions/3", "state": "DISABLED"}])
def test_a_language_model_without_a_key_stops_the_deployment_with_the_command_that_makes_one(
    target: Target, latest: object
) -> None:
    asked = replace(target, llm_providers=("anthropic", "google_genai"))
    with pytest.raises(CommandFailed) as failed:
        llm_keys.check(Gcloud(PROJECT, run=answering(latest)), asked)
    for secret in ("haystack-anthropic-api-key", "haystack-google-api-key"):
        assert f"gcloud secrets create {secret} --project={PROJECT} " in str(failed.value)


def test_a_dry_run_goes_on_without_a_key_and_says_so(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    asked = replace(target, llm_providers=("openai",))
    llm_keys.check(Gcloud(PROJECT, dry_run=True, run=answering(NOT_FOUND)), asked)
    assert "# gcloud secrets create haystack-openai-api-key " in capsys.readouterr().out


def test_every_language_model_that_a_run_may_ask_for_has_a_key_s_name() -> None:
    assert set(LLM_KEYS) == {provider.value for provider in LlmProvider}


def test_iap_s_other_settings_of_a_backend_are_kept(target: Target) -> None:
    commands: list[Sequence[str]] = []
    hint = {"oauthSettings": {"loginHint": "example.org"}}
    found = {"name": "projects/1/iap_web/compute/services/haystack-list", "accessSettings": hint}
    cloud = Gcloud(PROJECT, run=answering(found, commands=commands))
    preflights.let_through(cloud, replace(target, origins=("https://app.example.org",)))
    written = json.loads((target.work / "haystack-list-iap.json").read_text())
    assert written["accessSettings"] == {**hint, "corsSettings": {"allowHttpOptions": True}}
    changes = [command for command in commands if "set" in command]
    assert len(changes) == len(target.balanced)


def test_iap_is_not_asked_where_no_page_of_another_origin_may_call(target: Target) -> None:
    commands: list[Sequence[str]] = []
    preflights.let_through(Gcloud(PROJECT, run=answering({}, commands=commands)), target)
    assert commands == []


def test_alerts_of_dev_watch_dev_and_say_so(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    dev = replace(target, env="dev", operators=("ops@example.org",))
    alerts.set_up(Gcloud(PROJECT, dry_run=True, blind=True), dev)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(list((ROOT / "deploy" / "alerts").glob("*.json")))
    for line in lines[1:]:  # the first makes the channel, whose name is known only then
        assert '"--notification-channels=$(gcloud beta monitoring channels list ' in line
    for path in (target.work / "alerts").glob("*.json"):
        text = path.read_text()
        assert text.count("haystack-") == text.count("haystack-dev")
        assert json.loads(text)["displayName"].startswith("HAYSTACK dev: ")
        assert json.loads(text)["userLabels"]["service"] == "haystack-dev"


@pytest.mark.parametrize(
    ("days", "kinds"),
    [
        (0, ["AbortIncompleteMultipartUpload", "SetStorageClass"]),
        (60, ["AbortIncompleteMultipartUpload", "Delete"]),
        (365, ["AbortIncompleteMultipartUpload", "SetStorageClass", "Delete"]),
    ],
)
def test_results_lie_cheaper_only_where_they_stay_long_enough_for_it(days: int, kinds: list[str]) -> None:
    assert [rule["action"]["type"] for rule in results_lifecycle(days)["rule"]] == kinds
