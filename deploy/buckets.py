"""The buckets: results, which users download, and atlases, which the job mounts."""

import json
from functools import partial
from typing import Any, Final

from deploy.difference import covers
from deploy.gcloud import Gcloud
from deploy.target import Target

RESULTS_LIFECYCLE: Final[dict[str, Any]] = {
    "rule": [
        {"action": {"type": "SetStorageClass", "storageClass": "NEARLINE"}, "condition": {"age": 90}},
        {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 1}},
    ]
}
"""Results are kept; what nobody has looked at for long lies where it is cheaper, and broken uploads go."""

ATLASES_LIFECYCLE: Final[dict[str, Any]] = {
    "rule": [{"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 1}}]
}


def set_up(cloud: Gcloud, target: Target) -> None:
    """Make the buckets that are not there, and mend what differs of the others."""
    there = {bucket["name"]: bucket for bucket in cloud.items("storage", "buckets", "list", "--raw")}
    cors = [
        {
            "origin": [f"https://{target.domain}"],
            "method": ["GET", "HEAD"],
            "responseHeader": ["Content-Type", "Content-Length", "Content-Disposition", "ETag", "x-goog-hash"],
            "maxAgeSeconds": 3600,
        }
    ]
    cloud.together(
        partial(_settle, cloud, target, target.results_bucket, there=there, lifecycle=RESULTS_LIFECYCLE, cors=cors),
        partial(_settle, cloud, target, target.atlas_bucket, there=there, lifecycle=ATLASES_LIFECYCLE, cors=None),
    )


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
