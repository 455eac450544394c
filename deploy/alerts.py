"""The alert policies of `deploy/alerts/`, and whom they tell.

A policy carries labels with its service, its file's name, and a hash of what the file held: it is made where it is missing and replaced
where the file has changed. What somebody tunes by hand stays until then.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from deploy.gcloud import Gcloud, shell
from deploy.target import PRODUCT, Target

POLICIES: Final = ("alpha", "monitoring", "policies")
CHANNELS: Final = ("beta", "monitoring", "channels")
FOLDER: Final = "deploy/alerts"
SERVICE, ALERT, CONTENT = "service", "alert", "content"
"""The labels."""


def set_up(cloud: Gcloud, target: Target) -> None:
    """Make the policies that are not there, and replace those whose file or readers changed."""
    channels = _channels(cloud, target)
    there = {policy["userLabels"][ALERT]: policy for policy in existing(cloud, target)}
    cloud.together(
        *(
            partial(_settle, cloud, target, path, there.get(path.stem), channels)
            for path in sorted((target.root / FOLDER).glob("*.json"))
        )
    )


def existing(cloud: Gcloud, target: Target) -> list[dict[str, Any]]:
    """The policies of this service that are there."""
    policies = cloud.items(*POLICIES, "list")
    return [policy for policy in policies if policy.get("userLabels", {}).get(SERVICE) == target.prefix]


def _settle(cloud: Gcloud, target: Target, source: Path, found: Mapping[str, Any] | None, channels: list[str]) -> None:
    policy = _policy(target, source)
    if found is None:
        flags = [f"--notification-channels={','.join(channels)}"] if channels else []
        cloud.change(*POLICIES, "create", f"--policy-from-file={_written(target, source.name, policy)}", *flags)
        return
    told = list(found.get("notificationChannels", []))
    if found["userLabels"].get(CONTENT) == policy["userLabels"][CONTENT] and set(channels) <= set(told):
        return
    # Replacing a policy by a file takes everything from the file but its readers: those that it has are named again.
    kept = [*told, *(channel for channel in channels if channel not in told)]
    flags = [f"--set-notification-channels={','.join(kept)}"] if kept else []
    cloud.change(
        *POLICIES, "update", found["name"], f"--policy-from-file={_written(target, source.name, policy)}", *flags
    )


def _policy(target: Target, source: Path) -> dict[str, Any]:
    """The file as it is meant in this environment: `dev` watches its own parts, and says whose alert it is."""
    text = source.read_text().replace(f"{PRODUCT}-", f"{target.prefix}-")
    policy: dict[str, Any] = json.loads(text)
    if target.env != "prod":
        policy["displayName"] = policy["displayName"].replace(":", f" {target.env}:", 1)
    content = hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()[:16]
    return {**policy, "userLabels": {SERVICE: target.prefix, ALERT: source.stem, CONTENT: content}}


def _channels(cloud: Gcloud, target: Target) -> list[str]:
    """The names of the operators' channels, made where an address has none."""
    if not target.operators:
        return []
    there = _by_address(cloud)
    missing = [address for address in target.operators if address not in there]
    for address in missing:
        cloud.change(
            *CHANNELS,
            "create",
            f"--display-name=HAYSTACK: {address}",
            "--type=email",
            f"--channel-labels=email_address={address}",
        )
    if missing and not cloud.dry_run:
        there = _by_address(cloud)
    return [there.get(address) or _how_to_ask(target, address) for address in target.operators]


def _by_address(cloud: Gcloud) -> dict[str, str]:
    channels = cloud.items(*CHANNELS, "list")
    return {each["labels"]["email_address"]: each["name"] for each in channels if each.get("type") == "email"}


def _how_to_ask(target: Target, address: str) -> str:
    """What a dry run shows in place of a channel that is not made yet."""
    chosen = f"--filter=labels.email_address={address}"
    return f"$({shell(['gcloud', *CHANNELS, 'list', chosen, '--format=value(name)', f'--project={target.project}'])})"


def _written(target: Target, name: str, policy: Mapping[str, Any]) -> Path:
    path = target.work / "alerts" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(policy, indent=2) + "\n")
    return path
