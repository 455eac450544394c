"""A deployment with language models requires their keys in Secret Manager, and builds an image with their clients."""

from dataclasses import replace

import pytest

from deploy import image, secrets
from deploy.gcloud import Answer, CommandFailed, Gcloud
from deploy.target import Target
from shared.fields import LlmProvider
from shared.settings import LLM_KEYS
from tests.deploy.conftest import PROJECT, ROOT, answering

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


@pytest.mark.parametrize(
    ("providers", "name", "requirements"),
    [
        ((), "orchestrator", "requirements.txt"),
        (("anthropic",), "orchestrator-llm", "requirements-llm.txt"),
    ],
)
def test_the_image_has_the_clients_of_language_models_only_if_the_deployment_has_a_key(
    target: Target, providers: tuple[str, ...], name: str, requirements: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = Gcloud(PROJECT, dry_run=True, run=answering([]))
    built = image.job_image(cloud, replace(target, llm_providers=providers), build=True)
    assert built.startswith(f"{target.registry}/{name}@")
    assert f"_REQUIREMENTS={requirements}" in capsys.readouterr().out
    assert (ROOT / "orchestrator" / requirements).is_file()


def test_the_packages_of_language_models_are_in_their_own_image_only() -> None:
    for file, expected in (("requirements.txt", False), ("requirements-llm.txt", True)):
        packages = (ROOT / "orchestrator" / file).read_text(encoding="utf-8")
        assert all((f"\n{name}==" in packages) is expected for name in ("pydantic-ai-slim", "anthropic", "openai"))
