"""The callers of reconcile: Batch notifications through Pub/Sub, and the sweep by Cloud Scheduler."""

from typing import Final

from deploy.gcloud import Gcloud, covers
from deploy.target import RECONCILE_PATH, Target

# Every minute: a sweep without work costs one read.
SWEEP_SCHEDULE: Final = "* * * * *"


def create_topic(cloud: Gcloud, target: Target) -> None:
    """Create the topic for Batch notifications, if it does not exist."""
    if target.name("jobs") not in cloud.by_name("pubsub topics list"):
        cloud.change("pubsub topics create", target.name("jobs"))


def push_notifications(cloud: Gcloud, target: Target) -> None:
    """Push Batch notifications to reconcile, with a token of the invoker's account."""
    name = target.name("jobs-to-reconcile")
    endpoint = f"{target.reconcile_url}{RECONCILE_PATH}"
    flags = [
        f"--push-endpoint={endpoint}",
        f"--push-auth-service-account={target.account('invoker')}",
        f"--push-auth-token-audience={target.reconcile_url}",
        "--ack-deadline=310",  # longer than the timeout of reconcile
        "--min-retry-delay=10s",
        "--max-retry-delay=600s",
        "--message-retention-duration=1d",  # a notification is a hint; the sweep covers lost ones
        "--expiration-period=never",
    ]
    found = cloud.by_name("pubsub subscriptions list").get(name)
    if found is None:
        cloud.change("pubsub subscriptions create", name, f"--topic={target.name('jobs')}", *flags)
    elif not covers(found, {"pushConfig": {"pushEndpoint": endpoint, "oidcToken": token(target)}}):
        cloud.change("pubsub subscriptions update", name, *flags)


def schedule_sweep(cloud: Gcloud, target: Target) -> None:
    """Let Cloud Scheduler call reconcile for the sweep."""
    name, location = target.name("sweep"), f"--location={target.region}"
    uri = f"{target.reconcile_url}{RECONCILE_PATH}"
    wanted = {
        "schedule": SWEEP_SCHEDULE,
        "httpTarget": {"uri": uri, "httpMethod": "POST", "oidcToken": token(target)},
    }
    found = cloud.by_name("scheduler jobs list", location).get(name)
    if covers(found, wanted):
        return
    verb, headers = ("create", "--headers") if found is None else ("update", "--update-headers")
    cloud.change(
        f"scheduler jobs {verb} http",
        name,
        location,
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


def token(target: Target) -> dict[str, str]:
    """Return the account and the audience of the tokens with which reconcile is called."""
    return {"serviceAccountEmail": target.account("invoker"), "audience": target.reconcile_url}
