"""The job's image: built by Cloud Build when its content changed, and named by its digest, never by a tag."""

import shutil
from pathlib import Path
from typing import Any, Final

from deploy.difference import last_segment
from deploy.gcloud import CommandFailed, Gcloud, shell
from deploy.staging import content_hash
from deploy.target import Target

NAME: Final = "orchestrator"
CONTENT: Final = ("orchestrator", "shared")
CONFIG: Final = "deploy/cloudbuild.json"


def make_repository(cloud: Gcloud, target: Target) -> None:
    """Make the Docker repository of the job's and the functions' images, where it is not there."""
    there = cloud.items("artifacts", "repositories", "list", f"--location={target.region}")
    if target.prefix not in {last_segment(repository["name"]) for repository in there}:
        cloud.change(
            "artifacts",
            "repositories",
            "create",
            target.prefix,
            f"--location={target.region}",
            "--repository-format=docker",
        )


def job_image(cloud: Gcloud, target: Target, *, build: bool) -> str:
    """The image that jobs are to run, by digest.

    Args:
        cloud: gcloud.
        target: where.
        build: build the image if there is none of this content; else take the newest there is.

    Raises:
        CommandFailed: the build failed, or nothing may be built and there is no image.
    """
    source = _staged(target)
    tag = f"content-{content_hash(source)[:24]}"
    images = _images(cloud, target)
    if not build:
        if not images:
            raise CommandFailed("There is no image of the job yet: run once without --skip-image and --only.")
        return _by_digest(target, max(images, key=lambda image: str(image.get("updateTime", ""))))
    found = _tagged(images, tag)
    if found is None:
        cloud.change(
            "builds",
            "submit",
            str(source),
            f"--config={target.root / CONFIG}",
            f"--substitutions=_IMAGE={target.registry}/{NAME}:{tag}",
            f"--service-account=projects/{target.project}/serviceAccounts/{target.account('builder')}",
            f"--region={target.region}",
            "--suppress-logs",
        )
        if cloud.dry_run:
            describe = ["gcloud", "artifacts", "docker", "images", "describe", f"{target.registry}/{NAME}:{tag}"]
            digest = shell([*describe, "--format=value(image_summary.digest)"])
            return f"{target.registry}/{NAME}@$({digest})"
        found = _tagged(_images(cloud, target), tag)
    if found is None:
        raise CommandFailed(f"Cloud Build ended well, but {target.registry}/{NAME}:{tag} is not there.")
    return _by_digest(target, found)


def _images(cloud: Gcloud, target: Target) -> list[dict[str, Any]]:
    path = f"{target.registry}/{NAME}"
    if (
        cloud.dry_run
        and cloud.find("artifacts", "repositories", "describe", target.prefix, f"--location={target.region}") is None
    ):
        return []
    return cloud.items("artifacts", "docker", "images", "list", path, "--include-tags")


def _tagged(images: list[dict[str, Any]], tag: str) -> dict[str, Any] | None:
    return next((image for image in images if tag in _tags(image)), None)


def _tags(image: dict[str, Any]) -> list[str]:
    tags = image.get("tags", [])
    return tags.split(",") if isinstance(tags, str) else list(tags)


def _by_digest(target: Target, image: dict[str, Any]) -> str:
    return f"{target.registry}/{NAME}@{image['version']}"


def _staged(target: Target) -> Path:
    """A folder with what the image is built from, and nothing else."""
    folder = target.work / NAME
    shutil.rmtree(folder, ignore_errors=True)
    for name in CONTENT:
        shutil.copytree(target.root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    return folder
