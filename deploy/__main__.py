"""The command line behind `deploy.sh`."""

import argparse
import getpass
import os
import re
import sys
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy import doctor, notifications, plan
from deploy.caller import Caller, token_source
from deploy.checks import address
from deploy.checks.checkup import Checkup
from deploy.checks.reader import Reader
from deploy.destroy import destroy
from deploy.gcloud import CommandFailed, Gcloud, lookup
from deploy.signin import CLIENT_ID, CLIENT_SECRET, GOOGLE
from deploy.target import ENVIRONMENTS, Target
from deploy.verify import Place, Verification
from shared.routes import FUNCTIONS
from shared.settings import DEFAULT_QUEUE_MINUTES, LLM_KEYS, LONGEST_QUEUE_MINUTES, SHORTEST_RETENTION

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
ADDRESS_OF_SERVICE: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?")
ADDRESS: Final = re.compile(r"[^@\s,]+@[^@\s,]+")


def main(argv: Sequence[str] | None = None) -> int:
    """Deploy, examine, verify or destroy the service.

    Args:
        argv: arguments; None uses those of the process.

    Returns:
        The exit code: 0 on success, 1 if a command failed, something is to fix, or the user declined.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    _check_network(parser, args)
    if args.command == "verify":
        return _verify(parser, args)
    if args.command == "doctor":
        return _doctor(args)
    client_secret = _client_secret(parser, args)
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
        queue_minutes=getattr(args, "queue_limit", DEFAULT_QUEUE_MINUTES),
        llm_providers=getattr(args, "llm_secrets", ()),
        build_region=getattr(args, "build_region", ""),
        network=getattr(args, "network", ""),
        subnet=getattr(args, "subnet", ""),
        external_ip=not getattr(args, "no_external_ip", False),
        iap_client_id=getattr(args, "iap_client_id", ""),
        iap_client_secret=client_secret,
        frontend=getattr(args, "frontend", None),
        notifications=notifications.options(parser, args),
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


def _doctor(args: argparse.Namespace) -> int:
    reader = Reader(args.project)

    def checkup_of(number: str) -> Checkup:
        target = Target(
            project=args.project,
            number=number,
            region=args.region,
            domain=args.domain or "",
            env=args.env,
            production=False,
            members=(),
            build_region=args.build_region or "",
            network=args.network or "",
            subnet=args.subnet or "",
            external_ip=not args.no_external_ip,
            root=ROOT,
            work=ROOT,
        )
        return Checkup(target, reader, _caller(args), address.resolve, datetime.now(UTC))

    return doctor.examine(reader, checkup_of, sys.stdout)


def _verify(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    if bool(args.url) == bool(args.domain):
        parser.error("pass --project and --domain of a deployed service, or --url of a local one")
    if args.domain and not args.project:
        parser.error("--domain needs --project")
    examine = f"./deploy.sh doctor --project {args.project} --region REGION --domain {args.domain}"
    place = Place(args.project, examine) if args.domain else Place()
    try:
        return Verification(_caller(args), place, sys.stdout, seconds=args.timeout).run(args.question or "", args.keep)
    except KeyboardInterrupt:
        print("verify: stopped; the run was cancelled.", file=sys.stderr)
        return 130


def _caller(args: argparse.Namespace) -> Caller:
    """Return the caller of the service that the arguments name, with the identity that they or the environment name."""
    url = getattr(args, "url", None) or f"https://{args.domain}"
    return Caller(url, token_source(os.environ, args.service_account or "", f"{url}/*"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./deploy.sh",
        description="Deploy the HAYSTACK run service to Google Cloud. A repeated run applies only the changes.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    other = "`./deploy.sh destroy --help`, `doctor --help` and `verify --help` describe the other commands."
    up = commands.add_parser("deploy", help="create or update the service (default)", epilog=other)
    down = commands.add_parser("destroy", help="delete the service; data stays unless you confirm its deletion twice")
    _add_examinations(commands)
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
    client = (
        "OAuth client with which people sign in; its secret is read from standard input "
        "(default: as before, at first Google's, which is for members of the project's organization)"
    )
    add(
        "--iap-client-id",
        type=_matching(re.compile(f"{CLIENT_ID.pattern}|{GOOGLE}"), "the ID of an OAuth client"),
        default=argparse.SUPPRESS,
        metavar="ID",
        help=client,
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
    waits = (
        f"minutes that a job may wait for its machine; 0: two days, Batch's limit (default: {DEFAULT_QUEUE_MINUTES})"
    )
    add("--queue-limit", type=_queue_limit, default=DEFAULT_QUEUE_MINUTES, metavar="MINUTES", help=waits)
    add(
        "--llm-secrets",
        type=_known("language model", LLM_KEYS),
        default=(),
        metavar="anthropic,openai",
        help="language model providers whose keys are in Secret Manager (default: none)",
    )
    notifications.add_options(up)
    down.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    down.add_argument("--data", action="store_true", help="also delete the database and the buckets")
    down.add_argument("--yes-delete-data", action="store_true", help="confirm --data: runs and results are lost")
    return parser


def _add_examinations(commands: Any) -> None:  # noqa: ANN401  # argparse does not name this type
    """Add the commands that change nothing: doctor and verify."""
    examine = commands.add_parser("doctor", help="check a project and a deployed service; changes nothing")
    probe = commands.add_parser("verify", help="ask the service one question and check its files")
    project, domain = _matching(PROJECT, "a project id"), _matching(DOMAIN, "a host name")
    region = _matching(REGION, "a region")
    examine.add_argument("--project", required=True, type=project, help="project id")
    examine.add_argument("--region", required=True, type=region, help="such as us-central1")
    examine.add_argument("--env", choices=ENVIRONMENTS, default="prod", help="environment (default: prod)")
    examine.add_argument("--build-region", type=region, default=None, help="as for the deployment")
    examine.add_argument("--network", type=_matching(NETWORK, "a network"), default=None, help="as for the deployment")
    examine.add_argument("--subnet", type=_matching(SUBNET, "a subnet"), default=None, help="as for the deployment")
    examine.add_argument("--no-external-ip", action="store_true", help="as for the deployment")
    probe.add_argument("--project", type=project, default=None, help="project id of a deployed service")
    local = "address of another service, such as http://127.0.0.1:8080, instead of --domain"
    probe.add_argument("--url", type=_matching(ADDRESS_OF_SERVICE, "an address"), default=None, help=local)
    probe.add_argument("--question", default=None, help="question to ask (default: one that the service can answer)")
    probe.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep the files in this folder (default: delete them)"
    )
    limit = "seconds after which the run is cancelled (default: 2700)"
    probe.add_argument("--timeout", type=float, default=2700.0, metavar="SECONDS", help=limit)
    for each in (examine, probe):
        each.add_argument("--domain", type=domain, default=None, help="host name of the service")
        account = "service account to sign in as; you need roles/iam.serviceAccountTokenCreator on it (default: HAYSTACK_TOKEN)"
        each.add_argument("--service-account", type=_matching(ADDRESS, "an e-mail address"), default=None, help=account)


def _check_network(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    network, subnet = getattr(args, "network", None), getattr(args, "subnet", None)
    if bool(network) != bool(subnet):
        parser.error("pass --network and --subnet together")
    if getattr(args, "no_external_ip", False) and not subnet:
        parser.error("--no-external-ip needs --network and --subnet of a subnet with Private Google Access")


def _client_secret(parser: argparse.ArgumentParser, args: argparse.Namespace) -> str:
    """Return the secret of the OAuth client from standard input; empty if there is none, or if it is not needed."""
    if getattr(args, "iap_client_id", "") in {"", GOOGLE} or args.dry_run:
        return ""
    prompt = "Secret of the OAuth client (empty: the stored one): "
    secret = (getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.read()).strip()
    if secret and not CLIENT_SECRET.fullmatch(secret):  # never quoted
        parser.error("standard input is not the secret of an OAuth client, which is one line such as GOCSPX-...")
    return secret


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


def _queue_limit(text: str) -> int:
    if not text.isdecimal() or int(text) > LONGEST_QUEUE_MINUTES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes of at most {LONGEST_QUEUE_MINUTES}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
