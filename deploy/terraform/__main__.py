"""Write the generated files of the Terraform module, or build the images that it deploys."""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from deploy import functions, image, staging
from deploy.gcloud import CommandFailed, Gcloud
from deploy.target import ENVIRONMENTS, Target
from deploy.terraform.generator import FOLDER, ROOT, files
from shared.routes import FUNCTIONS
from shared.settings import LLM_KEYS

IMAGES: Final = "images.auto.tfvars.json"


def main(argv: Sequence[str] | None = None, *, folder: Path = FOLDER) -> int:
    """Run the command line.

    Args:
        argv: arguments; None uses those of the process.
        folder: folder of the module.

    Returns:
        The exit code: 0 on success, 1 if a file is outdated or a build failed.
    """
    args = _parser().parse_args(argv)
    if args.command == "images":
        return _images(args, folder)
    return _check(folder) if args.check else _write(folder)


def _write(folder: Path) -> int:
    for name, content in files().items():
        (folder / name).write_text(content)
    return 0


def _check(folder: Path) -> int:
    outdated = [
        name
        for name, content in files().items()
        if not (folder / name).is_file() or (folder / name).read_text() != content
    ]
    if outdated:
        print(f"{', '.join(outdated)}: not what the tables say. Run: python -m deploy.terraform", file=sys.stderr)
    return 1 if outdated else 0


def build(cloud: Gcloud, target: Target) -> dict[str, object]:
    """Build the missing images of the job and the functions, and return the variables that name them.

    Raises:
        CommandFailed: if a build failed.
    """
    built: dict[str, str] = {}

    def build_function(function: str) -> None:
        folder = staging.stage(function, target.work / "functions")
        built[function] = functions.build(cloud, target, function, folder)

    job_image = image.job_image(cloud, target, build=True)
    cloud.together(*(partial(build_function, function) for function in FUNCTIONS))
    image.mark_deployed(cloud, target, job_image)
    return {"job_image": job_image, "function_images": {name: built[name] for name in sorted(built)}}


def _images(args: argparse.Namespace, folder: Path) -> int:
    target = Target(
        project=args.project,
        number="",  # no image depends on it
        region=args.region,
        domain="",
        env=args.env,
        production=False,
        members=(),
        llm_providers=tuple(args.llm),
        build_region=args.build_region or args.region,
        root=ROOT,
        work=ROOT / "build" / "terraform" / args.project / args.env,
    )
    cloud = Gcloud(args.project, dry_run=args.dry_run, blind=args.dry_run)
    try:
        variables = build(cloud, target)
    except CommandFailed as failure:
        print(f"deploy.terraform: this command failed:\n{failure}", file=sys.stderr)
        return 1
    if not args.dry_run:
        (folder / IMAGES).write_text(json.dumps(variables, indent=2) + "\n")
        cloud.note(f"Terraform reads the names of the images from {folder / IMAGES}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.terraform", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a generated file is outdated")
    images = parser.add_subparsers(dest="command").add_parser("images", help="build the images with Cloud Build")
    images.add_argument("--project", required=True, help="project id")
    images.add_argument("--region", required=True, help="region of the service")
    images.add_argument("--env", choices=ENVIRONMENTS, default="prod", help="environment (default: prod)")
    images.add_argument("--build-region", default="", help="region of builds (default: --region)")
    images.add_argument("--llm", action="append", choices=sorted(LLM_KEYS), default=[], help="as in var.llm_providers")
    images.add_argument("--dry-run", action="store_true", help="print the commands instead of running them")
    return parser


if __name__ == "__main__":
    sys.exit(main())
