"""The APIs that the project needs."""

from typing import Final

from deploy.difference import last_segment
from deploy.gcloud import Gcloud

APIS: Final = tuple(
    f"{api}.googleapis.com"
    for api in (
        "artifactregistry",
        "batch",
        "cloudbuild",
        "cloudresourcemanager",
        "cloudscheduler",
        "compute",
        "firestore",
        "iam",
        "iamcredentials",
        "iap",
        "logging",
        "monitoring",
        "pubsub",
        "run",
        "secretmanager",
        "storage",
    )
)


def enable(cloud: Gcloud) -> None:
    """Enable what is not enabled yet."""
    enabled = {last_segment(service.get("name")) for service in cloud.items("services", "list", "--enabled")}
    if missing := [api for api in APIS if api not in enabled]:
        cloud.change("services", "enable", *missing)
