"""Old images are deleted, but never the one that jobs use, nor the newest ones, to which a rollback may go back."""

from typing import Any, Final

from deploy.gcloud import Gcloud, covers
from deploy.target import Target

DAYS: Final = 30
NEWEST: Final = 10
# Tag of the image that jobs use. After a rollback, it may be neither new nor among the newest.
IN_USE: Final = "deployed"
# Artifact Registry keeps an image if any policy keeps it. Functions need no tag: Cloud Run has its own copy of what serves.
POLICIES: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "delete-old",
        "action": {"type": "DELETE"},
        "condition": {"tagState": "ANY", "olderThan": f"{DAYS * 86400}s"},
    },
    {"name": "keep-newest", "action": {"type": "KEEP"}, "mostRecentVersions": {"keepCount": NEWEST}},
    {
        "name": "keep-deployed",
        "action": {"type": "KEEP"},
        "condition": {"tagState": "TAGGED", "tagPrefixes": [IN_USE]},
    },
)


def set_up(cloud: Gcloud, target: Target) -> None:
    """Set the cleanup policies of the repository, if they differ."""
    location = f"--location={target.region}"
    found = cloud.by_name("artifacts repositories list", location).get(target.prefix, {})
    wanted = {
        each["name"]: {key: value for key, value in each.items() if key not in {"name", "action"}} for each in POLICIES
    }
    if not covers(found.get("cleanupPolicies"), wanted) or found.get("cleanupPolicyDryRun"):
        file = target.write_json("cleanup-policies.json", POLICIES)
        cloud.change(
            "artifacts repositories set-cleanup-policies", target.prefix, location, f"--policy={file}", "--no-dry-run"
        )
