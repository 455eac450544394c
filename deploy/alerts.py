"""The alert policies in `deploy/alerts/` and their notification channels.

Each policy has labels with its service, the name of its file, and a hash of the file's content. A missing policy is
created, and a policy whose file changed is replaced. Changes by hand stay until then.
"""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from deploy.gcloud import Gcloud, Resource, lookup
from deploy.target import PRODUCT, Target

POLICIES: Final = "alpha monitoring policies"
CHANNELS: Final = "beta monitoring channels"
FOLDER: Final = "deploy/alerts"
# The labels.
SERVICE, ALERT, CONTENT = "service", "alert", "content"
# The start of the name of each channel that a deployment creates.
TITLE: Final = "HAYSTACK: "


class Channels(NamedTuple):
    """Names of notification channels: those of the operators, and all that deployments have created."""

    wanted: list[str]
    own: set[str]


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


def _update(cloud: Gcloud, target: Target, source: Path, found: Resource | None, channels: Channels) -> None:
    policy = _policy(target, source)
    current = [] if found is None else list(found.get("notificationChannels", []))
    # Channels that somebody added in the console stay; those of an earlier deployment go with their option.
    kept = [channel for channel in current if channel in channels.wanted or channel not in channels.own]
    names = [*kept, *(channel for channel in channels.wanted if channel not in kept)]
    same = found is not None and found["userLabels"].get(CONTENT) == policy["userLabels"][CONTENT]
    if same and names == current:
        return
    # Changes in the console stay until the file changes, also if only the channels differ.
    file = [] if same else [f"--policy-from-file={target.write_json(f'alerts/{source.name}', policy)}"]
    wanted = ",".join(names)
    if found is None:
        cloud.change(f"{POLICIES} create", *file, *([f"--notification-channels={wanted}"] if wanted else []))
    elif wanted:  # also if they are the same, because the file has none and would drop them
        cloud.change(f"{POLICIES} update", found["name"], *file, f"--set-notification-channels={wanted}")
    else:
        cloud.change(
            f"{POLICIES} update", found["name"], *file, *(["--clear-notification-channels"] if current else [])
        )


def _policy(target: Target, source: Path) -> dict[str, Any]:
    """Return the policy for this environment: `dev` watches its own resources and has its name in the title."""
    text = source.read_text().replace(f"{PRODUCT}-", f"{target.prefix}-")
    policy: dict[str, Any] = json.loads(text)
    if target.env != "prod":
        policy["displayName"] = policy["displayName"].replace(":", f" {target.env}:", 1)
    content = hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()[:16]
    return {**policy, "userLabels": {SERVICE: target.prefix, ALERT: source.stem, CONTENT: content}}


def _channels(cloud: Gcloud, target: Target) -> Channels:
    """Return the channels, and create the missing ones."""
    found, own = _by_address(cloud)
    missing = [address for address in target.operators if address not in found]
    for address in missing:
        labels = ("--type=email", f"--channel-labels=email_address={address}")
        cloud.change(f"{CHANNELS} create", f"--display-name={TITLE}{address}", *labels)
    if missing and not cloud.dry_run:
        found, own = _by_address(cloud)
    return Channels([found.get(address) or _lookup_channel(target, address) for address in target.operators], own)


def _by_address(cloud: Gcloud) -> tuple[dict[str, str], set[str]]:
    """Return the channels by address, and the names of those with the title of a deployment."""
    channels = [each for each in cloud.items(f"{CHANNELS} list") if each.get("type") == "email"]
    own = {each["name"] for each in channels if str(each.get("displayName", "")).startswith(TITLE)}
    return {each["labels"]["email_address"]: each["name"] for each in channels}, own


def _lookup_channel(target: Target, address: str) -> str:
    """Return a command that looks up the channel, which does not exist yet in a dry run."""
    chosen = f"--filter=labels.email_address={address}"
    return lookup(f"{CHANNELS} list", chosen, "--format=value(name)", f"--project={target.project}")
