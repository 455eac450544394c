"""The command line behind `deploy.sh`."""

import argparse
import re
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from deploy import plan
from deploy.destroy import destroy
from deploy.gcloud import CommandFailed, Gcloud, lookup
from deploy.target import ENVIRONMENTS, Target
from shared.routes import FUNCTIONS
from shared.settings import LLM_KEYS, SHORTEST_RETENTION

ROOT: Final = Path(__file__).resolve().parent.parent
PROJECT: Final = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
REGION: Final = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_NAME: Final = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
_OF_PROJECT: Final = rf"projects/{PROJECT.pattern}"
DOMAIN: Final = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
# As browsers write an origin, without a trailing slash; plain HTTP only from the developer's own machine.
ORIGIN: Final = re.compile(r"(https://[a-z0-9.-]+|http://(localhost|127\.0\.0\.1))(:[0-9]{1,5})?")
NETWORK: Final = re.compile(rf"({_OF_PROJECT}/global/networks/)?{_NAME}")
SUBNET: Final = re.compile(rf"({_OF_PROJECT}/regions/{REGION.pattern}/subnetworks/)?{_NAME}")
MEMBER: Final = re.compile(r"(user|group|serviceAccount|domain|principal|principalSet):[^\s,]+")
ADDRESS: Final = re.compile(r"[^@\s,]+@[^@\s,]+")


def main(argv: Sequence[str] | None = None) -> int:
    """Deploy or destroy the service.

    Args:
        argv: arguments; None uses those of the process.

    Returns:
        The exit code: 0 on success, 1 if a command failed or the user declined.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    _check_network(parser, args)
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
        build_region=getattr(args, "build_region", ""),
        network=getattr(args, "network", ""),
        subnet=getattr(args, "subnet", ""),
        external_ip=not getattr(args, "no_external_ip", False),
        frontend=getattr(args, "frontend", None),
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
        cloud.note(f"dry run: {cloud.changes} commands would run; nothing was changed")
    else:
        cloud.note(f"{cloud.changes} changes" if cloud.changes else "nothing to change")
        cloud.note(f"This command prints the IP address for the DNS record of {target.domain}:")
        cloud.note(f"gcloud compute addresses describe {target.name('front')} --global --format='value(address)'")
    return 0


def _connect(project: str, *, dry_run: bool) -> tuple[Gcloud, str]:
    """Return gcloud for the project and the project's number. A dry run without access assumes an empty project."""
    cloud = Gcloud(project, dry_run=dry_run)
    try:
        found = cloud.find("projects describe", project)
        reason = "the project does not exist, or you may not view it"
    except (CommandFailed, FileNotFoundError) as error:
        found, reason = None, str(error).partition("\n")[2] or str(error)
    if found is not None:
        return cloud, str(found["projectNumber"])
    if not dry_run:
        print(f"deploy: cannot read project {project}: {reason}", file=sys.stderr)
        sys.exit(1)
    cloud = Gcloud(project, dry_run=True, blind=True)
    cloud.note(f"Cannot read project {project}: {reason}")
    cloud.note("These are the commands for an empty project.")
    return cloud, lookup("projects describe", project, "--format=value(projectNumber)")


