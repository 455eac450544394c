"""The command line behind `deploy.sh`."""

import argparse
import getpass
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from deploy import doctor, notifications, options, place, plan
from deploy.caller import Caller, token_source
from deploy.checks import address
from deploy.checks.checkup import Checkup
from deploy.checks.reader import Reader
from deploy.destroy import destroy
from deploy.gcloud import CommandFailed, Gcloud, lookup
from deploy.options import ROOT
from deploy.signin import CLIENT_SECRET, GOOGLE
from deploy.target import Target
from deploy.verify import Place, Verification
from shared.settings import DEFAULT_QUEUE_MINUTES


def main(argv: Sequence[str] | None = None) -> int:
    """Deploy, examine, verify or destroy the service.

    Args:
        argv: arguments; None uses those of the process.

    Returns:
        The exit code: 0 on success, 1 if a command failed, something is to fix, or the user declined.
    """
    parser = options.parser()
    args = parser.parse_args(argv)
    options.check(parser, args)
    if args.command == "verify":
        return _verify(parser, args)
    if args.command == "doctor":
        return _doctor(args)
    client_secret = _client_secret(parser, args)
    try:
        cloud, number = _connect(args)
        target = _target(args, number, client_secret)
        if args.command == "destroy":
            return _destroy(cloud, target, args)
        plan.deploy(cloud, target, only=args.only, build_image=not args.skip_image)
        if args.dry_run:
            cloud.note(f"dry run: {cloud.changes} commands would run; nothing was changed")
        else:
            _summarize(cloud, target)
    except CommandFailed as failure:
        print(f"deploy: {failure}", file=sys.stderr)
        return 1
    return 0


def _target(args: argparse.Namespace, number: str, client_secret: str = "") -> Target:
    """Return the environment that the options describe; options that a command does not have keep their defaults."""
    given = vars(args)
    return Target(
        project=args.project,
        number=number,
        region=args.region,
        domain=given.get("domain") or "",
        env=args.env,
        production=given.get("production", False),
        members=tuple(given.get("member", ())),
        origins=given.get("origins", ()),
        operators=tuple(given.get("notify", ())),
        retention_days=given.get("retention_days", 0),
        queue_minutes=given.get("queue_limit", DEFAULT_QUEUE_MINUTES),
        llm_providers=given.get("llm_secrets", ()),
        build_region=given.get("build_region", ""),
        network=given.get("network", ""),
        subnet=given.get("subnet", ""),
        external_ip=not given.get("no_external_ip", False),
        email_owners=not given.get("no_email_owners", False),
        iap_client_id=given.get("iap_client_id", ""),
        iap_client_secret=client_secret,
        frontend=given.get("frontend"),
        notifications=notifications.given(args),
        root=ROOT,
        work=given["work_dir"] / args.project / args.env if "work_dir" in given else ROOT,
    )


def _summarize(cloud: Gcloud, target: Target) -> None:
    """Say how much was changed, and which DNS record the domain needs."""
    cloud.note(f"{cloud.changes} changes" if cloud.changes else "nothing to change")
    found = cloud.find("compute addresses describe", target.name("front"), "--global")
    if found is not None:  # `--only` deploys functions before there is a load balancer
        cloud.note(f"DNS record of the service: {target.domain}. A {found.get('address', '')}")


def _connect(args: argparse.Namespace) -> tuple[Gcloud, str]:
    """Return gcloud for the project and the project's number. A dry run without access assumes an empty project.

    Raises:
        CommandFailed: the project cannot be read.
    """
    cloud = Gcloud(args.project, dry_run=args.dry_run, disabled_is_empty=args.command == "destroy")
    try:
        found = cloud.find("projects describe", args.project)
        reason = "the project does not exist, or you may not view it"
    except (CommandFailed, FileNotFoundError) as error:
        found, reason = None, str(error).partition("exit code ")[2] or str(error)
    if found is not None:
        return cloud, str(found["projectNumber"])
    if not args.dry_run:
        raise CommandFailed(
            f"cannot read project {args.project}: {reason}\nSign in with `gcloud auth login --update-adc`, or check the project id."
        )
    cloud = Gcloud(args.project, dry_run=True, blind=True)
    cloud.note(f"Cannot read project {args.project}: {reason}")
    cloud.note("These are the commands for an empty project.")
    return cloud, lookup("projects describe", args.project, "--format=value(projectNumber)")


def _destroy(cloud: Gcloud, target: Target, args: argparse.Namespace) -> int:
    if args.data != args.yes_delete_data:
        print("deploy: to delete data, pass both --data and --yes-delete-data.", file=sys.stderr)
        return 1
    place.check_region(cloud, target)
    scope = f"the service {target.prefix} ({target.env}) in {target.project}, {target.region}"
    data = (
        f" AND ITS DATA: the buckets {target.results_bucket} and {target.atlas_bucket}, and the Firestore database {target.database} with "
        "everything in it"
    )
    if not (args.dry_run or args.yes):
        print(f"This deletes {scope}{data if args.data else '; data stays'}. Type the project id to continue: ", end="")
        if sys.stdin.readline().strip() != target.project:
            print("deploy: nothing was deleted.", file=sys.stderr)
            return 1
    destroy(cloud, target, data=args.data)
    if args.dry_run:
        cloud.note(f"dry run: {cloud.changes} commands would run; nothing was deleted")
    elif cloud.changes:
        cloud.note(f"{cloud.changes} deletions")
    else:
        cloud.note(f"Nothing of {scope} was found. Check --env and --region.")
    return 0


def _doctor(args: argparse.Namespace) -> int:
    reader = Reader(args.project)

    def checkup_of(number: str) -> Checkup:
        return Checkup(_target(args, number), reader, _caller(args), address.resolve, datetime.now(UTC))

    return doctor.examine(reader, checkup_of, sys.stdout)


def _verify(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    if bool(args.url) == bool(args.domain):
        parser.error("pass --project and --domain of a deployed service, or --url of a local one")
    if args.domain and not args.project:
        parser.error("--domain needs --project")
    where = Place()
    if args.domain:
        env = "" if args.env == "prod" else f" --env {args.env}"
        account = f" --service-account {args.service_account}" if args.service_account else ""
        examine = f"./deploy.sh doctor --project {args.project} --region {args.region or 'REGION'} --domain {args.domain}{env}{account}"
        where = Place(args.project, examine)
    try:
        return Verification(_caller(args), where, sys.stdout, seconds=args.timeout).run(args.question or "", args.keep)
    except KeyboardInterrupt:
        print("verify: stopped.", file=sys.stderr)
        return 130


def _caller(args: argparse.Namespace) -> Caller:
    """Return the caller of the service that the arguments name, with the identity that they or the environment name."""
    url = (getattr(args, "url", None) or f"https://{args.domain}").rstrip("/")
    return Caller(url, token_source(os.environ, args.service_account or "", f"{url}/*"))


def _client_secret(parser: argparse.ArgumentParser, args: argparse.Namespace) -> str:
    """Return the secret of the OAuth client from standard input; empty if there is none, or if it is not needed."""
    if getattr(args, "iap_client_id", "") in {"", GOOGLE} or args.dry_run:
        return ""
    prompt = "Secret of the OAuth client (empty: the stored one): "
    secret = (getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.read()).strip()
    if secret and not CLIENT_SECRET.fullmatch(secret):  # never quoted
        parser.error("standard input is not the secret of an OAuth client, which is one line such as GOCSPX-...")
    return secret


if __name__ == "__main__":
    sys.exit(main())
