"""Sign-in of people: Google's OAuth client for an organization's own members, or a client that the operator creates.

https://cloud.google.com/iap/docs/custom-oauth-configuration: Google's client signs in members of the project's organization only.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple, Protocol

from deploy.checks.reader import Unreadable
from deploy.gcloud import CommandFailed, Gcloud, Resource, Secret, lookup
from deploy.secrets import has_version
from deploy.target import Target

SECRET: Final = "iap-client-secret"  # noqa: S105  # the name of the secret
CLIENT_ID: Final = re.compile(r"[0-9]+-[a-z0-9]+\.apps\.googleusercontent\.com")
# A comma or a quote would end the value in the flag that carries it.
CLIENT_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{10,200}")
# The choice of Google's client where an organization's members have several domains, of which gcloud tells one.
GOOGLE: Final = "google"
# Service accounts sign in without a browser, and who is behind a principal is the business of its identity pool.
PEOPLE: Final = re.compile(r"(?:user|group|domain):(?:.*@)?(?P<domain>[^@]+)")


class OAuthClient(NamedTuple):
    """An OAuth client; the secret is empty until it is read from Secret Manager."""

    id: str
    secret: str = ""


# What returns a backend to Google's client: Compute Engine keeps a client until another one replaces it, and gcloud takes no empty one.
NO_CLIENT: Final = OAuthClient(" ")


class Source(Protocol):
    """Reads the project: `Gcloud` or `Reader`."""

    def find(self, command: str, *args: str) -> Resource | None:
        """Return the result of a describe command, or None if the resource does not exist."""

    def items(self, command: str, *args: str) -> list[Any]:
        """Return the result of a list command."""

    def by_name(self, command: str, *args: str) -> dict[str, Resource]:
        """Return the result of a list command by name."""


class Membership(NamedTuple):
    """Who can sign in.

    Attributes:
        problem: why the members could not, and what to do; empty if they can, as far as can be known.
        client: id of the OAuth client; empty: Google's.
        organization: the domain whose members Google's client signs in; empty: none, or it was not needed.
    """

    problem: str
    client: str = ""
    organization: str = ""


def instructions(target: Target) -> str:
    """Return how an operator creates an OAuth client and passes it."""
    console = "https://console.cloud.google.com/auth"
    return f"""\
Create an OAuth client and deploy with it:
1. Open {console}/branding?project={target.project} and choose Get started: a name, a support address, audience External.
2. Open {console}/audience?project={target.project} and choose Publish app; until then, only test users can sign in.
3. Open {console}/clients/create?project={target.project}, choose Web application, and create it. Copy its client ID and client secret.
4. Open the client again, add this authorized redirect URI with its ID, and save:
   https://iap.googleapis.com/v1/oauth/clientIds/CLIENT_ID:handleRedirect
