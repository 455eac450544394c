"""What calls reconcile: Batch's notifications through Pub/Sub, and the sweep by Cloud Scheduler."""

from typing import Any, Final

from deploy.difference import covers, last_segment
from deploy.gcloud import Gcloud
from deploy.target import RECONCILE_PATH, Target

SWEEP_SCHEDULE: Final = "* * * * *"
"""Every minute: a sweep that finds nothing to do costs one read."""


def make_topic(cloud: Gcloud, target: Target) -> None:
    """Make the topic of Batch's notifications, where it is not there."""
    if target.topic not in {topic["name"] for topic in cloud.items("pubsub", "topics", "list")}:
        cloud.change("pubsub", "topics", "create", target.name("jobs"))


def push_notifications(cloud: Gcloud, target: Target) -> None:
    """Push what Batch tells to reconcile, with a token of the invoker's account."""
    name = target.name("jobs-to-reconcile")
    endpoint = f"{target.reconcile_url}{RECONCILE_PATH}"
    flags = [
        f"--push-endpoint={endpoint}",
        f"--push-auth-service-account={target.account('invoker')}",
        f"--push-auth-token-audience={target.reconcile_url}",
        "--ack-deadline=310",  # longer than reconcile may take
        "--min-retry-delay=10s",
        "--max-retry-delay=600s",
        "--message-retention-duration=1d",  # a notification is a hint; the sweep finds what is lost
        "--expiration-period=never",
    ]
    wanted = {
        "pushConfig": {
            "pushEndpoint": endpoint,
            "oidcToken": {"serviceAccountEmail": target.account("invoker"), "audience": target.reconcile_url},
        }
    }
    found = _named(cloud.items("pubsub", "subscriptions", "list"), name)
    if found is None:
        cloud.change("pubsub", "subscriptions", "create", name, f"--topic={target.name('jobs')}", *flags)
    elif not covers(found, wanted):
        cloud.change("pubsub", "subscriptions", "update", name, *flags)


def schedule_sweep(cloud: Gcloud, target: Target) -> None:
    """Have Cloud Scheduler call reconcile for the sweep."""
    name = target.name("sweep")
    uri = f"{target.reconcile_url}{RECONCILE_PATH}"
    wanted = {
        "schedule": SWEEP_SCHEDULE,
        "httpTarget": {
            "uri": uri,
            "httpMethod": "POST",
            "oidcToken": {"serviceAccountEmail": target.account("invoker"), "audience": target.reconcile_url},
        },
    }
    found = _named(cloud.items("scheduler", "jobs", "list", f"--location={target.region}"), name)
    if found is not None and covers(found, wanted):
        return
    verb, headers = ("create", "--headers") if found is None else ("update", "--update-headers")
    cloud.change(
        "scheduler",
        "jobs",
        verb,
        "http",
        name,
        f"--location={target.region}",
        f"--schedule={SWEEP_SCHEDULE}",
        "--time-zone=Etc/UTC",
        f"--uri={uri}",
        "--http-method=post",
        f"{headers}=Content-Type=application/json",
        "--message-body={}",
        f"--oidc-service-account-email={target.account('invoker')}",
        f"--oidc-token-audience={target.reconcile_url}",
        "--attempt-deadline=310s",
        "--max-retry-attempts=0",  # the next sweep is a minute away
    )


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    return next((item for item in items if last_segment(item["name"]) == name), None)
