"""Delete the service. Data (the Firestore database, the buckets) stays unless its deletion is confirmed separately."""

import re
from collections.abc import Iterable

from deploy import alerts, policies, signin
from deploy.gcloud import Gcloud
from deploy.iam import ACCOUNTS, bindings_of_accounts
from deploy.policies import Policy
from deploy.secrets import PAGE_TOKEN_KEY
from deploy.target import SMTP_PASSWORD, WEBHOOK_SECRET, Target
from shared.routes import FUNCTIONS
from shared.settings import LLM_KEYS


def destroy(cloud: Gcloud, target: Target, *, data: bool = False) -> None:
    """Delete what `deploy` creates, the front end first, so that nothing stays exposed meanwhile.

    Args:
        data: delete the database and the buckets too.
    """
    front, redirect = target.name("front"), target.name("redirect")
    functions = [target.name(function) for function in FUNCTIONS]
    for policy in alerts.existing(cloud, target):  # first, because the missing traffic would raise them
        cloud.change(f"{alerts.POLICIES} delete", policy["name"])
    # One certificate for each domain that the front end ever had.
    found = cloud.by_name("compute ssl-certificates list", "--global")
    certificates = [name for name in found if re.fullmatch(rf"{front}-[0-9a-f]{{8}}", name)]
    region, location = f"--region={target.region}", f"--location={target.region}"
    for kind, names in (
        ("forwarding-rules", [front, redirect]),
        ("target-https-proxies", [front]),
        ("target-http-proxies", [redirect]),
        ("url-maps", [front, redirect]),
        ("ssl-certificates", certificates),
        ("addresses", [front]),
        ("backend-services", functions),
    ):
        _delete(cloud, f"compute {kind}", names, "--global")
    _delete(cloud, "compute network-endpoint-groups", functions, region, listing=f"--regions={target.region}")
    _delete(cloud, "scheduler jobs", [target.name("sweep")], location)
    _delete(cloud, "pubsub subscriptions", [target.name("jobs-to-reconcile")])
    _delete(cloud, "run services", functions, region)
    _delete(cloud, "pubsub topics", [target.name("jobs")])
    _delete(cloud, "secrets", [target.name(each) for each in (PAGE_TOKEN_KEY, signin.SECRET, WEBHOOK_SECRET)])
    _delete(cloud, "artifacts repositories", [target.prefix], location)
    _delete_accounts(cloud, target)
    if data:
        _delete_data(cloud, target)


def _delete(cloud: Gcloud, group: str, names: Iterable[str], *where: str, listing: str | None = None) -> None:
    existing = cloud.by_name(f"{group} list", *(where if listing is None else (listing,)))
    for name in names:
        if name in existing:
            cloud.change(f"{group} delete", name, *where)


def _delete_accounts(cloud: Gcloud, target: Target) -> None:
    existing = cloud.by_name("iam service-accounts list")
    accounts = [target.account(name) for name in ACCOUNTS if target.account(name) in existing]
    if accounts:  # they would stay in the policies of what is not deleted
        buckets = cloud.by_name("storage buckets list", "--raw")
        kept = [name for name in (target.results_bucket, target.atlas_bucket, target.source_bucket) if name in buckets]
        theirs = [*map(target.llm_secret, LLM_KEYS), target.name(SMTP_PASSWORD)]  # stored by operators, so they stay
        secrets = cloud.by_name("secrets list")
        keys = [name for name in theirs if name in secrets]
        places = [
            Policy("project", target.project),
            *(Policy("bucket", f"gs://{name}") for name in kept),
            *(Policy("secret", name) for name in keys),
        ]
        policies.remove(cloud, target, bindings_of_accounts(cloud, target, places))
    for email in accounts:
        cloud.change("iam service-accounts delete", email)


def _delete_data(cloud: Gcloud, target: Target) -> None:
    if target.database in cloud.by_name("firestore databases list"):
        database = f"--database={target.database}"
        cloud.change("firestore databases update", database, "--no-delete-protection")
        cloud.change("firestore databases delete", database)
    buckets = cloud.by_name("storage buckets list", "--raw")
    for name in (target.results_bucket, target.atlas_bucket):
        if name in buckets:
            cloud.change("storage rm", "--recursive", f"gs://{name}")
