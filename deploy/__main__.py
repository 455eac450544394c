"""The command line behind `deploy.sh`."""

import argparse
import re
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from deploy import plan
from deploy.destroy import destroy
from deploy.gcloud import CommandFailed, Gcloud, shell
from deploy.target import ENVIRONMENTS, Target
from shared.routes import FUNCTIONS
from shared.runs.states import SHORTEST_RETENTION
from shared.settings import LLM_KEYS

ROOT: Final = Path(__file__).resolve().parent.parent
PROJECT: Final = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
REGION: Final = re.compile(r"[a-z]+-[a-z]+[0-9]+")
DOMAIN: Final = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
ORIGIN: Final = re.compile(r"(https://[a-z0-9.-]+|http://(localhost|127\.0\.0\.1))(:[0-9]{1,5})?")
"""As browsers write it, without a slash at the end; unencrypted from the developer's own machine only."""
ADDRESS: Final = re.compile(r"[^@\s,]+@[^@\s,]+")


def main(argv: Sequence[str] | None = None) -> int:
    """Deploy or destroy.

    Args:
        argv: the arguments; None: those of the process.

    Returns:
        The exit code: 0 when everything is as wanted, 1 when a command failed or the user said no.
    """
    args = _parser().parse_args(argv)
    cloud, number = _connect(args.project, dry_run=args.dry_run)
    target = Target(
        project=args.project,
        number=number,
        region=args.region,
        domain=getattr(args, "domain", ""),
        env=args.env,
        production=getattr(args, "production", False),
        members=tuple(getattr(args, "member", ())),
        origins=getattr(args, "origins", ()),
        operators=tuple(getattr(args, "notify", ())),
        retention_days=getattr(args, "retention_days", 0),
        llm_providers=getattr(args, "llm_secrets", ()),
        root=ROOT,
        work=args.work_dir / args.project / args.env,
    )
    try:
        if args.command == "destroy":
            return _destroy(cloud, target, args)
        plan.deploy(cloud, target, only=args.only, build_image=not args.skip_image)
    except CommandFailed as failure:
        print(f"deploy: this command failed:\n{failure}", file=sys.stderr)
        return 1
    if args.dry_run:
        cloud.note(f"dry run: {cloud.changes} commands would have run; nothing was changed")
    else:
        cloud.note(f"{cloud.changes} changes" if cloud.changes else "nothing to change")
        cloud.note(f"The address that {target.domain} must point to:")
        cloud.note(f"gcloud compute addresses describe {target.name('front')} --global --format='value(address)'")
    return 0


def _connect(project: str, *, dry_run: bool) -> tuple[Gcloud, str]:
    """The project's gcloud and number. A dry run does without access: it then shows the commands for an empty project."""
    cloud = Gcloud(project, dry_run=dry_run)
    try:
        found = cloud.find("projects", "describe", project)
        reason = "there is no such project, or you may not see it"
    except (CommandFailed, FileNotFoundError) as error:
        found, reason = None, str(error).partition("\n")[2] or str(error)
    if found is not None:
        return cloud, str(found["projectNumber"])
    if not dry_run:
        print(f"deploy: {project} cannot be read: {reason}", file=sys.stderr)
        sys.exit(1)
    cloud = Gcloud(project, dry_run=True, blind=True)
    cloud.note(f"{project} cannot be read: {reason}")
    cloud.note("These are the commands for an empty project.")
    return cloud, f"$({shell(['gcloud', 'projects', 'describe', project, '--format=value(projectNumber)'])})"


def _destroy(cloud: Gcloud, target: Target, args: argparse.Namespace) -> int:
    if args.data != args.yes_delete_data:
        print("deploy: deleting data takes both --data and --yes-delete-data.", file=sys.stderr)
        return 1
    lost = "the service AND ITS DATA: runs, catalog, results, atlases" if args.data else "the service; data stays"
    if not (args.dry_run or args.yes):
        print(f"This deletes {lost} ({target.prefix} in {target.project}). Type the project's id to go on: ", end="")
        if sys.stdin.readline().strip() != target.project:
            print("deploy: nothing was deleted.", file=sys.stderr)
            return 1
    destroy(cloud, target, data=args.data)
    cloud.note(f"{cloud.changes} deletions")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./deploy.sh",
        description="Sets the HAYSTACK run service up on Google Cloud. Run again, it changes only what changed.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("deploy", help="set up or bring up to date (the default)")
    down = commands.add_parser("destroy", help="take the service down; data stays unless asked for twice")
    for each in (up, down):
        each.add_argument("--project", required=True, type=_matching(PROJECT, "a project id"), help="project id")
        each.add_argument("--region", required=True, type=_matching(REGION, "a region"), help="such as europe-west4")
        each.add_argument("--env", choices=ENVIRONMENTS, default="prod", help="dev has names of its own (prod)")
        each.add_argument("--dry-run", action="store_true", help="print every command that would change something")
        each.add_argument("--work-dir", type=Path, default=ROOT / "build" / "deploy", help="for generated files")
    up.add_argument("--domain", required=True, type=_matching(DOMAIN, "a host name"), help="host name that users call")
    up.add_argument("--production", action="store_true", help="keep instances warm and the database recoverable")
    up.add_argument(
        "--only", type=_known("function", FUNCTIONS), default=(), metavar="create,status", help="only these functions"
    )
    up.add_argument("--skip-image", action="store_true", help="leave the job's image as it is")
    up.add_argument(
        "--member",
        action="append",
        default=[],
        metavar="group:lab@example.org",
        help="who may pass IAP; may be repeated",
    )
    up.add_argument(
        "--origins",
        type=_list_of(_matching(ORIGIN, "an origin such as https://app.example.org")),
        default=(),
        metavar="https://app.example.org,...",
        help="web pages of other origins that may call (none)",
    )
    up.add_argument(
        "--notify",
        action="append",
        default=[],
        type=_matching(ADDRESS, "an e-mail address"),
        metavar="ops@example.org",
        help="whom alerts tell; may be repeated (nobody: they are in the console only)",
    )
    up.add_argument(
        "--retention-days",
        type=_retention,
        default=0,
        metavar="N",
        help="delete runs and results after N days (never)",
    )
    up.add_argument(
        "--llm-secrets",
        type=_known("language model", LLM_KEYS),
        default=(),
        metavar="anthropic,openai",
        help="language models whose keys are in Secret Manager (none)",
    )
    down.add_argument("--yes", action="store_true", help="do not ask")
    down.add_argument("--data", action="store_true", help="delete the database and the buckets too; needs the next")
    down.add_argument("--yes-delete-data", action="store_true", help="yes, runs and results too")
    return parser


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return text

    return check


def _list_of(check: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    def split(text: str) -> tuple[str, ...]:
        parts = tuple(check(part.strip()) for part in text.split(",") if part.strip())
        if not parts:
            raise argparse.ArgumentTypeError("name at least one")
        return parts

    return split


def _known(what: str, names: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    def check(name: str) -> str:
        if name not in names:
            raise argparse.ArgumentTypeError(f"no {what} is called {name}; there are {', '.join(names)}")
        return name

    return _list_of(check)


def _retention(text: str) -> int:
    if not text.isdecimal() or int(text) < SHORTEST_RETENTION.days:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from {SHORTEST_RETENTION.days} on")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
