"""gcloud accepts the alert policies, and they refer to resources and log messages that exist."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy import alerts
from deploy.gcloud import Gcloud
from deploy.target import Target
from shared.routes import FUNCTIONS
from tests.deploy.conftest import PROJECT, ROOT

FILES = sorted((ROOT / "deploy" / "alerts").glob("*.json"))
PARSE = """
import json, sys
sdk, *paths = sys.argv[1:]
sys.path[:0] = [f"{sdk}/lib/third_party", f"{sdk}/lib"]
from apitools.base.py import encoding
from apitools.base.protorpclite import messages
from googlecloudsdk.generated_clients.apis.monitoring.v3 import monitoring_v3_messages as monitoring

def unknown(message):
    yield from message.all_unrecognized_fields()
    for field in message.all_fields():
        value = message.get_assigned_value(field.name)
        for each in value if isinstance(value, (list, messages.FieldList)) else [value]:
            if isinstance(each, messages.Message):
                yield from unknown(each)

print(json.dumps({p: sorted(unknown(encoding.PyValueToMessage(monitoring.AlertPolicy, json.load(open(p))))) for p in paths}))
"""


def parsed(*paths: Path) -> dict[str, list[str]]:
    """Return the fields that gcloud's Monitoring client does not know, by file; a value of the wrong type is an error."""
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs gcloud")
        pytest.skip("gcloud, whose client reads the policies, is not installed")
    sdk = Path(gcloud).resolve().parent.parent
    bundled = sdk / "platform" / "bundledpythonunix" / "bin" / "python3"
    python = str(bundled) if bundled.exists() else "python3"
    command = [python, "-W", "ignore", "-c", PARSE, str(sdk), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_gcloud_understands_every_field_of_every_policy() -> None:
    assert len(FILES) == 7
    assert parsed(*FILES) == {str(path): [] for path in FILES}


def test_a_field_that_is_not_known_would_be_noticed(tmp_path: Path) -> None:
    spoilt: dict[str, Any] = json.loads(FILES[0].read_text())
    spoilt["conditions"][0]["treshold"] = 1
    (tmp_path / "spoilt.json").write_text(json.dumps(spoilt))
    assert parsed(tmp_path / "spoilt.json") == {str(tmp_path / "spoilt.json"): ["treshold"]}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.stem))
def test_a_policy_says_what_to_do_and_watches_what_is_there(path: Path) -> None:
    policy = json.loads(path.read_text())
    assert len(policy["documentation"]["content"]) > 40
    (condition,) = policy["conditions"]
    watched = json.dumps(condition)
    parts = {f"haystack-{name}" for name in FUNCTIONS} | {"haystack-front", "haystack-jobs-to-reconcile"}
    assert set(re.findall(r"haystack-[a-z-]+", watched)) <= parts
    assert ("notificationRateLimit" in policy["alertStrategy"]) == ("conditionMatchedLog" in condition)


def test_the_log_lines_that_are_watched_are_written() -> None:
    said = {
        found
        for path in FILES
        for found in re.findall(
            r'(?:message=|textPayload:)\\"([^"\\]+)\\"', json.dumps(json.loads(path.read_text())["conditions"])
        )
    }
    sources = "".join(
        path.read_text() for folder in ("shared", "orchestrator") for path in (ROOT / folder).rglob("*.py")
    )
    assert said
    assert [text for text in said if f'"{text}"' not in sources] == []


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
