"""Sign-in of people: Google's OAuth client for an organization's own members, or a client that the operator creates.

https://cloud.google.com/iap/docs/custom-oauth-configuration: Google's client signs in members of the project's organization only.
"""

import hashlib
import json
import re
from dataclasses import replace
from typing import Final, NamedTuple

from deploy.gcloud import CommandFailed, Gcloud, Resource, Secret, lookup
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
5. Repeat this command with --iap-client-id CLIENT_ID. It reads the secret from standard input, and keeps it in Secret Manager."""


def check(cloud: Gcloud, target: Target) -> None:
    """Check, before anything is created, that the members can sign in.

    Raises:
        CommandFailed: if they cannot, with what to do. A dry run prints this as a comment.
    """
    found = "" if cloud.blind else problem(cloud, target)
    if found and not cloud.dry_run:
        raise CommandFailed(found)
    if found:
        cloud.note(found)


def problem(cloud: Gcloud, target: Target) -> str:
    """Return why the members could not sign in, and what to do; empty if they can, as far as can be known."""
    if _own(target):
        known = cloud.dry_run or target.iap_client_secret or _client_in_use(cloud, target) == target.iap_client_id
        return "" if known else f"Pass the secret of the OAuth client {target.iap_client_id} on standard input."
    reason = _beyond_google(cloud, target)
    return f"{reason}\n{instructions(target)}" if reason and not _client_in_use(cloud, target) else ""


def store_secret(cloud: Gcloud, target: Target) -> None:
    """Keep the secret of the OAuth client in Secret Manager, if the operator passed one."""
    if not _own(target) or not (target.iap_client_secret or cloud.dry_run):
        return
    name = target.name(SECRET)
    exists = name in cloud.by_name("secrets list")
    if exists and cloud.dry_run:
        cloud.note(f"The secret on standard input replaces {name} if it differs.")
        return
    if exists and _access(cloud, target) == target.iap_client_secret:
        return
    value = Secret(target.iap_client_secret, 'printf %s "$IAP_CLIENT_SECRET"')
    if exists:
        cloud.change("secrets versions add", name, "--data-file=-", secret=value)
    else:
        cloud.change("secrets create", name, "--replication-policy=automatic", "--data-file=-", secret=value)


def client(target: Target, backends: dict[str, Resource]) -> OAuthClient | None:
    """Return the client for every backend: the operator's new one, or the one in use. None means Google's.

    Raises:
        CommandFailed: if the backends use several.
    """
    if _own(target):
        return OAuthClient(target.iap_client_id, target.iap_client_secret)
    states = (backends.get(target.name(function), {}).get("iap", {}) for function in target.balanced)
    clients = sorted({found for state in states if (found := str(state.get("oauth2ClientId") or "").strip())})
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
    try:
        secret = client.secret or _access(cloud, target)
    except CommandFailed as failure:
        again = f"Repeat the command with --iap-client-id {client.id} and the secret of this client on standard input."
        raise CommandFailed(f"{failure}\n{again}") from failure
    iap = f"enabled,oauth2-client-id={client.id},oauth2-client-secret="
    read = ("secrets versions access", "latest", f"--secret={target.name(SECRET)}", f"--project={target.project}")
    shell = f"""printf '{{"--iap": "{iap}%s"}}' "{lookup(*read)}\""""
    return "--flags-file=-", Secret(json.dumps({"--iap": iap + secret}), shell, hidden=secret)


def _beyond_google(cloud: Gcloud, target: Target) -> str:
    """Return why Google's client does not suffice; empty if it does, as far as can be known."""
    parent = (cloud.find("projects describe", target.project) or {}).get("parent")
    if not parent:
        return (
            f"The project {target.project} is in no organization. Identity-Aware Proxy then needs an OAuth client of its own, "
            "because Google's signs in members of an organization only."
        )
    people = [found for member in target.members if (found := PEOPLE.fullmatch(member))]
    if target.iap_client_id == GOOGLE or not people:
        return ""
    try:
        domain = _domain(cloud, target, parent)
    except CommandFailed as failure:
        cloud.note(f"Members outside the organization of {target.project} cannot sign in without --iap-client-id.")
        cloud.note(f"Which domain it has could not be read: {failure}")
        return ""
    outside = [found[0] for found in people if not _within(found["domain"], domain)]
    if not outside:
        return ""
    return (
        f"These members are not of {domain}, the organization of {target.project}: {', '.join(outside)}. Google's OAuth client "
        f"cannot sign them in. If {domain} also has their domain, pass --iap-client-id={GOOGLE}. Otherwise:"
    )


def _within(domain: str, organization: str) -> bool:
    return f".{domain}".lower().endswith(f".{organization}".lower())


def _domain(cloud: Gcloud, target: Target, parent: Resource) -> str:
    organization = str(parent["id"])
    if parent["type"] != "organization":
        ancestors = cloud.items("projects get-ancestors", target.project)
        organization = next(str(each["id"]) for each in ancestors if each["type"] == "organization")
    return str((cloud.find("organizations describe", organization) or {}).get("displayName", ""))


def _client_in_use(cloud: Gcloud, target: Target) -> str:
    """Return the id of the client of an earlier deployment; empty if there is none."""
    # A command for an API that a new project has not enabled would be repeated until it is.
    if "compute.googleapis.com" not in cloud.by_name("services list", "--enabled"):
        return ""
    used = client(replace(target, iap_client_id=""), cloud.by_name("compute backend-services list", "--global"))
    return "" if used is None else used.id


def _own(target: Target) -> bool:
    """Return whether the operator passes a client of their own."""
    return target.iap_client_id not in {"", GOOGLE}


def _access(cloud: Gcloud, target: Target) -> str:
    return cloud.secret("secrets versions access", "latest", f"--secret={target.name(SECRET)}")
