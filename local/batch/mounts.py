"""Buckets that Batch mounts on the machine and Docker binds into the job's container, as the job's process sees them here.

The emulator mounts nothing: it replaces the container's path in the job's command and environment by a folder of this machine. Batch mounts
buckets as root, and FUSE shows a mount to other users only with `-o allow_other` (https://github.com/nextflow-io/nextflow/issues/4880).
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from google.cloud import batch_v1

logger = logging.getLogger(__name__)

# The user of the job's image (`USER` in orchestrator/Dockerfile).
IMAGE_USER: Final = 10001
ALLOW_OTHER: Final = "-o allow_other"


class Mounts:
    """The mounted buckets of all jobs.

    Args:
        buckets: the folder with the objects of each bucket.
        scratch: folder for what the emulator itself needs.
        user: numeric user of the containers; 0 is root.
    """

    def __init__(self, buckets: Mapping[str, Path], scratch: Path, user: int = IMAGE_USER) -> None:
        self._buckets = buckets
        self._forbidden = scratch / "forbidden"
        self._user = user

    def folders(self, spec: batch_v1.TaskSpec) -> dict[str, Path]:
        """Return the folder that stands for each path in the container; an empty, closed one if the user may not see the mount.

        Raises:
            FileNotFoundError: the emulator has no such bucket.
        """
        found = {}
        for volume in spec.volumes:
            bucket = volume.gcs.remote_path.partition("/")[0]
            if bucket not in self._buckets:
                raise FileNotFoundError(f"cannot mount gs://{bucket}: the emulator has no such bucket")
            hidden = self._user != 0 and ALLOW_OTHER not in volume.mount_options
            for bound in spec.runnables[0].container.volumes:
                source, _, rest = bound.partition(":")
                path = rest.partition(":")[0]
                if source == volume.mount_path:
                    found[path] = self._closed(bucket, path) if hidden else self._buckets[bucket]
        return found

    def _closed(self, bucket: str, path: str) -> Path:
        logger.warning(
            "user %d of the container cannot read gs://%s at %s, because Batch mounts buckets as root: add the mount option '%s'",
            self._user,
            bucket,
            path,
            ALLOW_OTHER,
        )
        self._forbidden.mkdir(mode=0o000, parents=True, exist_ok=True)
        return self._forbidden


def shown(word: str, folders: Mapping[str, Path]) -> str:
    """Return a word of the command or a value of the environment with a path in the container replaced by its folder here."""
    for path, folder in folders.items():
        if word == path or word.startswith(f"{path}/"):
            return f"{folder}{word.removeprefix(path)}"
    return word
