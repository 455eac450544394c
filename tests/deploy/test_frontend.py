"""Preflights of other origins pass IAP, without a change to its other settings."""

import json
from collections.abc import Sequence
from dataclasses import replace

from deploy import frontend
from deploy.gcloud import Gcloud
from deploy.target import Target
from tests.deploy.conftest import PROJECT, answering


def test_iap_s_other_settings_of_a_backend_are_kept(target: Target) -> None:
    commands: list[Sequence[str]] = []
    hint = {"oauthSettings": {"loginHint": "example.org"}}
    found = {"name": "projects/1/iap_web/compute/services/haystack-list", "accessSettings": hint}
    cloud = Gcloud(PROJECT, run=answering(found, commands=commands))
    frontend.allow_preflights(cloud, replace(target, origins=("https://app.example.org",)))
    written = json.loads((target.work / "haystack-list-iap.json").read_text())
    assert written["accessSettings"] == {**hint, "corsSettings": {"allowHttpOptions": True}}
    changes = [command for command in commands if "set" in command]
    assert len(changes) == len(target.balanced)


def test_preflights_pass_no_longer_once_no_page_of_another_origin_may_call(target: Target) -> None:
    commands: list[Sequence[str]] = []
    found = {"accessSettings": {"corsSettings": {"allowHttpOptions": True}}}
    frontend.allow_preflights(Gcloud(PROJECT, run=answering(found, commands=commands)), target)
    written = json.loads((target.work / "haystack-list-iap.json").read_text())
    assert written["accessSettings"]["corsSettings"] == {"allowHttpOptions": False}
    assert len([command for command in commands if "set" in command]) == len(target.balanced)


def test_a_backend_that_never_let_preflights_pass_is_not_changed(target: Target) -> None:
    commands: list[Sequence[str]] = []
    frontend.allow_preflights(Gcloud(PROJECT, run=answering({}, commands=commands)), target)
    assert not [command for command in commands if "set" in command]
