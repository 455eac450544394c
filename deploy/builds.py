"""Builds by Cloud Build, in the region of the service or in `--build-region`.

Some projects may build in few regions only. A function is built there by the same buildpacks, but from `deploy/cloudbuild-function.json`,
because `gcloud run deploy --source` always builds in the region of the function.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from deploy.gcloud import Gcloud, Resource
from deploy.target import Target

JOB: Final = "deploy/cloudbuild.json"
FUNCTION: Final = "deploy/cloudbuild-function.json"


class Build(NamedTuple):
    """What to build.

    Attributes:
        name: folder for the source archives, after the prefix of the service.
        source: folder with the sources.
        config: `JOB` or `FUNCTION`.
        substitutions: values for the configuration.
    """

    name: str
    source: Path
    config: str
    substitutions: Mapping[str, str]


def submit(cloud: Gcloud, target: Target, build: Build) -> None:
    """Build an image, as the builder's account."""
    cloud.change(
        "builds submit",
        str(build.source),
        f"--config={target.root / build.config}",
        f"--substitutions={','.join(f'{key}={value}' for key, value in build.substitutions.items())}",
        f"--service-account={target.builder}",
        f"--gcs-source-staging-dir={target.source_folder}{build.name}",
        f"--region={target.build_region or target.region}",
        "--suppress-logs",
    )


def images(cloud: Gcloud, target: Target, name: str) -> list[Resource]:
    """Return the images of this name with their tags."""
    if cloud.dry_run:
        location = f"--location={target.region}"
        if cloud.find("artifacts repositories describe", target.prefix, location) is None:
            return []
    return cloud.items("artifacts docker images list", f"{target.registry}/{name}", "--include-tags")


def digest(found: list[Resource], tag: str) -> str | None:
    """Return the digest of the image with this tag; gcloud writes the tags as a list or separated by commas."""
    for image in found:
        tags = image.get("tags", [])
        if tag in (tags.split(",") if isinstance(tags, str) else tags):
            return str(image["version"])
    return None
