"""The buckets: results, which users download, atlases, which jobs mount, and source archives, from which images are built."""

from functools import partial
from typing import Any, Final

from deploy.gcloud import Gcloud, Resource, covers
from deploy.target import PRODUCT, Target

# Results move to a cheaper storage class after 90 days; that class bills at least 30 days.
CHEAPER_AFTER, CHEAPER_AT_LEAST = 90, 30
BROKEN_UPLOADS: Final = {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 1}}
ATLASES_LIFECYCLE: Final[dict[str, Any]] = {"rule": [BROKEN_UPLOADS]}
# Builds read an archive once, right after its upload.
OLD_SOURCES: Final = {"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefix": [f"services/{PRODUCT}-"]}}
PRIVATE: Final = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"}
RESULTS_CORS: Final = {
    "method": ["GET", "HEAD"],
    "responseHeader": ["Content-Type", "Content-Length", "Content-Disposition", "ETag", "x-goog-hash"],
    "maxAgeSeconds": 3600,
}
PRIVATE_FLAGS: Final = ("--uniform-bucket-level-access", "--public-access-prevention")


def set_up(cloud: Gcloud, target: Target) -> None:
    """Create the missing buckets and update the settings that differ."""
    existing = cloud.by_name("storage buckets list", "--raw")
    cors = [{"origin": [f"https://{target.domain}", *target.origins], **RESULTS_CORS}]
    results = {"lifecycle": results_lifecycle(target.retention_days), "cors": cors}
    atlases = {"lifecycle": ATLASES_LIFECYCLE}
    sources = {"lifecycle": sources_lifecycle(existing.get(target.source_bucket))}
    cloud.together(
        partial(_update, cloud, target, target.results_bucket, existing.get(target.results_bucket), results),
        partial(_update, cloud, target, target.atlas_bucket, existing.get(target.atlas_bucket), atlases),
        partial(_update, cloud, target, target.source_bucket, existing.get(target.source_bucket), sources),
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


def sources_lifecycle(bucket: Resource | None) -> dict[str, Any]:
    """Return the lifecycle of source archives: those of the service expire; rules of others stay, because others use the bucket."""
    rules = (bucket or {}).get("lifecycle", {}).get("rule", [])
    return {"rule": [*(rule for rule in rules if not covers(rule, OLD_SOURCES)), OLD_SOURCES]}


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
