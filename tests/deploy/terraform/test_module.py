"""The module plans the same resources as `deploy.sh`, with the same values, whatever the options."""

import re
import subprocess
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest

from deploy import buckets, functions, plan
from deploy.gcloud import Gcloud, covers
from deploy.target import Notifications, Target
from shared.routes import FUNCTIONS
from shared.settings import SHORTEST_RETENTION
from tests.deploy.conftest import NUMBER, ROOT
from tests.deploy.terraform import equivalents
from tests.deploy.terraform.conftest import Terraform
from tests.deploy.terraform.equivalents import EXCEPTIONS, JOB_DIGEST, Resources, identity

MODULE = ROOT / "deploy" / "terraform"
# Options as a target has them; the first set has none.
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "everything": {
        "production": True,
        "members": ("group:lab@example.org", "user:ada@example.org"),
        "origins": ("https://app.example.org", "http://localhost:5173"),
        "operators": ("ops@example.org", "ada@example.org"),
        "retention_days": 60,
        "queue_minutes": 90,
        "llm_providers": ("anthropic", "google_genai"),
        "network": "lab",
        "subnet": "jobs",
        "external_ip": False,
        "notifications": Notifications(
            ("hooks.example.org", "hooks.example.org:8443"), "smtp.example.org", "465", "relay", "haystack@example.org"
        ),
        "email_owners": False,
    },
    "dev": {
        "env": "dev",
        "domain": "dev.example.org",
        "operators": ("ops@example.org",),
        "retention_days": 200,
        "llm_providers": ("openai",),
        "network": "projects/host-project/global/networks/lab",
        "subnet": "projects/host-project/regions/europe-west4/subnetworks/jobs",
        "notifications": Notifications(smtp_host="smtp.example.org", smtp_from="haystack@example.org"),
    },
}
# Its only purpose is to be the target of the first apply.
OWN = "terraform_data"


def variables(target: Target) -> dict[str, Any]:
    """Return the variables of the module for a target."""
    job = "orchestrator-llm" if target.llm_providers else "orchestrator"
    return {
        **{name: getattr(target, name) for name in ("project", "region", "domain", "env", "production", "members")},
        **{name: getattr(target, name) for name in ("origins", "retention_days", "llm_providers", "network", "subnet")},
        "notify": target.operators,
        "queue_limit": target.queue_minutes,
        "no_external_ip": not target.external_ip,
        **target.notifications._asdict(),
        "no_email_owners": not target.email_owners,
        "job_image": f"{target.registry}/{job}@{JOB_DIGEST}",
        "function_images": {name: f"{target.registry}/{target.name(name)}" for name in FUNCTIONS},
    }


def commands(target: Target) -> list[str]:
    """Return the commands of deploy.sh for an empty project."""
    printed = StringIO()
    with redirect_stdout(printed):
        plan.deploy(Gcloud(target.project, dry_run=True, blind=True), target)
    return [line for line in printed.getvalue().splitlines() if not line.startswith("#")]


def planned(terraform: Terraform, target: Target) -> Resources:
    """Return the resources that Terraform plans."""
    done = terraform.plan(**variables(target))
    assert done.returncode == 0, done.stderr
    resources = [each for each in terraform.planned()["root_module"]["resources"] if each["mode"] == "managed"]
    for each in resources:
        if each["type"] == "google_iap_settings":
            name = each["values"]["name"].removeprefix(f"projects/{NUMBER}/iap_web/compute/services/")
            each["values"]["name"] = f"IAP of {name}"
    found = [(identity(each["type"], each["values"]), each["values"]) for each in resources if each["type"] != OWN]
    assert max(Counter(key for key, _ in found).values()) == 1
    return dict(found)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_terraform_creates_what_deploy_sh_creates_with_the_same_values(
    terraform: Terraform, target: Target, options: dict[str, Any]
) -> None:
    target = replace(target, **options)
    wanted = equivalents.resources(commands(target))
    found = planned(terraform, target)
    assert set(found) == set(wanted)
    differing = {key: (found[key], values) for key, values in wanted.items() if not covers(found[key], values)}
    assert differing == {}


def test_every_exception_is_still_a_command(target: Target) -> None:
    lines = commands(replace(target, **OPTIONS["everything"]))
    unused = [words for words in EXCEPTIONS if not any(f"gcloud {words} " in line for line in lines)]
    assert unused == []