5. Deploy with --iap-client-id CLIENT_ID. deploy.sh asks for the secret, or reads it from standard input, and keeps it in Secret Manager."""


def check(cloud: Gcloud, target: Target) -> None:
    """Check, before anything is created, that the members can sign in.

    Raises:
        CommandFailed: if they cannot, with what to do. A dry run prints this as a comment.
    """
    if cloud.blind:
        return
    try:
        found = membership(cloud, target, has_secret=cloud.dry_run or bool(target.iap_client_secret)).problem
    except UnknownDomain as failure:
        cloud.note(f"Members outside the organization of {target.project} cannot sign in without --iap-client-id.")
        cloud.note(f"Which domain it has could not be read: {failure}")
        return
    if found and not cloud.dry_run:
        raise CommandFailed(found)
    if found:
        cloud.note(found)


def membership(source: Source, target: Target, *, has_secret: bool) -> Membership:
    """Return who can sign in with the client that a deployment would use.

    Args:
        has_secret: whether the deployment gets the secret of the operator's own client, or need not have it.

    Raises:
        UnknownDomain: the members' domains could not be compared with that of the organization.
        CommandFailed: the backends use several clients.
    """
    if _own(target):
        known = has_secret or client_in_use(source, target) == target.iap_client_id
        problem = "" if known else f"Pass the secret of the OAuth client {target.iap_client_id} on standard input."
        return Membership(problem, target.iap_client_id)
    if target.iap_client_id != GOOGLE and (used := client_in_use(source, target)):
        return Membership("", used)
    return _with_google(source, target)


def store_secret(cloud: Gcloud, target: Target) -> None:
    """Keep the secret of the OAuth client in Secret Manager, if the operator passed one."""
    if not _own(target) or not (target.iap_client_secret or cloud.dry_run):
        return
    name = target.name(SECRET)
    exists = name in cloud.by_name("secrets list")
    if exists and cloud.dry_run:
        cloud.note(f"The secret on standard input replaces {name} if it differs.")
        return
    if exists and has_version(cloud, name) and _access(cloud, target) == target.iap_client_secret:
        return
    value = Secret(target.iap_client_secret, 'printf %s "$IAP_CLIENT_SECRET"')
    if exists:
        cloud.change("secrets versions add", name, "--data-file=-", secret=value)
    else:
        cloud.change("secrets create", name, "--replication-policy=automatic", "--data-file=-", secret=value)


def client(target: Target, backends: Mapping[str, Resource]) -> OAuthClient | None:
    """Return the client for every backend: the operator's new one, or the one in use. None means Google's.

    Raises:
        CommandFailed: if the backends use several.
    """
    if _own(target):
        return OAuthClient(target.iap_client_id, target.iap_client_secret)
    states = (backends.get(target.name(function), {}).get("iap", {}) for function in target.balanced)
    clients = sorted({found for state in states if (found := str(state.get("oauth2ClientId") or "").strip())})
    if target.iap_client_id == GOOGLE:
        return NO_CLIENT if clients else None
    if len(clients) > 1:
        raise CommandFailed(
            f"The backends use several OAuth clients: {', '.join(clients)}. Choose with --iap-client-id."
        )
    return OAuthClient(clients[0]) if clients else None


def wanted(client: OAuthClient | None) -> Resource:
    """Return the state of IAP that a backend should have."""
    state: Resource = {"enabled": True}
    if client is not None:
        state["oauth2ClientId"] = client.id
        if client.secret:
            state["oauth2ClientSecretSha256"] = hashlib.sha256(client.secret.encode()).hexdigest()
    return state


def flag(cloud: Gcloud, target: Target, client: OAuthClient | None) -> tuple[str, Secret | None]:
    """Return the flag that turns on IAP for a backend, and what its command reads from standard input.

    gcloud takes the secret of a client as part of a flag only. Arguments are visible to every user of the machine, so the flag is
    in a flags file, which gcloud reads from standard input.

    Raises:
        CommandFailed: if Secret Manager does not have the secret of a client that is in use.
    """
    if client is None:
        return "--iap=enabled", None
    if client == NO_CLIENT:
        return "--iap=enabled,oauth2-client-id= ,oauth2-client-secret= ", None
    try:
        secret = client.secret or _access(cloud, target)
    except CommandFailed as failure:
        again = f"Repeat the command with --iap-client-id {client.id} and the secret of this client on standard input."
        raise CommandFailed(f"{failure}\n{again}") from failure
    iap = f"enabled,oauth2-client-id={client.id},oauth2-client-secret="
    read = ("secrets versions access", "latest", f"--secret={target.name(SECRET)}", f"--project={target.project}")
    shell = f"""printf '{{"--iap": "{iap}%s"}}' "{lookup(*read)}\""""
    return "--flags-file=-", Secret(json.dumps({"--iap": iap + secret}), shell, hidden=secret)


class UnknownDomain(Exception):
    """The domain of the organization could not be read; the message says why."""


def _with_google(source: Source, target: Target) -> Membership:
    """Return who can sign in with Google's client."""
    parent = (source.find("projects describe", target.project) or {}).get("parent")
    if not parent:
        return Membership(
            f"The project {target.project} is in no organization. Identity-Aware Proxy then needs an OAuth client of its own, "
            f"because Google's signs in members of an organization only.\n{instructions(target)}"
        )
    people = [found for member in target.members if (found := PEOPLE.fullmatch(member))]
    if target.iap_client_id == GOOGLE or not people:
        return Membership("")
    domain = _domain(source, target, parent)
    outside = [found[0] for found in people if not _within(found["domain"], domain)]
    if not outside:
        return Membership("", organization=domain)
    return Membership(
        f"These members are not of {domain}, the organization of {target.project}: {', '.join(outside)}. Google's OAuth client "
        f"cannot sign them in. If {domain} also has their domain, pass --iap-client-id={GOOGLE}. Otherwise:\n{instructions(target)}"
    )


def _within(domain: str, organization: str) -> bool:
    return f".{domain}".lower().endswith(f".{organization}".lower())


def _domain(source: Source, target: Target, parent: Resource) -> str:
    """Return the domain of the organization.

    Raises:
        UnknownDomain: it could not be read.
    """
    try:
        organization = str(parent["id"])
        if parent["type"] != "organization":
            ancestors = source.items("projects get-ancestors", target.project)
            organization = next((str(each["id"]) for each in ancestors if each["type"] == "organization"), "")
        found = source.find("organizations describe", organization) if organization else None
    except (CommandFailed, Unreadable) as failure:
        raise UnknownDomain(str(failure)) from failure
    if not (domain := str((found or {}).get("displayName", ""))):
        raise UnknownDomain("the organization is not visible to this account")
    return domain


def client_in_use(source: Source, target: Target) -> str:
    """Return the id of the client of an earlier deployment; empty if there is none.

    Raises:
        CommandFailed: if the backends use several.
    """
    # A command for an API that a new project has not enabled would be repeated until it is.
    if "compute.googleapis.com" not in source.by_name("services list", "--enabled"):
        return ""
    used = client(replace(target, iap_client_id=""), source.by_name("compute backend-services list", "--global"))
    return "" if used is None else used.id


def _own(target: Target) -> bool:
    """Return whether the operator passes a client of their own."""
    return target.iap_client_id not in {"", GOOGLE}


def _access(cloud: Gcloud, target: Target) -> str:
    # A secret that somebody added by hand often ends with a line break.
    return cloud.secret("secrets versions access", "latest", f"--secret={target.name(SECRET)}").strip()
