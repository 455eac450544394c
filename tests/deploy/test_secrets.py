"""A deployment with language models requires their keys in Secret Manager."""

from dataclasses import replace

import pytest

from deploy import secrets
from deploy.gcloud import Answer, CommandFailed, Gcloud
from deploy.target import Target
from shared.fields import LlmProvider
from shared.settings import LLM_KEYS
from tests.deploy.conftest import PROJECT, answering

NOT_FOUND = Answer(1, "", "ERROR: (gcloud.secrets.versions.describe) NOT_FOUND: Secret not found")


@pytest.mark.parametrize("latest", [NOT_FOUND, {"name": "projects/p/secrets/s/versions/3", "state": "DISABLED"}])
def test_a_language_model_without_a_key_stops_the_deployment_with_the_command_that_makes_one(
    target: Target, latest: object
) -> None:
    asked = replace(target, llm_providers=("anthropic", "google_genai"))
    with pytest.raises(CommandFailed) as failed:
        secrets.check_llm_keys(Gcloud(PROJECT, run=answering(latest)), asked)
    for secret in ("haystack-anthropic-api-key", "haystack-google-api-key"):
        assert f"gcloud secrets create {secret} --project={PROJECT} " in str(failed.value)


def test_a_dry_run_goes_on_without_a_key_and_says_so(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    asked = replace(target, llm_providers=("openai",))
    secrets.check_llm_keys(Gcloud(PROJECT, dry_run=True, run=answering(NOT_FOUND)), asked)
    assert "# gcloud secrets create haystack-openai-api-key " in capsys.readouterr().out


def test_every_language_model_that_a_run_may_ask_for_has_a_key_s_name() -> None:
    assert set(LLM_KEYS) == {provider.value for provider in LlmProvider}
