"""The options of `deploy.sh`: their names, what they accept, and which of them go together."""

import argparse
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

from deploy import notifications
from deploy.policies import normalized
from deploy.signin import CLIENT_ID, GOOGLE
from deploy.target import ENVIRONMENTS
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
A_MEMBER: Final = "group:lab@example.org"
LONGEST_RETENTION_DAYS: Final = 36_500
ADDRESS: Final = re.compile(r"[^@\s,]+@[^@\s,]+")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="./deploy.sh",
        description="Deploy the HAYSTACK run service to Google Cloud. A repeated run applies only the changes.",
    )
    commands = top.add_subparsers(dest="command", required=True)
    other = "`./deploy.sh destroy --help`, `doctor --help` and `verify --help` describe the other commands."
    up = commands.add_parser("deploy", help="create or update the service (default)", epilog=other)
    down = commands.add_parser("destroy", help="delete the service; data stays unless you confirm its deletion twice")
    _add_examinations(commands)
    for each in (up, down):
        each.add_argument(
            "--project", required=True, type=_matching(PROJECT, "a project id such as haystack-lab"), help="project id"
        )
        each.add_argument(
            "--region",
            required=True,
            type=_matching(REGION, "a region such as us-central1"),
            help="such as us-central1",
        )
        each.add_argument("--env", choices=ENVIRONMENTS, default="prod", help="environment (default: prod)")
        each.add_argument("--dry-run", action="store_true", help="print the commands instead of running them")
        each.add_argument("--work-dir", type=Path, default=ROOT / "build" / "deploy", help="folder for generated files")
    add = up.add_argument
    add(
        "--domain",
        required=True,
        type=_matching(DOMAIN, "a host name such as haystack.example.org"),
        help="host name of the service",
    )
    add("--production", action="store_true", help="keep instances warm and the database recoverable")
    functions = _known("function", FUNCTIONS)
    add("--only", type=functions, default=(), metavar="create,status", help="deploy only these functions")
    add("--skip-image", action="store_true", help="do not rebuild the job's image")
    member = "IAM member who may use this environment; repeatable; others lose access (default: members stay unchanged)"
    add(
        "--member",
        action="append",
        default=[],
        type=_member,
        metavar=A_MEMBER,
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
    builds = "region of builds, for projects that cannot build in --region (default: --region)"
    add(
        "--build-region",
        type=_matching(REGION, "a region such as us-central1"),
        default=argparse.SUPPRESS,
        metavar="us-central1",
        help=builds,
    )
    client = (
        "OAuth client with which people sign in; its secret is read from standard input "
        "(default: as before, at first Google's, which is for members of the project's organization; `google` returns to it)"
    )
    add(
        "--iap-client-id",
        type=_client_id,
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
    subjects = "hide runs that are stored under an e-mail address, as in earlier releases, instead of an account id"
    add("--no-email-owners", action="store_true", help=subjects)
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
    return top


def _add_examinations(commands: Any) -> None:  # noqa: ANN401  # argparse does not name this type
    """Add the commands that change nothing: doctor and verify."""
    examine = commands.add_parser("doctor", help="check a project and a deployed service; changes nothing")
    probe = commands.add_parser("verify", help="ask the service one question and check its files")
    project, domain = (
        _matching(PROJECT, "a project id such as haystack-lab"),
        _matching(DOMAIN, "a host name such as haystack.example.org"),
    )
    region = _matching(REGION, "a region such as us-central1")
    examine.add_argument("--project", required=True, type=project, help="project id")
    examine.add_argument("--region", required=True, type=region, help="such as us-central1")
    examine.add_argument("--env", choices=ENVIRONMENTS, default="prod", help="environment (default: prod)")
    same = "as for the deployment"
    examine.add_argument("--build-region", type=region, default=argparse.SUPPRESS, help=same)
    examine.add_argument("--network", type=_matching(NETWORK, "a network"), default=argparse.SUPPRESS, help=same)
    examine.add_argument("--subnet", type=_matching(SUBNET, "a subnet"), default=argparse.SUPPRESS, help=same)
    examine.add_argument("--no-external-ip", action="store_true", help=same)
    examine.add_argument("--member", action="append", default=[], type=_member, metavar=A_MEMBER, help=same)
    examine.add_argument("--iap-client-id", type=_client_id, default=argparse.SUPPRESS, metavar="ID", help=same)
    probe.add_argument("--project", type=project, default=None, help="project id of a deployed service")
    probe.add_argument("--region", type=region, default=None, help="region of a deployed service")
    probe.add_argument("--env", choices=ENVIRONMENTS, default="prod", help="environment (default: prod)")
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


def check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End the program with a message if options do not go together."""
    if args.command == "deploy":
        notifications.check_options(parser, args)
    network, subnet = getattr(args, "network", ""), getattr(args, "subnet", "")
    if bool(network) != bool(subnet):
        parser.error("pass --network and --subnet together")
    if getattr(args, "no_external_ip", False) and not subnet:
        parser.error("--no-external-ip needs --network and --subnet of a subnet with Private Google Access")
    if "/" in subnet and subnet.split("/")[3] != args.region:
        parser.error(f"--subnet is in {subnet.split('/')[3]}, and jobs run in {args.region}; pass a subnet of --region")


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


def _member(text: str) -> str:
    return normalized(_matching(MEMBER, f"an IAM member such as {A_MEMBER}")(text))


def _client_id(text: str) -> str:
    return _matching(re.compile(f"{CLIENT_ID.pattern}|{GOOGLE}"), "the ID of an OAuth client")(text)


def _frontend(text: str) -> Path:
    folder = Path(text).resolve()
    if not (folder / "index.html").is_file():
        raise argparse.ArgumentTypeError(f"{text!r} has no index.html; pass the folder that the build wrote")
    return folder


def _retention(text: str) -> int:
    # Times after the year 9999 do not exist, and a service with such a retention would fail each create.
    if not text.isdecimal() or len(text) > 5 or not SHORTEST_RETENTION.days <= int(text) <= LONGEST_RETENTION_DAYS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of days from {SHORTEST_RETENTION.days} to {LONGEST_RETENTION_DAYS}"
        )
    return int(text)


def _queue_limit(text: str) -> int:
    if not text.isdecimal() or int(text) > LONGEST_QUEUE_MINUTES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes from 0 to {LONGEST_QUEUE_MINUTES}")
    return int(text)
