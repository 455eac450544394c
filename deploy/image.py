"""The image of the job: built by Cloud Build when its content changed, and referenced by digest, never by tag."""

import shutil
from pathlib import Path
from typing import Final, NamedTuple

from deploy.gcloud import CommandFailed, Gcloud, Resource, lookup
from deploy.staging import content_hash
from deploy.target import Target

SOURCE: Final = "orchestrator"
CONTENT: Final = ("orchestrator", "shared")
CONFIG: Final = "deploy/cloudbuild.json"


class Variant(NamedTuple):
    """The name of an image, and the file of its Python packages in `orchestrator/`."""

    name: str
    requirements: str


# Each variant has a name of its own, so that `--skip-image` never finds the other one.
PLAIN: Final = Variant("orchestrator", "requirements.txt")
WITH_LANGUAGE_MODELS: Final = Variant("orchestrator-llm", "requirements-llm.txt")


def create_repository(cloud: Gcloud, target: Target) -> None:
    """Create the Docker repository for the images of the job and the functions, if it does not exist."""
    location = f"--location={target.region}"
    if target.prefix not in cloud.by_name("artifacts repositories list", location):
        cloud.change("artifacts repositories create", target.prefix, location, "--repository-format=docker")


def job_image(cloud: Gcloud, target: Target, *, build: bool) -> str:
    """Return the image for jobs, by digest; it has the clients of the language models if the target names providers.

    Args:
        build: build the image if none has this content; otherwise use the newest image.

    Raises:
        CommandFailed: if the build failed, or if there is no image and `build` is false.
    """
    source = _stage(target)
    variant = _variant(target)
    image = f"{target.registry}/{variant.name}"
    tag = f"content-{content_hash(source)[:24]}"
    images = _images(cloud, target)
    if not build:
        if not images:
            raise CommandFailed("There is no image of the job yet. Deploy once without --skip-image and --only.")
        newest = max(images, key=lambda each: str(each.get("updateTime", "")))
        return f"{image}@{newest['version']}"
    digest = _digest(images, tag)
    if digest is None:
        cloud.change(
            "builds submit",
            str(source),
            f"--config={target.root / CONFIG}",
            f"--substitutions=_IMAGE={image}:{tag},_REQUIREMENTS={variant.requirements}",
            f"--service-account={target.builder}",
            f"--region={target.region}",
            "--suppress-logs",
        )
        if cloud.dry_run:
            asked = lookup("artifacts docker images describe", f"{image}:{tag}", "--format=value(image_summary.digest)")
            return f"{image}@{asked}"
        digest = _digest(_images(cloud, target), tag)
    if digest is None:
        raise CommandFailed(f"Cloud Build succeeded, but {image}:{tag} does not exist.")
    return f"{image}@{digest}"


def _variant(target: Target) -> Variant:
    return WITH_LANGUAGE_MODELS if target.llm_providers else PLAIN


def _images(cloud: Gcloud, target: Target) -> list[Resource]:
    if cloud.dry_run:
        location = f"--location={target.region}"
        if cloud.find("artifacts repositories describe", target.prefix, location) is None:
            return []
    return cloud.items("artifacts docker images list", f"{target.registry}/{_variant(target).name}", "--include-tags")


def _digest(images: list[Resource], tag: str) -> str | None:
    """Return the digest of the image with this tag; gcloud writes the tags as a list or separated by commas."""
    for image in images:
        tags = image.get("tags", [])
        if tag in (tags.split(",") if isinstance(tags, str) else tags):
            return str(image["version"])
    return None


def _stage(target: Target) -> Path:
    """Copy what the image is built from into a folder of its own."""
    folder = target.work / SOURCE
    shutil.rmtree(folder, ignore_errors=True)
    for name in CONTENT:
        shutil.copytree(target.root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    return folder
