"""IAM policies: missing bindings are added, and those that nobody wants any more are found, with one read per policy.

A binding on a part of a resource (a database of the project, a folder of a bucket) is a binding on the whole with a condition.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from deploy.gcloud import Gcloud, Resource
from deploy.target import Target

_COMMANDS: Final = {
    "project": "projects",
    "account": "iam service-accounts",
    "bucket": "storage buckets",
    "topic": "pubsub topics",
    "secret": "secrets",
    "repository": "artifacts repositories",
    "function": "run services",
    "backend": "iap web",
}
# gcloud prompts for a condition if the policy has conditional bindings; these commands accept `--condition=None`.
_CONDITIONAL: Final = frozenset({"project", "account", "bucket", "secret", "backend"})


class Policy(NamedTuple):
    """The policy of one resource; `kind` is a key of `_COMMANDS`."""

    kind: str
    resource: str


@dataclass(frozen=True)
class Binding:
    """One role of one member on one resource.

    Attributes:
        kind: kind of a policy, `database` or `folder`.
        resource: name of the resource; of a folder, its URL (`gs://BUCKET/PREFIX`).
        member: who gets the role.
        role: the role, with `roles/`.
        reason: why.
    """

    kind: str
    resource: str
    member: str
    role: str
    reason: str

    def policy(self, project: str) -> Policy:
        """Return the policy that has this binding."""
        if self.kind == "database":
            return Policy("project", project)
        if self.kind == "folder":
            return Policy("bucket", "/".join(self.resource.split("/")[:3]))
        return Policy(self.kind, self.resource)

    def expression(self, project: str) -> str:
        """Return the condition's expression; empty: none."""
        if self.kind == "database":
            name = f"projects/{project}/databases/{self.resource}"
            # A plain prefix would admit databases with longer names.
            return f'resource.name == "{name}" || resource.name.startsWith("{name}/")'
        if self.kind == "folder":
            bucket, _, prefix = self.resource.removeprefix("gs://").partition("/")
            return f'resource.name.startsWith("projects/_/buckets/{bucket}/objects/{prefix}")'
        return ""


def normalized(member: str) -> str:
    """Return a member as IAM stores it: addresses and domains in lower case, ids of identity pools as they are."""
    kind, _, name = member.partition(":")
    return f"{kind}:{name.lower()}" if kind in {"user", "group", "serviceAccount", "domain"} else member


class Stale(NamedTuple):
    """A binding that exists and is not wanted, with its condition, which may be empty."""

    policy: Policy
    role: str
    member: str
    condition: dict[str, Any]


# Whether a role of a member is this environment's to take away.
Owned = Callable[[str, str], bool]


def apply(
    cloud: Gcloud, target: Target, wanted: Iterable[Binding], *, owned: Owned, also: Iterable[Policy] = ()
) -> list[Stale]:
    """Add the missing bindings, and return those of the same policies that are owned and not wanted.

    Args:
        owned: which bindings may be stale; those of others are left alone.
        also: policies in which nothing is wanted.
    """
    by_policy: dict[Policy, list[Binding]] = {policy: [] for policy in also}
    for binding in wanted:
        by_policy.setdefault(binding.policy(target.project), []).append(binding)
    missing: dict[Policy, list[Binding]] = {}
    stale: dict[Policy, list[Stale]] = {}

    def check(policy: Policy) -> None:
        existing = _existing(_read(cloud, target, policy))
        asked = {
            (each.role, normalized(each.member), each.expression(target.project)): each for each in by_policy[policy]
        }
        missing[policy] = [binding for key, binding in asked.items() if key not in existing]
        stale[policy] = [
            Stale(policy, role, member, condition)
            for (role, member, expression), condition in existing.items()
            if owned(role, member) and (role, member, expression) not in asked
        ]

    cloud.together(*(partial(check, policy) for policy in by_policy))
    if any("@gcp-sa-iap." in each.member for group in missing.values() for each in group):
        # Google creates this account on request only; the command is idempotent.
        cloud.change("beta services identity create", "--service=iap.googleapis.com")
    cloud.together(*(partial(_add, cloud, target, policy, missing[policy]) for policy in by_policy if missing[policy]))
    return [each for policy in by_policy for each in stale[policy]]


def remove(cloud: Gcloud, target: Target, stale: Iterable[Stale]) -> None:
    """Remove these bindings."""
    for each in stale:
        flags = [*_arguments(target, each.policy), f"--member={each.member}", f"--role={each.role}"]
        if each.condition:
            name = hashlib.sha256(json.dumps(each.condition, sort_keys=True).encode()).hexdigest()[:16]
            flags.append(f"--condition-from-file={target.write_json(f'conditions/{name}.json', each.condition)}")
        elif each.policy.kind in _CONDITIONAL:
            flags.append("--condition=None")
        cloud.change(f"{_COMMANDS[each.policy.kind]} remove-iam-policy-binding", *flags, "--format=none")


def granted(policy: Resource | None, role: str) -> set[str]:
    """Return the members who have a role in a policy, whatever its conditions."""
    return {
        member
        for binding in (policy or {}).get("bindings", [])
        if binding["role"] == role
        for member in binding.get("members", [])
    }


def _read(cloud: Gcloud, target: Target, policy: Policy) -> Resource | None:
    return cloud.find(f"{_COMMANDS[policy.kind]} get-iam-policy", *_arguments(target, policy))


def _existing(policy: Resource | None) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return the condition of each binding, by role, member and the condition's expression; both are empty without one."""
    return {
        (binding["role"], normalized(member), binding.get("condition", {}).get("expression", "")): binding.get(
            "condition", {}
        )
        for binding in (policy or {}).get("bindings", [])
        for member in binding.get("members", [])
    }


def _add(cloud: Gcloud, target: Target, policy: Policy, group: Sequence[Binding]) -> None:
    for each in group:
        flags = [*_arguments(target, policy), f"--member={each.member}", f"--role={each.role}"]
        expression = each.expression(target.project)
        if expression:
            flags.append(f"--condition=title={target.prefix} only,expression={expression}")
        elif policy.kind in _CONDITIONAL:
            flags.append("--condition=None")
        cloud.note(f"{each.member.partition(':')[2]}: {each.reason}")
        cloud.change(f"{_COMMANDS[policy.kind]} add-iam-policy-binding", *flags, "--format=none")


def _arguments(target: Target, policy: Policy) -> tuple[str, ...]:
    """Return the arguments that name the resource."""
    if policy.kind == "backend":
        return "--resource-type=backend-services", f"--service={policy.resource}"
    if policy.kind == "repository":
        return policy.resource, f"--location={target.region}"
    if policy.kind == "function":
        return policy.resource, f"--region={target.region}"
    return (policy.resource,)
