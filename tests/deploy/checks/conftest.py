"""A project at the recorder that checks examine with the real gcloud."""

import ast
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.caller import Caller
from deploy.checks.checkup import Checkup
from deploy.checks.finding import Finding
from deploy.checks.reader import Reader
from deploy.frontend import certificate
from deploy.functions import ingress
from deploy.gcloud import Answer
from deploy.iam import bindings
from deploy.plan import APIS
from deploy.target import RECONCILE_PATH, Target
from shared.routes import FUNCTIONS
from tests.deploy.cloud import Cloud
from tests.deploy.conftest import DOMAIN, MEMBER, NUMBER, PROJECT, REGION, ROOT
from tests.deploy.recorder import Recorder, recording

NOW: Final = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
ADDRESS: Final = "203.0.113.7"
JOB: Final = "haystack-0123456789ab-1"
TARGET: Final = Target(
    project=PROJECT,
    number=NUMBER,
    region=REGION,
    domain=DOMAIN,
    env="prod",
    production=False,
    members=(),
    root=ROOT,
    work=ROOT,
)
Resource = dict[str, Any]
Check = Callable[[Checkup], Iterator[Finding]]


@dataclass
class Examination:
    """One project, which tests change before they examine it.

    Attributes:
        recorder: answers gcloud.
        binaries: folder with gcloud.
        config: folder for gcloud's configuration.
        target: the environment.
        resolved: the addresses of the domain.
        caller: sends requests to the service; by default, nothing answers.
        logged_in: whether gcloud has an account.
    """

    recorder: Recorder
    binaries: Path
    config: Path
    target: Target = TARGET
    resolved: set[str] = field(default_factory=lambda: {ADDRESS})
    caller: Caller = field(default_factory=lambda: Caller("http://127.0.0.1:9"))
    logged_in: bool = True

    @property
    def cloud(self) -> Cloud:
        """Return the project."""
        return self.recorder.cloud

    @property
    def reader(self) -> Reader:
        """Return a reader with the real gcloud."""
        return Reader(PROJECT, run=self._gcloud)

    def checkup(self, number: str = NUMBER) -> Checkup:
        """Return what checks get."""
        return Checkup(replace(self.target, number=number), self.reader, self.caller, lambda _: self.resolved, NOW)

    def findings(self, check: Check) -> list[Finding]:
        """Return the findings of a check, whose commands must exist."""
        found = list(check(self.checkup()))
        for finding in found:
            assert_exists(finding.command)
        return found

    def resource(self, key: str) -> Resource:
        """Return the one resource whose key ends with this."""
        (found,) = (each for name, each in self.cloud.resources.items() if name.endswith(key))
        return found

    def without(self, key: str) -> None:
        """Delete the one resource whose key ends with this."""
        (found,) = (name for name in self.cloud.resources if name.endswith(key))
        del self.cloud.resources[found]

    def revoke(self, key: str, member: str = "") -> None:
        """Remove a member's bindings from the one policy whose key ends with this; empty: all bindings."""
        (policy,) = (each for name, each in self.cloud.policies.items() if name.endswith(key))
        policy["bindings"] = [each for each in policy["bindings"] if member and member not in str(each["members"])]

    def _gcloud(self, command: Sequence[str], stdin: str) -> Answer:
        environment = self.recorder.environment(self.config)
        if not self.logged_in:
            del environment["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"]
        path = f"{self.binaries}{os.pathsep}{environment['PATH']}"
        program = next(folder for folder in path.split(os.pathsep) if (Path(folder) / "gcloud").exists())
        done = subprocess.run(
            [str(Path(program) / "gcloud"), *command[1:]],
            input=stdin,
            env={**environment, "PATH": path, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)


def assert_exists(command: str) -> None:
    """Assert that a gcloud command exists with its flags."""
    words = shlex.split(command)
    if words[:1] != ["gcloud"]:
        return
    node, flags = gcloud_tree(), set(gcloud_tree()["flags"])
    for word in words[1:]:
        if word in node["commands"]:
            node = node["commands"][word]
            flags |= set(node["flags"])
        elif word.startswith("--"):
            assert word.partition("=")[0] in flags | {"--project", "--format", "--limit", "--filter"}, command
    assert not node["commands"], command


@cache
def gcloud_tree() -> Resource:
    """Return all commands and flags of gcloud, from its data for completion."""
    program = Path(shutil.which("gcloud") or "").resolve()
    text = (program.parent.parent / "data" / "cli" / "gcloud_completions.py").read_text()
    tree: Resource = ast.literal_eval(text.partition("CLI_TREE = ")[2].strip())
    return tree


def furnish(cloud: Cloud) -> None:
    """Add what a new project has: quotas and a network."""
    quotas = {"CPUS": 24, "IN_USE_ADDRESSES": 8, "SSD_TOTAL_GB": 500}
    cloud.resources[f"compute/projects/{PROJECT}/regions/{REGION}"] = {"name": REGION, "quotas": listed(quotas)}
    network = f"compute/projects/{PROJECT}/global/networks/default"
    cloud.resources[network] = {"name": "default"}
    quotas = {"BACKEND_SERVICES": 50, "URL_MAPS": 10, "TARGET_HTTPS_PROXIES": 10, "STATIC_ADDRESSES": 8}
    cloud.resources[f"compute/projects/{PROJECT}"] = {"name": PROJECT, "quotas": listed(quotas)}


def listed(quotas: dict[str, int], usage: int = 0) -> list[Resource]:
    """Return quotas as Compute Engine lists them."""
    return [{"metric": metric, "limit": float(limit), "usage": float(usage)} for metric, limit in quotas.items()]


def serve(cloud: Cloud) -> None:
    """Add a deployed service in good health, as far as checks read it."""
    target, put = TARGET, cloud.resources.__setitem__
    cloud.enabled = {f"{api}.googleapis.com" for api in APIS}
    for function in target.balanced:
        name = target.name(function)
        backend = {"name": name, "iap": {"enabled": True, "oauth2ClientId": " "}}
        put(f"compute/projects/{PROJECT}/global/backendServices/{name}", backend)
        admitted = [{"role": "roles/iap.httpsResourceAccessor", "members": [MEMBER]}]
        cloud.policies[f"iap/projects/{NUMBER}/iap_web/compute/services/{name}"] = {"bindings": admitted}
    for function in FUNCTIONS:
        name = target.name(function)
        put(
            f"run/namespaces/{PROJECT}/services/{name}",
            {
                "apiVersion": "serving.knative.dev/v1",
                "kind": "Service",
                "metadata": {"name": name, "annotations": {"run.googleapis.com/ingress": ingress(function)}},
                "spec": {"template": {"spec": {"containers": [{"env": []}]}}},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            },
        )
    places = {
        "function": f"run/projects/{PROJECT}/locations/{REGION}/services",
        "bucket": "storage/b",
        "topic": f"pubsub/projects/{PROJECT}/topics",
    }
    for each in bindings(target):
        if each.kind in places:
            policy = cloud.policies.setdefault(f"{places[each.kind]}/{each.resource.removeprefix('gs://')}", {})
            policy.setdefault("bindings", []).append({"role": each.role, "members": [each.member]})
    front = target.name("front")
    put(f"compute/projects/{PROJECT}/global/addresses/{front}", {"name": front, "address": ADDRESS})
    name = certificate(target)
    managed = {"status": "ACTIVE", "domainStatus": {DOMAIN: "ACTIVE"}, "domains": [DOMAIN]}
    put(
        f"compute/projects/{PROJECT}/global/sslCertificates/{name}",
        {"name": name, "type": "MANAGED", "managed": managed},
    )
    put(
        f"firestore/projects/{PROJECT}/databases/(default)",
        {
            "name": f"projects/{PROJECT}/databases/(default)",
            "type": "FIRESTORE_NATIVE",
            "locationId": REGION,
        },
    )
    _add_jobs(cloud)


def _add_jobs(cloud: Cloud) -> None:
    target, put = TARGET, cloud.resources.__setitem__
    put(f"pubsub/{target.topic}", {"name": target.topic})
    uri = f"{target.reconcile_url}{RECONCILE_PATH}"
    token = {"audience": target.reconcile_url, "serviceAccountEmail": target.account("invoker")}
    subscription = f"projects/{PROJECT}/subscriptions/haystack-jobs-to-reconcile"
    put(
        f"pubsub/{subscription}",
        {"name": subscription, "topic": target.topic, "pushConfig": {"pushEndpoint": uri, "oidcToken": token}},
    )
    sweep = f"projects/{PROJECT}/locations/{REGION}/jobs/haystack-sweep"
    attempted = {"state": "ENABLED", "lastAttemptTime": "2026-11-28T11:59:30.123456789Z", "status": {}}
    put(f"cloudscheduler/{sweep}", {"name": sweep, **attempted})
    atlas = f"storage/b/{target.atlas_bucket}"
    put(atlas, {"name": target.atlas_bucket, "id": target.atlas_bucket})
    cloud.objects[target.atlas_bucket] = [{"name": "demo/atlas.h5", "bucket": target.atlas_bucket, "size": "1"}]
    job = f"projects/{PROJECT}/locations/{REGION}/jobs/{JOB}"
    mounted = {
        "gcs": {"remotePath": target.atlas_bucket},
        "mountPath": "/mnt/disks/atlases",
        "mountOptions": ["-o allow_other", "--implicit-dirs"],
    }
    put(
        f"batch/{job}",
        {"name": job, "taskGroups": [{"taskSpec": {"volumes": [mounted]}}], "status": {"state": "SUCCEEDED"}},
    )


@contextmanager
def examining(gcloud: Path, folder: Path) -> Iterator[Examination]:
    """Run a recorder with a new project."""
    with recording(PROJECT, NUMBER) as recorder:
        furnish(recorder.cloud)
        yield Examination(recorder, gcloud, folder / "gcloud-config")


@pytest.fixture
def new(gcloud: Path, tmp_path: Path) -> Iterator[Examination]:
    """Return a new project, in which nothing is deployed."""
    with examining(gcloud, tmp_path) as examination:
        yield examination


@pytest.fixture
def deployed(new: Examination) -> Examination:
    """Return a project with a deployed service in good health."""
    serve(new.cloud)
    return new
