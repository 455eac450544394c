"""The buckets: results, which users download, and atlases, which the job mounts."""

import json
from functools import partial
from typing import Any, Final

from deploy.difference import covers
from deploy.gcloud import Gcloud
from deploy.target import Target

CHEAPER_AFTER, CHEAPER_AT_LEAST = 90, 30
"""Days after which results lie where storage is cheaper, and for how many days that place is paid at least."""
BROKEN_UPLOADS: Final = {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 1}}
ATLASES_LIFECYCLE: Final[dict[str, Any]] = {"rule": [BROKEN_UPLOADS]}


def set_up(cloud: Gcloud, target: Target) -> None:
    """Make the buckets that are not there, and mend what differs of the others."""
    there = {bucket["name"]: bucket for bucket in cloud.items("storage", "buckets", "list", "--raw")}
    cors = [
        {
            "origin": [f"https://{target.domain}", *target.origins],
            "method": ["GET", "HEAD"],
            "responseHeader": ["Content-Type", "Content-Length", "Content-Disposition", "ETag", "x-goog-hash"],
            "maxAgeSeconds": 3600,
        }
    ]
    lifecycle = results_lifecycle(target.retention_days)
    cloud.together(
        partial(_settle, cloud, target, target.results_bucket, there=there, lifecycle=lifecycle, cors=cors),
        partial(_settle, cloud, target, target.atlas_bucket, there=there, lifecycle=ATLASES_LIFECYCLE, cors=None),
    )


def results_lifecycle(retention_days: int) -> dict[str, Any]:
    """What becomes of results: broken uploads go, what is old lies where it is cheaper, and results go with their runs.

    Args:
        retention_days: how long runs are kept; 0: for ever.
    """
    rules = [BROKEN_UPLOADS]
    if not 0 < retention_days < CHEAPER_AFTER + CHEAPER_AT_LEAST:
        cheaper = {"type": "SetStorageClass", "storageClass": "NEARLINE"}
        rules.append({"action": cheaper, "condition": {"age": CHEAPER_AFTER}})
    if retention_days:
        rules.append({"action": {"type": "Delete"}, "condition": {"age": retention_days, "matchesPrefix": ["runs/"]}})
    return {"rule": rules}


def _settle(
    cloud: Gcloud,
    target: Target,
    name: str,
    *,
    there: dict[str, dict[str, Any]],
    lifecycle: dict[str, Any],
    cors: list[dict[str, Any]] | None,
) -> None:
    bucket = there.get(name)
    if bucket is None:
        cloud.change(
            "storage",
            "buckets",
            "create",
            f"gs://{name}",
            f"--location={target.region}",
            "--uniform-bucket-level-access",
            "--public-access-prevention",
        )
        bucket = {"iamConfiguration": _CLOSED}
    flags = []
    if not covers(bucket.get("iamConfiguration"), _CLOSED):
        flags += ["--uniform-bucket-level-access", "--public-access-prevention"]
    if not covers(bucket.get("lifecycle"), lifecycle):
        flags.append(f"--lifecycle-file={_written(target, f'{name}-lifecycle.json', lifecycle)}")
    if cors is not None and not covers(bucket.get("cors"), cors):
        flags.append(f"--cors-file={_written(target, f'{name}-cors.json', cors)}")
    if flags:
        cloud.change("storage", "buckets", "update", f"gs://{name}", *flags)


_CLOSED: Final = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"}


def _written(target: Target, name: str, content: object) -> str:
    target.work.mkdir(parents=True, exist_ok=True)
    path = target.work / name
    path.write_text(json.dumps(content, indent=2) + "\n")
    return str(path)
