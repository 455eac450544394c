"""The alert policies in `deploy/alerts/` and their notification channels.

Each policy has labels with its service, the name of its file, and a hash of the file's content. A missing policy is
created, and a policy whose file changed is replaced. Changes by hand stay until then.
"""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any, Final

from deploy.gcloud import Gcloud, Resource, lookup
from deploy.target import PRODUCT, Target

POLICIES: Final = "alpha monitoring policies"
CHANNELS: Final = "beta monitoring channels"
FOLDER: Final = "deploy/alerts"
# The labels.
SERVICE, ALERT, CONTENT = "service", "alert", "content"


def set_up(cloud: Gcloud, target: Target) -> None:
    """Create the missing policies, and update those whose file or channels changed."""
    channels = _channels(cloud, target)
    found = {policy["userLabels"][ALERT]: policy for policy in existing(cloud, target)}
    paths = sorted((target.root / FOLDER).glob("*.json"))
    cloud.together(*(partial(_update, cloud, target, path, found.get(path.stem), channels) for path in paths))


def existing(cloud: Gcloud, target: Target) -> list[Resource]:
    """Return the existing policies of this service."""
    policies = cloud.items(f"{POLICIES} list")
    return [policy for policy in policies if policy.get("userLabels", {}).get(SERVICE) == target.prefix]


def _update(cloud: Gcloud, target: Target, source: Path, found: Resource | None, channels: list[str]) -> None:
    policy = _policy(target, source)
    current = [] if found is None else list(found.get("notificationChannels", []))
    if found and found["userLabels"].get(CONTENT) == policy["userLabels"][CONTENT] and set(channels) <= set(current):
        return
    file = f"--policy-from-file={target.write_json(f'alerts/{source.name}', policy)}"
    # An update would drop the channels, which are not in the file, so it names them again.
    wanted = ",".join([*current, *(channel for channel in channels if channel not in current)])
    if found is None:
        cloud.change(f"{POLICIES} create", file, *([f"--notification-channels={wanted}"] if wanted else []))
    else:
        flags = [f"--set-notification-channels={wanted}"] if wanted else []
        cloud.change(f"{POLICIES} update", found["name"], file, *flags)


def _policy(target: Target, source: Path) -> dict[str, Any]:
    """Return the policy for this environment: `dev` watches its own resources and has its name in the title."""
    text = source.read_text().replace(f"{PRODUCT}-", f"{target.prefix}-")
    policy: dict[str, Any] = json.loads(text)
    if target.env != "prod":
        policy["displayName"] = policy["displayName"].replace(":", f" {target.env}:", 1)
    content = hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()[:16]
    return {**policy, "userLabels": {SERVICE: target.prefix, ALERT: source.stem, CONTENT: content}}


def _channels(cloud: Gcloud, target: Target) -> list[str]:
    """Return the names of the operators' channels, and create the missing ones."""
    if not target.operators:
        return []
    found = _by_address(cloud)
    missing = [address for address in target.operators if address not in found]
    for address in missing:
        labels = ("--type=email", f"--channel-labels=email_address={address}")
        cloud.change(f"{CHANNELS} create", f"--display-name=HAYSTACK: {address}", *labels)
    if missing and not cloud.dry_run:
        found = _by_address(cloud)
    return [found.get(address) or _lookup_channel(target, address) for address in target.operators]


def _by_address(cloud: Gcloud) -> dict[str, str]:
    channels = cloud.items(f"{CHANNELS} list")
    return {each["labels"]["email_address"]: each["name"] for each in channels if each.get("type") == "email"}


def _lookup_channel(target: Target, address: str) -> str:
    """Return a command that looks up the channel, which does not exist yet in a dry run."""
    chosen = f"--filter=labels.email_address={address}"
    return lookup(f"{CHANNELS} list", chosen, "--format=value(name)", f"--project={target.project}")
