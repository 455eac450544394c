"""The image of the job: built by Cloud Build when its content changed, and referenced by digest, never by tag."""

import shutil
from pathlib import Path
from typing import Final, NamedTuple

from deploy import builds
from deploy.cleanup import IN_USE
from deploy.gcloud import CommandFailed, Gcloud, last_segment, lookup
from deploy.staging import content_hash
from deploy.target import Target

SOURCE: Final = "orchestrator"
CONTENT: Final = ("orchestrator", "shared")


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
        build: build the image if none has this content; otherwise use the deployed image, or else the newest.

    Raises:
        CommandFailed: if the build failed, or if there is no image and `build` is false.
    """
    source = _stage(target)
    variant = _variant(target)
    image = f"{target.registry}/{variant.name}"
    tag = f"content-{content_hash(source)[:24]}"
    images = builds.images(cloud, target, variant.name)
    if not build:
        if not images:
            raise CommandFailed("There is no image of the job yet. Deploy once without --skip-image and --only.")
        newest = max(images, key=lambda each: str(each.get("updateTime", "")))
        return f"{image}@{builds.digest(images, IN_USE) or newest['version']}"
    digest = builds.digest(images, tag)
    if digest is None:
        values = {"_IMAGE": f"{image}:{tag}", "_REQUIREMENTS": variant.requirements}
        builds.submit(cloud, target, builds.Build(SOURCE, source, builds.JOB, values))
        if cloud.dry_run:
            asked = lookup("artifacts docker images describe", f"{image}:{tag}", "--format=value(image_summary.digest)")
            return f"{image}@{asked}"
        digest = builds.digest(builds.images(cloud, target, variant.name), tag)
    if digest is None:
        raise CommandFailed(f"Cloud Build succeeded, but {image}:{tag} does not exist.")
    return f"{image}@{digest}"


def mark_deployed(cloud: Gcloud, target: Target, image: str) -> None:
    """Tag the image that jobs use, so that the cleanup keeps it."""
    name, _, used = image.partition("@")
    if builds.digest(builds.images(cloud, target, last_segment(name)), IN_USE) != used:
        cloud.change("artifacts docker tags add", image, f"{name}:{IN_USE}")


def _variant(target: Target) -> Variant:
    return WITH_LANGUAGE_MODELS if target.llm_providers else PLAIN


def _stage(target: Target) -> Path:
    """Copy what the image is built from into a folder of its own."""
    folder = target.work / SOURCE
    shutil.rmtree(folder, ignore_errors=True)
    for name in CONTENT:
        shutil.copytree(target.root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    return folder
