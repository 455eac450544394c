"""Bindings are added where they are missing and found where nobody wants them; a binding on a part has a condition."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy import iam, members, policies
from deploy.gcloud import Gcloud
from deploy.policies import Binding, Policy, Stale
from deploy.target import Target
from tests.deploy.conftest import PROJECT, answering

ACCOUNT = f"@{PROJECT}.iam.gserviceaccount.com"
# What an account may do to the whole project, because Google offers no smaller place for it.
PROJECT_WIDE = {"roles/batch.jobsEditor", "roles/batch.agentReporter", "roles/logging.logWriter"}


def admits(expression: str, name: str) -> bool:
    """Evaluate the conditions that this project writes."""
    equal = re.findall(r'resource\.name == "([^"]+)"', expression)
    prefixes = re.findall(r'resource\.name\.startsWith\("([^"]+)"\)', expression)
    assert len(equal) + len(prefixes) == expression.count("||") + 1
    return name in equal or name.startswith(tuple(prefixes))


def policy(*bindings: tuple[str, str, str]) -> dict[str, object]:
    """Return a policy with these roles, members and expressions."""
    return {
        "bindings": [
            {"role": role, "members": [member], **({"condition": {"title": "t", "expression": expr}} if expr else {})}
            for role, member, expr in bindings
        ]
    }


@given(database=st.from_regex(r"[a-z][a-z0-9-]{2,61}[a-z0-9]|\(default\)", fullmatch=True))
def test_a_database_s_condition_admits_this_database_and_its_documents_only(database: str) -> None:
    expression = Binding("database", "haystack-dev", "m", "r", "").expression("p")
    for path in (f"projects/p/databases/{database}", f"projects/p/databases/{database}/documents/runs/1"):
        assert admits(expression, path) == (database == "haystack-dev")


def test_a_folder_s_condition_admits_its_objects_only() -> None:
    expression = Binding("folder", "gs://b/services/haystack-", "m", "r", "").expression("p")
    assert admits(expression, "projects/_/buckets/b/objects/services/haystack-list/1.zip")
    assert not admits(expression, "projects/_/buckets/b/objects/services/other/1.zip")
    assert not admits(expression, "projects/_/buckets/b2/objects/services/haystack-list/1.zip")


def test_no_account_of_one_environment_reaches_the_resources_of_the_other(target: Target) -> None:
    for env, other in (("dev", "prod"), ("prod", "dev")):
        own = iam.bindings(replace(target, env=env))
        theirs = {(each.kind, each.resource) for each in iam.bindings(replace(target, env=other))}
        shared = {each.role for each in own if (each.kind, each.resource) in theirs}
        assert shared <= PROJECT_WIDE
        acting = {each.resource for each in own if each.role == "roles/iam.serviceAccountUser"}
        assert acting == {replace(target, env=env).account("job")}


def test_a_binding_without_the_condition_does_not_count_as_the_one_with_it(target: Target) -> None:
    """Regression: dev's accounts had roles on every database of the project."""
    member = f"serviceAccount:haystack-reader{ACCOUNT}"
    wanted = Binding("database", "(default)", member, "roles/datastore.viewer", "reads runs")
    commands: list[Sequence[str]] = []
    before = policy(("roles/datastore.viewer", member, ""), ("roles/owner", "user:ada@example.org", ""))
    cloud = Gcloud(PROJECT, run=answering(before, commands=commands))
    stale = policies.apply(cloud, target, [wanted], owned=lambda _, each: each == member)
    policies.remove(cloud, target, stale)
    changes = [" ".join(command) for command in commands if "get-iam-policy" not in command]
    assert len(changes) == 2
    assert f'expression=resource.name == "projects/{PROJECT}/databases/(default)" || ' in changes[0]
    assert changes[0].startswith(f"gcloud projects add-iam-policy-binding {PROJECT} ")
    assert changes[1].startswith(f"gcloud projects remove-iam-policy-binding {PROJECT} ")
    assert "--condition=None" in changes[1]


def test_a_stale_binding_is_removed_with_its_own_condition(target: Target) -> None:
    commands: list[Sequence[str]] = []
    condition = {"title": "old", "expression": "true", "description": "of an older release"}
    stale = Stale(Policy("project", PROJECT), "roles/datastore.user", "serviceAccount:a@b", condition)
    policies.remove(Gcloud(PROJECT, run=answering({}, commands=commands)), target, [stale])
    (flag,) = [word for word in commands[0] if word.startswith("--condition")]
    (file,) = (target.work / "conditions").glob("*.json")
    assert flag == f"--condition-from-file={file}"


def test_members_that_a_deployment_leaves_out_lose_access_and_without_members_all_stay(target: Target) -> None:
    commands: list[Sequence[str]] = []
    found = policy((members.ACCESSOR, "group:old@example.org", ""), ("roles/viewer", "user:eve@example.org", ""))
    cloud = Gcloud(PROJECT, run=answering(found, commands=commands))
    stale = members.admit(cloud, replace(target, members=("group:new@example.org",)))
    assert {(each.policy.resource, each.member) for each in stale} == {
        (target.name(function), "group:old@example.org") for function in target.balanced
    }
    added = [command for command in commands if "add-iam-policy-binding" in command]
    assert len(added) == len(target.balanced)
    assert all("--resource-type=backend-services" in command for command in added)
    commands.clear()
    assert members.admit(cloud, target) == []
    assert [command[:3] for command in commands] == [["gcloud", "iap", "web"]]  # who passes IAP everywhere


def test_a_member_in_capital_letters_is_the_member_that_iam_stores(target: Target) -> None:
    """Regression: IAM stores addresses in lower case, so that the next deployment took away what it had just granted."""
    found = policy((members.ACCESSOR, "user:ada@example.org", ""))
    commands: list[Sequence[str]] = []
    cloud = Gcloud(PROJECT, run=answering(found, commands=commands))
    assert members.admit(cloud, replace(target, members=("user:Ada@Example.org",))) == []
    assert not [command for command in commands if "add-iam-policy-binding" in command]
    pool = "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/Lab/*"
    assert policies.normalized(pool) == pool


def test_members_with_access_everywhere_are_told_without_members_too(
    target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    """Regression: after an older release, members of dev kept their access to prod, and a deployment without --member was silent."""
    members.admit(Gcloud(PROJECT, run=answering(policy((members.ACCESSOR, "group:dev@example.org", "")))), target)
    assert "These members pass IAP in every environment" in capsys.readouterr().out
