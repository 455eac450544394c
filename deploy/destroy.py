"""Takes the service down. Data (the Firestore database, the buckets) stays, unless that was asked for twice."""

import re
from collections.abc import Iterable

from deploy import alerts
from deploy.difference import last_segment
from deploy.gcloud import Gcloud
from deploy.identities import ACCOUNTS, PAGE_TOKEN_KEY, bindings
from deploy.target import Target
from shared.routes import FUNCTIONS


def destroy(cloud: Gcloud, target: Target, *, data: bool = False) -> None:
    """Delete what `deploy` makes, the front first, so that nothing is left open on the way.

    Args:
        cloud: gcloud.
        target: where.
        data: delete the database and the buckets too.
    """
    front, redirect = target.name("front"), target.name("redirect")
    functions = [target.name(function) for function in FUNCTIONS]
    for policy in alerts.existing(cloud, target):  # first of all, or the silence would raise them
        cloud.change(*alerts.POLICIES, "delete", policy["name"])
    region, location = f"--region={target.region}", f"--location={target.region}"
    for kind, names in (
        ("forwarding-rules", [front, redirect]),
        ("target-https-proxies", [front]),
        ("target-http-proxies", [redirect]),
        ("url-maps", [front, redirect]),
        ("ssl-certificates", _certificates(cloud, front)),
        ("addresses", [front]),
        ("backend-services", functions),
    ):
        _delete(cloud, ("compute", kind), names, ("--global",))
    _delete(
        cloud, ("compute", "network-endpoint-groups"), functions, (region,), listing=(f"--regions={target.region}",)
    )
    _delete(cloud, ("scheduler", "jobs"), [target.name("sweep")], (location,))
    _delete(cloud, ("pubsub", "subscriptions"), [target.name("jobs-to-reconcile")])
    _delete(cloud, ("run", "services"), functions, (region,))
    _delete(cloud, ("pubsub", "topics"), [target.name("jobs")])
    _delete(cloud, ("secrets",), [target.name(PAGE_TOKEN_KEY)])
    _delete(cloud, ("artifacts", "repositories"), [target.prefix], (location,))
    _delete_accounts(cloud, target)
    if data:
        _delete_data(cloud, target)


def _delete(
    cloud: Gcloud,
    group: tuple[str, ...],
    names: Iterable[str],
    where: tuple[str, ...] = (),
    listing: tuple[str, ...] = (),
) -> None:
    there = {last_segment(_name(item)) for item in cloud.items(*group, "list", *(listing or where))}
    if found := [name for name in names if name in there]:
        for name in found:
            cloud.change(*group, "delete", name, *where)


def _certificates(cloud: Gcloud, front: str) -> list[str]:
    """The front's certificates: one for each domain that it has ever had."""
    names = (str(item["name"]) for item in cloud.items("compute", "ssl-certificates", "list", "--global"))
    return [name for name in names if re.fullmatch(rf"{front}-[0-9a-f]{{8}}", name)]


def _name(item: dict[str, object]) -> object:
    metadata = item.get("metadata")  # Cloud Run lists in Kubernetes' form
    return metadata["name"] if isinstance(metadata, dict) else item["name"]


def _delete_accounts(cloud: Gcloud, target: Target) -> None:
    there = {account["email"] for account in cloud.items("iam", "service-accounts", "list")}
    gone = [target.account(name) for name in ACCOUNTS if target.account(name) in there]
    for each in bindings(target):
        # The bindings of a deleted account would stay in the project's policy; those on deleted resources go with them.
        if each.kind == "project" and each.member.partition(":")[2] in gone:
            cloud.change(
                "projects",
                "remove-iam-policy-binding",
                target.project,
                f"--member={each.member}",
                f"--role={each.role}",
                "--condition=None",
                "--format=none",
            )
    for email in gone:
        cloud.change("iam", "service-accounts", "delete", email)


def _delete_data(cloud: Gcloud, target: Target) -> None:
    databases = {last_segment(database["name"]) for database in cloud.items("firestore", "databases", "list")}
    if target.database in databases:
        database = f"--database={target.database}"
        cloud.change("firestore", "databases", "update", database, "--no-delete-protection")
        cloud.change("firestore", "databases", "delete", database)
    buckets = {bucket["name"] for bucket in cloud.items("storage", "buckets", "list", "--raw")}
    for name in (target.results_bucket, target.atlas_bucket):
        if name in buckets:
            cloud.change("storage", "rm", "--recursive", f"gs://{name}")
