"""The buckets: results, which users download, and atlases, which jobs mount."""

from functools import partial
from typing import Any, Final

from deploy.gcloud import Gcloud, Resource, covers
from deploy.target import Target

# Results move to a cheaper storage class after 90 days; that class bills at least 30 days.
CHEAPER_AFTER, CHEAPER_AT_LEAST = 90, 30
BROKEN_UPLOADS: Final = {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 1}}
ATLASES_LIFECYCLE: Final[dict[str, Any]] = {"rule": [BROKEN_UPLOADS]}
PRIVATE: Final = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"}
PRIVATE_FLAGS: Final = ("--uniform-bucket-level-access", "--public-access-prevention")


def set_up(cloud: Gcloud, target: Target) -> None:
    """Create the missing buckets and update the settings that differ."""
    existing = cloud.by_name("storage buckets list", "--raw")
    cors = [
        {
            "origin": [f"https://{target.domain}", *target.origins],
            "method": ["GET", "HEAD"],
            "responseHeader": ["Content-Type", "Content-Length", "Content-Disposition", "ETag", "x-goog-hash"],
            "maxAgeSeconds": 3600,
        }
    ]
    results = {"lifecycle": results_lifecycle(target.retention_days), "cors": cors}
    atlases = {"lifecycle": ATLASES_LIFECYCLE}
    cloud.together(
        partial(_update, cloud, target, target.results_bucket, existing.get(target.results_bucket), results),
        partial(_update, cloud, target, target.atlas_bucket, existing.get(target.atlas_bucket), atlases),
    )


def results_lifecycle(retention_days: int) -> dict[str, Any]:
    """Return the lifecycle of results: abort broken uploads, move old results to cheaper storage, expire with the runs.

    Args:
        retention_days: days after which runs are deleted; 0 keeps them forever.
    """
    rules = [BROKEN_UPLOADS]
    if not 0 < retention_days < CHEAPER_AFTER + CHEAPER_AT_LEAST:
        cheaper = {"type": "SetStorageClass", "storageClass": "NEARLINE"}
        rules.append({"action": cheaper, "condition": {"age": CHEAPER_AFTER}})
    if retention_days:
        rules.append({"action": {"type": "Delete"}, "condition": {"age": retention_days, "matchesPrefix": ["runs/"]}})
    return {"rule": rules}


def _update(cloud: Gcloud, target: Target, name: str, bucket: Resource | None, settings: dict[str, Any]) -> None:
    if bucket is None:
        cloud.change("storage buckets create", f"gs://{name}", f"--location={target.region}", *PRIVATE_FLAGS)
        bucket = {"iamConfiguration": PRIVATE}
    flags = [] if covers(bucket.get("iamConfiguration"), PRIVATE) else [*PRIVATE_FLAGS]
    flags += [
        f"--{setting}-file={target.write_json(f'{name}-{setting}.json', wanted)}"
        for setting, wanted in settings.items()
        if not covers(bucket.get(setting), wanted)
    ]
    if flags:
        cloud.change("storage buckets update", f"gs://{name}", *flags)