def _destroy(cloud: Gcloud, target: Target, args: argparse.Namespace) -> int:
    if args.data != args.yes_delete_data:
        print("deploy: to delete data, pass both --data and --yes-delete-data.", file=sys.stderr)
        return 1
    scope = "the service AND ITS DATA: runs, catalog, results, atlases" if args.data else "the service; data stays"
    if not (args.dry_run or args.yes):
        print(f"This deletes {scope} ({target.prefix} in {target.project}). Type the project id to continue: ", end="")
        if sys.stdin.readline().strip() != target.project:
            print("deploy: nothing was deleted.", file=sys.stderr)
            return 1
    destroy(cloud, target, data=args.data)
    cloud.note(f"{cloud.changes} deletions")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./deploy.sh",
        description="Deploy the HAYSTACK run service to Google Cloud. A repeated run applies only the changes.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    other = "`./deploy.sh destroy --help` shows how to delete the service."
    up = commands.add_parser("deploy", help="create or update the service (default)", epilog=other)
    down = commands.add_parser("destroy", help="delete the service; data stays unless you confirm its deletion twice")
    for each in (up, down):
        each.add_argument("--project", required=True, type=_matching(PROJECT, "a project id"), help="project id")
        each.add_argument("--region", required=True, type=_matching(REGION, "a region"), help="such as us-central1")
        each.add_argument("--env", choices=ENVIRONMENTS, default="prod", help="environment (default: prod)")
        each.add_argument("--dry-run", action="store_true", help="print the commands instead of running them")
        each.add_argument("--work-dir", type=Path, default=ROOT / "build" / "deploy", help="folder for generated files")
    add = up.add_argument
    add("--domain", required=True, type=_matching(DOMAIN, "a host name"), help="host name of the service")
    add("--production", action="store_true", help="keep instances warm and the database recoverable")
    functions = _known("function", FUNCTIONS)
    add("--only", type=functions, default=(), metavar="create,status", help="deploy only these functions")
    add("--skip-image", action="store_true", help="do not rebuild the job's image")
    member = "IAM member who may use this environment; repeatable; others lose access (default: members stay unchanged)"
    add(
        "--member",
        action="append",
        default=[],
        type=_matching(MEMBER, "an IAM member such as group:lab@example.org"),
        metavar="group:lab@example.org",
        help=member,
    )
    add(
        "--origins",
        type=_list_of(_matching(ORIGIN, "an origin such as https://app.example.org")),
        default=(),
        metavar="https://app.example.org,...",
        help="other web origins that may call the API (default: none)",
    )
    add(
        "--notify",
        action="append",
        default=[],
        type=_matching(ADDRESS, "an e-mail address"),
        metavar="ops@example.org",
        help="e-mail address for alerts; repeatable (default: alerts appear only in the console)",
    )
    builds = "region of builds, for projects that may not build in --region (default: --region)"
    add(
        "--build-region",
        type=_matching(REGION, "a region"),
        default=argparse.SUPPRESS,
        metavar="us-central1",
        help=builds,
    )
    frontend = "folder of a static front end to serve instead of the built-in page, such as a Next.js export"
    add("--frontend", type=_frontend, default=argparse.SUPPRESS, metavar="FOLDER", help=frontend)
    network = "network of jobs: a name, or projects/P/global/networks/N of a shared VPC (default: the default network)"
    add("--network", type=_matching(NETWORK, "a network"), default=argparse.SUPPRESS, metavar="lab", help=network)
    subnet = "subnet of jobs in --region: a name, or projects/P/regions/R/subnetworks/S; with --network"
    add("--subnet", type=_matching(SUBNET, "a subnet"), default=argparse.SUPPRESS, metavar="jobs", help=subnet)
    inside = "jobs get no external address; their subnet needs Private Google Access"
    add("--no-external-ip", action="store_true", help=inside)
    retention = "delete runs and results after N days (default: never)"
    add("--retention-days", type=_retention, default=0, metavar="N", help=retention)
    add(
        "--llm-secrets",
        type=_known("language model", LLM_KEYS),
        default=(),
        metavar="anthropic,openai",
        help="language model providers whose keys are in Secret Manager (default: none)",
    )
    down.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    down.add_argument("--data", action="store_true", help="also delete the database and the buckets")
    down.add_argument("--yes-delete-data", action="store_true", help="confirm --data: runs and results are lost")
    return parser


def _check_network(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    network, subnet = getattr(args, "network", ""), getattr(args, "subnet", "")
    if bool(network) != bool(subnet):
        parser.error("pass --network and --subnet together")
    if getattr(args, "no_external_ip", False) and not subnet:
        parser.error("--no-external-ip needs --network and --subnet of a subnet with Private Google Access")


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
            raise argparse.ArgumentTypeError("the list is empty")
        return parts

    return split


def _known(what: str, names: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    def check(name: str) -> str:
        if name not in names:
            raise argparse.ArgumentTypeError(f"there is no {what} {name!r}; choose from {', '.join(names)}")
        return name

    return _list_of(check)


def _frontend(text: str) -> Path:
    folder = Path(text).resolve()
    if not (folder / "index.html").is_file():
        raise argparse.ArgumentTypeError(f"{text!r} has no index.html; pass the folder that the build wrote")
    return folder


def _retention(text: str) -> int:
    if not text.isdecimal() or int(text) < SHORTEST_RETENTION.days:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days of at least {SHORTEST_RETENTION.days}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
