"""What runs of a deployed service need: the atlases, working jobs, notifications, and the sweep."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from deploy import events
from deploy.checks.checkup import Checkup
from deploy.checks.finding import Finding, fine, fix, know
from deploy.gcloud import covers
from deploy.iam import INVOKER, bindings
from deploy.policies import granted
from deploy.target import RECONCILE, RECONCILE_PATH

# The sweep runs every minute.
SWEEP_LATE: Final = timedelta(minutes=5)
# Without these, the container's user does not see the atlases (see `shared/gcp/batch.py`).
MOUNT_OPTIONS: Final = ("-o allow_other", "--implicit-dirs")
JOB: Final = re.compile(r"haystack-[0-9a-f]{12}-[0-9]+")
_FRACTION: Final = re.compile(r"\.\d+")


def atlases(checkup: Checkup) -> Iterator[Finding]:
    """Check that jobs may read the atlases and write results, and that there are atlases."""
    target = checkup.target
    wanted = [each for each in bindings(target) if each.kind == "bucket"]
    policies = {
        bucket: checkup.reader.find("storage buckets get-iam-policy", bucket)
        for bucket in sorted({each.resource for each in wanted})
    }
    missing = False
    for bucket, policy in policies.items():
        if policy is None:
            missing = True
            yield fix(f"The bucket {bucket} does not exist. Deploy again:", checkup.deploy)
            continue
        for each in (
            each for each in wanted if each.resource == bucket and each.member not in granted(policy, each.role)
        ):
            missing = True
            flags = (f"--member={each.member}", f"--role={each.role}")
            yield fix(
                f"{each.member.partition(':')[2]} lacks {each.role} on {bucket}: {each.reason}.",
                checkup.gcloud("storage", "buckets", "add-iam-policy-binding", bucket, *flags),
            )
    if missing:
        return
    yield fine("Jobs may read the atlases and write results.")
    bucket = f"gs://{target.atlas_bucket}"
    if not checkup.reader.items("storage objects list", f"{bucket}/**", "--limit=1"):
        yield know(
            "No atlas is ingested: every question is refused. See `From an empty project to the first run` in docs/deploy.md, or:",
            f"gcloud storage rsync --recursive build/atlases {bucket}",
        )


def last_job(checkup: Checkup) -> Iterator[Finding]:
    """Check how the newest job mounts the atlases, and how it ended."""
    target = checkup.target
    flags = (f"--location={target.region}", "--sort-by=~createTime", "--limit=20")
    found = [each for each in checkup.reader.items("batch jobs list", *flags) if JOB.fullmatch(_last(each["name"]))]
    # Environments share the names of jobs, so that only the mount tells them apart.
    bucket = target.atlas_bucket
    job = next((each for each in found if any(_remote(volume) == bucket for volume in _volumes(each))), None)
    if job is None:
        yield know(
            "No run was submitted lately. To try one:",
            checkup.verify,
        )
        return
    name, state = _last(job["name"]), job.get("status", {}).get("state", "")
    (volume,) = (each for each in _volumes(job) if _remote(each) == bucket)
    lacking = [option for option in MOUNT_OPTIONS if option not in volume.get("mountOptions", [])]
    if lacking:
        yield fix(
            f"The newest job {name} mounts the atlases without {', '.join(lacking)}, so that it cannot read them. Deploy again:",
            checkup.deploy,
        )
    elif state == "FAILED":
        events_ = job.get("status", {}).get("statusEvents", [])
        why = events_[-1].get("description", "") if events_ else ""
        yield know(
            f"The newest job {name} failed. {why}\nSee `When a run is stuck` in docs/deploy.md, and:",
            checkup.gcloud("batch", "jobs", "describe", name, f"--location={target.region}"),
        )
    else:
        yield fine(f"The newest job {name} mounts the atlases as its user can read them (state {state.lower()}).")


def notifications(checkup: Checkup) -> Iterator[Finding]:
    """Check that Batch notifications reach reconcile."""
    target, reader = checkup.target, checkup.reader
    topic, subscription = target.name("jobs"), target.name("jobs-to-reconcile")
    if topic not in reader.by_name("pubsub topics list"):
        yield fix(f"The topic {topic} does not exist, so that no job can be submitted. Deploy again:", checkup.deploy)
        return
    policy = reader.find("pubsub topics get-iam-policy", topic)
    healthy = True
    for each in (
        each for each in bindings(target) if each.kind == "topic" and each.member not in granted(policy, each.role)
    ):
        healthy = False
        flags = (f"--member={each.member}", f"--role={each.role}")
        yield fix(
            f"{each.member.partition(':')[2]} lacks {each.role} on the topic {topic}: {each.reason}.",
            checkup.gcloud("pubsub", "topics", "add-iam-policy-binding", topic, *flags),
        )
    found = reader.by_name("pubsub subscriptions list").get(subscription)
    endpoint = f"{target.reconcile_url}{RECONCILE_PATH}"
    pushed = {"pushConfig": {"pushEndpoint": endpoint, "oidcToken": events.token(target)}}
    if found is None:
        yield fix(
            f"The subscription {subscription} does not exist: the end of a job is noticed by the sweep only. Deploy again:",
            checkup.deploy,
        )
    elif _last_topic(found) != topic:
        yield fix(
            f"The subscription {subscription} has lost its topic. Delete it and deploy again:",
            checkup.gcloud("pubsub", "subscriptions", "delete", subscription),
        )
    elif not covers(found, pushed):
        yield fix(f"The subscription {subscription} pushes elsewhere. Deploy again:", checkup.deploy)
    elif healthy:
        yield fine("Batch notifications are pushed to reconcile.")


def _last_topic(subscription: dict[str, Any]) -> str:
    return _last(subscription.get("topic", ""))


def sweep(checkup: Checkup) -> Iterator[Finding]:
    """Check that the sweep runs every minute, and that reconcile accepts it."""
    target = checkup.target
    name, where = target.name("sweep"), f"--location={target.region}"
    found = checkup.reader.by_name("scheduler jobs list", where).get(name)
    if found is None:
        yield fix(
            f"The Cloud Scheduler job {name} does not exist, so that lost runs stay unfinished. Deploy again:",
            checkup.deploy,
        )
        return
    describe = checkup.gcloud("scheduler", "jobs", "describe", name, where)
    state, code = found.get("state", ""), found.get("status", {}).get("code", 0)
    attempted = _time(found.get("lastAttemptTime", ""))
    invoker = f"serviceAccount:{target.account('invoker')}"
    policy = checkup.reader.find("run services get-iam-policy", target.name(RECONCILE), f"--region={target.region}")
    if state != "ENABLED":
        yield fix(
            f"The sweep {name} is {state.lower() or 'not enabled'}.",
            checkup.gcloud("scheduler", "jobs", "resume", name, where),
        )
    elif invoker not in granted(policy, INVOKER):
        yield fix(
            f"{invoker.partition(':')[2]} may not call reconcile, so that sweeps are refused. Deploy again:",
            checkup.deploy,
        )
    elif code:
        said = found.get("status", {}).get("message", "")
        logs = f'resource.labels.service_name="{target.name(RECONCILE)}"'
        yield fix(
            f"The last sweep failed (code {code}{f', {said}' if said else ''}). The log of reconcile:",
            checkup.gcloud("logging", "read", logs, "--freshness=1h", "--limit=20"),
        )
    elif attempted is None:
        yield know("The sweep has not run yet. It runs every minute. Its state:", describe)
    elif checkup.now - attempted > SWEEP_LATE:
        yield fix(
            f"The last sweep was at {attempted:%Y-%m-%d %H:%M} UTC, although it should run every minute. Its state:",
            describe,
        )
    else:
        yield fine(f"The sweep runs; the last one was at {attempted:%H:%M} UTC.")


def _volumes(job: dict[str, Any]) -> list[dict[str, Any]]:
    groups = job.get("taskGroups", [])
    volumes: list[dict[str, Any]] = groups[0].get("taskSpec", {}).get("volumes", []) if groups else []
    return volumes


def _remote(volume: dict[str, Any]) -> str:
    return str(volume.get("gcs", {}).get("remotePath", "")).strip("/").partition("/")[0]


def _last(name: str) -> str:
    return str(name).rpartition("/")[2]


def _time(text: str) -> datetime | None:
    """Return a time of an API, which may have nanoseconds; None if there is none."""
    return datetime.fromisoformat(_FRACTION.sub("", text)) if text else None