def test_the_url_map_has_no_rule_that_deploy_sh_does_not_write(terraform: Terraform, target: Target) -> None:
    """`covers` ignores fields that only Terraform sets, such as another match; here they count."""
    wanted = equivalents.resources(commands(target))
    found = planned(terraform, target)
    keys = [key for key in wanted if key[0] == "google_compute_url_map"]
    assert len(keys) == 2
    assert {key: _set(found[key]) for key in keys} == {
        key: {"id": f"id of {wanted[key]['name']}", **wanted[key]} for key in keys
    }


def test_results_expire_and_get_cheaper_as_with_deploy_sh(terraform: Terraform, target: Target) -> None:
    cheaper = buckets.CHEAPER_AFTER + buckets.CHEAPER_AT_LEAST
    for days in (SHORTEST_RETENTION.days, cheaper - 1, cheaper):
        done = terraform.plan(**variables(replace(target, retention_days=days)), only="google_storage_bucket.bucket")
        assert done.returncode == 0, done.stderr
        made = terraform.planned()["root_module"]["resources"]
        found = {each["values"].get("name"): each["values"] for each in made}
        rules = equivalents.blocks(buckets.results_lifecycle(days)["rule"])
        assert covers(found[target.results_bucket]["lifecycle_rule"], rules)


def test_operators_get_the_settings_of_ingests(terraform: Terraform, target: Target) -> None:
    target = replace(target, **OPTIONS["everything"])
    given = variables(target)
    assert terraform.plan(**given).returncode == 0
    outputs = terraform.planned()["outputs"]
    assert outputs["ingest_settings"]["value"] == functions.ingest_environment(target, given["job_image"])
    assert outputs["url"]["value"] == f"https://{target.domain}"


def test_no_secret_is_in_the_state(terraform: Terraform, target: Target) -> None:
    found = planned(terraform, replace(target, **OPTIONS["everything"]))
    assert not [kind for kind, _ in found if "secret_version" in kind or "password" in kind]
    text = "".join(path.read_text() for path in MODULE.glob("*.tf*"))
    assert "google_secret_manager_secret_version" not in text
    assert re.findall(r"^.*oauth2_client_secret.*$", text, re.MULTILINE) == [
        "    ignore_changes = [iap[0].oauth2_client_id, iap[0].oauth2_client_secret]"
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"function_images": {}}, "python -m deploy.terraform images"),
        ({"job_image": "registry/orchestrator:latest"}, "NAME@sha256:DIGEST"),
        ({"retention_days": 3}, "retention_days must be 0 or at least 7"),
        ({"queue_limit": 2881}, "queue_limit must be from 0 to 2880"),
        ({"llm_providers": ["oracle"]}, "llm_providers must be some of: anthropic"),
        ({"network": "lab"}, "Set network and subnet together"),
        ({"no_external_ip": True}, "needs network and subnet"),
        ({"smtp_host": "smtp.example.org"}, "Set smtp_host and smtp_from together"),
        ({"env": "test"}, "env must be prod or dev"),
    ],
)
def test_a_wrong_variable_stops_the_plan_and_says_what_to_do(
    terraform: Terraform, target: Target, change: dict[str, Any], said: str
) -> None:
    done = terraform.plan(**{**variables(target), **change})
    assert done.returncode == 1
    assert said in re.sub(r"[\s│]+", " ", done.stderr)


def test_the_first_apply_needs_no_image_and_makes_what_builds_need(terraform: Terraform, target: Target) -> None:
    without = {**variables(target), "job_image": "", "function_images": {}}
    assert terraform.plan(**without).returncode == 1
    done = terraform.plan(**without, only=f"{OWN}.before_images")
    assert done.returncode == 0, done.stderr
    made = {each["type"] for each in terraform.planned()["root_module"]["resources"]}
    assert {"google_artifact_registry_repository", "google_secret_manager_secret", "google_storage_bucket"} <= made
    assert "google_cloud_run_v2_service" not in made


def test_the_configuration_is_valid_and_formatted(terraform: Terraform, binary: str) -> None:
    done = terraform.run("validate", "-no-color")
    assert done.returncode == 0, done.stderr
    formatted = subprocess.run(
        [binary, "fmt", "-check", "-diff", str(MODULE)], capture_output=True, text=True, check=False
    )
    assert (formatted.returncode, formatted.stdout) == (0, "")


def _set(value: Any) -> Any:  # noqa: ANN401  # JSON
    """Return planned values without what is not set."""
    if isinstance(value, list):
        return [_set(each) for each in value]
    if isinstance(value, dict):
        return {name: _set(each) for name, each in value.items() if each is not None and each != []}
    return value
