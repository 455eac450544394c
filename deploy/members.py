"""The people and programs that Identity-Aware Proxy lets through, for each backend of one environment.

A binding at the level of the project would let the members of `dev` into `prod`.
"""

from typing import Final

from deploy import policies
from deploy.gcloud import Gcloud
from deploy.policies import Binding, Stale
from deploy.target import Target

ACCESSOR: Final = "roles/iap.httpsResourceAccessor"


def admit(cloud: Gcloud, target: Target) -> list[Stale]:
    """Let the members through IAP to the backends of this environment, and return the other members.

    Without members, all stay as they are.
    """
    _warn(cloud, target)
    if not target.members:
        return []
    wanted = [
        Binding("backend", target.name(function), member, ACCESSOR, f"may use {function}")
        for function in target.balanced
        for member in target.members
    ]
    return policies.apply(cloud, target, wanted, owned=lambda role, _: role == ACCESSOR)


def _warn(cloud: Gcloud, target: Target) -> None:
    """Say who passes IAP in every environment of the project, because somebody granted it on the project."""
    found = cloud.find("iap web get-iam-policy") or {}
    wide = sorted({
        member for each in found.get("bindings", []) if each["role"] == ACCESSOR for member in each.get("members", [])
    })  # fmt: skip
    if wide:
        flags = f"--project={target.project} --role={ACCESSOR} --member=MEMBER"
        cloud.note(f"These members pass IAP in every environment of {target.project}: {', '.join(wide)}")
        cloud.note(f"To end this: gcloud iap web remove-iam-policy-binding {flags}")
