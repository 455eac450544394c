"""The person and the project: gcloud, its login, and billing."""

from collections.abc import Iterator
from typing import Final

from deploy.checks.checkup import Checkup
from deploy.checks.finding import Finding, fine, fix, know
from deploy.checks.reader import LoggedOut, NotAllowed, Reader, command
from deploy.gcloud import Resource

# `deploy.sh` is tested with this version.
TESTED: Final = (528, 0, 0)
LOGIN: Final = "gcloud auth login --update-adc"


def gcloud(reader: Reader) -> Iterator[Finding]:
    """Check the version of gcloud and its components."""
    found = reader.find("version") or {}
    version = str(found.get("Google Cloud SDK", ""))
    numbers = tuple(int(part) for part in version.split(".") if part.isdecimal())
    if "alpha" not in found or "beta" not in found:
        yield fix("gcloud has no preview commands, which the deployment uses.", "gcloud components install alpha beta")
    if numbers < TESTED:
        tested = ".".join(map(str, TESTED))
        yield know(
            f"gcloud {version} is older than {tested}, with which deploy.sh is tested.", "gcloud components update"
        )
    else:
        yield fine(f"gcloud {version}")


def project(reader: Reader) -> tuple[Resource | None, list[Finding]]:
    """Return the project, or None if the person cannot read it, with what this means."""
    name = reader.project
    try:
        found = reader.find("projects describe", name)
    except LoggedOut as error:
        return None, [fix(str(error), LOGIN)]
    except NotAllowed:
        found = None
    if found is None:
        text = (
            f"The project {name} does not exist, or your account may not view it. Create it, or ask one of its owners for "
            "roles/owner and check the account of gcloud with `gcloud config get account`."
        )
        return None, [fix(text, command("projects", "create", name))]
    account = reader.say("config get account")
    logged_in = fine(f"You are logged in{f' as {account}' if account else ''} and can view the project {name}.")
    if found.get("lifecycleState") != "ACTIVE":
        return None, [logged_in, fix(f"The project {name} is being deleted.", command("projects", "undelete", name))]
    return found, [logged_in]


def billing(checkup: Checkup) -> Iterator[Finding]:
    """Check that the project has an open billing account."""
    name = checkup.target.project
    found = checkup.reader.find("billing projects describe", name) or {}
    if found.get("billingEnabled"):
        yield fine(f"Billing is enabled ({found.get('billingAccountName', '')}).")
        return
    link = command("billing", "projects", "link", name, "--billing-account=BILLING_ACCOUNT")
    yield fix(
        f"Billing is not enabled for {name}: no resource can be created. `gcloud billing accounts list` shows your accounts.",
        link,
    )
