"""Notifications that a run ended: their options, the settings of functions, and the secrets of the function that sends them."""

import argparse
import base64
import secrets
from typing import Final

from deploy.gcloud import CommandFailed, Gcloud, Secret
from deploy.secrets import has_version
from deploy.target import SMTP_PASSWORD, WEBHOOK_SECRET, Notifications, Target
from shared.settings import EMAIL, HOST, WEBHOOK_HOST

# Create refuses what is not set up, and reconcile sends, so both need the settings.
FUNCTIONS: Final = frozenset({"create", "reconcile"})
SENDER: Final = "reconcile"


def create_signing_key(cloud: Gcloud, target: Target) -> None:
    """Create the key that signs webhooks with a random value, if webhooks are allowed and it does not exist."""
    name = target.name(WEBHOOK_SECRET)
    if not target.notifications.webhook_hosts or name in cloud.by_name("secrets list"):
        return
    value = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    secret = Secret(value, "printf %s \"whsec_$(openssl rand -base64 32 | tr -d '\\n')\"")
    cloud.change("secrets create", name, "--replication-policy=automatic", "--data-file=-", secret=secret)


def check_password(cloud: Gcloud, target: Target) -> None:
    """Check that the password of the mail server exists, because a function whose secret is missing cannot start.

    Raises:
        CommandFailed: it is missing; with the command that stores it. A dry run prints this as a comment.
    """
    wanted, password = target.notifications, target.name(SMTP_PASSWORD)
    if not wanted.smtp_user or has_version(cloud, password):
        return
    flags = f"--project={target.project} --replication-policy=automatic --data-file=-"
    text = (
        f"Store the password of {wanted.smtp_user} in Secret Manager first. The command reads it from standard input:\n"
        f"gcloud secrets create {password} {flags}"
    )
    if not cloud.dry_run:
        raise CommandFailed(text)
    cloud.note(text)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a deployment."""
    add = parser.add_argument
    hosts = "hosts that may receive webhooks about ended runs (default: none)"
    add("--webhook-hosts", type=_hosts, default=(), metavar="hooks.example.org,...", help=hosts)
    server = "mail server that sends e-mail about ended runs, with its port if not 587 (default: no e-mail)"
    add("--smtp", type=_server, default=("", "587"), metavar="smtp.example.org:587", help=server)
    add("--smtp-from", type=_address, metavar="ADDRESS", help="sender address of e-mail; with --smtp")
    add("--smtp-user", type=_user, metavar="NAME", help="user of the mail server; its password is in Secret Manager")


def check_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End the program with a message if options of a deployment do not go together."""
    host = args.smtp[0]
    if bool(host) != bool(args.smtp_from):
        parser.error("pass --smtp and --smtp-from together")
    if args.smtp_user and not host:
        parser.error("--smtp-user needs --smtp and --smtp-from")


def given(args: argparse.Namespace) -> Notifications:
    """Return what the arguments of a deployment say; other commands have none."""
    if args.command != "deploy":
        return Notifications()
    host, port = args.smtp
    return Notifications(args.webhook_hosts, host, port, args.smtp_user or "", args.smtp_from or "")


def _hosts(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    for each in found:
        matched = WEBHOOK_HOST.fullmatch(each)
        if matched is None or matched["host"] is None:
            raise argparse.ArgumentTypeError(f"{each!r} is not a host such as hooks.example.org, or HOST:PORT")
    return found


def _server(text: str) -> tuple[str, str]:
    host, _, port = text.partition(":")
    if not HOST.fullmatch(host) or not (port or "587").isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a mail server such as smtp.example.org:587")
    if port == "25":
        raise argparse.ArgumentTypeError("Google Cloud blocks port 25; use 587 or 465")
    return host, port or "587"


def _address(text: str) -> str:
    if not EMAIL.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an e-mail address in ASCII")
    return text


def _user(text: str) -> str:
    if not text.isascii() or not text.isprintable() or set(text) & set(" ,;"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a user name in ASCII without spaces, commas and semicolons")
    return text
