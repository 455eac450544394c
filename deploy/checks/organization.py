"""The organization of the project, and its policies that restrict a deployment."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from deploy import network, signin
from deploy.checks.checkup import Checkup
from deploy.checks.finding import Finding, fine, fix, know
from deploy.gcloud import WORKERS, CommandFailed, Resource
from deploy.plan import APIS

LOAD_BALANCER: Final = "GLOBAL_EXTERNAL_MANAGED_HTTP_HTTPS"
# Batch starts jobs from images of this project.
BATCH_IMAGES: Final = "projects/batch-custom-image"
EXCEPTION: Final = "Ask the administrators of your organization for an exception for this project."


def membership(checkup: Checkup) -> Iterator[Finding]:
    """Say who can sign in, as a deployment would decide it."""
    target = checkup.target
    try:
        found = signin.membership(checkup.reader, target, has_secret=True)
    except signin.UnknownDomain as error:
        yield know(
            f"The domain of the organization could not be read: {error}. Outside it, nobody can sign in without --iap-client-id."
        )
        return
    except CommandFailed as error:
        yield fix(str(error))
        return
    if found.problem:
        yield fix(f"{found.problem}\nUntil then, ./deploy.sh stops before it creates anything.")
    elif found.client:
        yield fine(
            f"People sign in with the OAuth client {found.client}. Its consent screen decides which accounts it accepts."
        )
    else:
        accounts = (
            f"accounts of {found.organization}" if found.organization else "accounts of the project's organization"
        )
        yield know(
            f"Without an OAuth client of your own, only {accounts} can sign in. Pass each --member of the deployment to check it. To admit "
            f"others:\n{signin.instructions(target)}"
        )


class _Rule(NamedTuple):
    """A policy, and what its effective value means for a deployment."""

    constraint: str
    judge: Callable[[Checkup, Resource], Finding | None]


def policies(checkup: Checkup) -> Iterator[Finding]:
    """Check each policy that can restrict a deployment."""

    def judged(rule: _Rule) -> Finding | None:
        flags = (rule.constraint, f"--project={checkup.target.project}", "--effective")
        found = checkup.reader.find("resource-manager org-policies describe", *flags)
        return rule.judge(checkup, found or {})

    with ThreadPoolExecutor(WORKERS) as pool:
        findings = [finding for finding in pool.map(judged, RULES) if finding is not None]
    yield from findings or [fine(f"None of {len(RULES)} organization policies restricts the deployment.")]


def allows(policy: Resource, *values: str) -> bool:
    """Return whether a list policy allows one of these values."""
    found: Mapping[str, object] = policy.get("listPolicy", {})
    if found.get("allValues") == "DENY":
        return False
    denied, allowed = found.get("deniedValues"), found.get("allowedValues")
    if isinstance(denied, list) and {each.removeprefix("is:") for each in denied} & set(values):
        return False
    return not isinstance(allowed, list) or bool({each.removeprefix("is:") for each in allowed} & set(values))


def _listed(policy: Resource) -> str:
    found = policy.get("listPolicy", {})
    if found.get("allValues") == "DENY":
        return "nothing"
    return ", ".join(found.get("allowedValues", [])) or f"all but {', '.join(found.get('deniedValues', []))}"


def _enforced(policy: Resource) -> bool:
    return bool(policy.get("booleanPolicy", {}).get("enforced"))


def _restricted(policy: Resource) -> bool:
    found = policy.get("listPolicy", {})
    return found.get("allValues") == "DENY" or bool(found.get("allowedValues") or found.get("deniedValues"))


def _domains(_: Checkup, policy: Resource) -> Finding | None:
    if not _restricted(policy):
        return None
    return know(
        f"Your organization shares with these customers only (iam.allowedPolicyMemberDomains): {_listed(policy)}. Each --member "
        "must belong to one of them. `gcloud organizations list` shows the customer id of your own organization."
    )


def _addresses(checkup: Checkup, policy: Resource) -> Finding | None:
    if not checkup.target.external_ip or not _restricted(policy):
        return None
    whose = "no external addresses"
    if policy.get("listPolicy", {}).get("allValues") != "DENY":
        whose = f"external addresses for {_listed(policy)} only"
    return fix(
        f"Your organization allows {whose} (compute.vmExternalIpAccess), and jobs would have one. Deploy with a subnet that has "
        f"Private Google Access. To create one:\n{network.instructions(checkup.target)}",
        f"{checkup.deploy} --network NETWORK --subnet SUBNET --no-external-ip",
    )


def _default_network(_: Checkup, policy: Resource) -> Finding | None:
    if not _enforced(policy):
        return None
    return know(
        "New projects of your organization have no default network (compute.skipDefaultNetworkCreation). The check of the network "
        "says what jobs use."
    )


def _locations(checkup: Checkup, policy: Resource) -> Finding | None:
    if not _restricted(policy):
        return None
    region = checkup.target.region
    found = policy.get("listPolicy", {})
    groups = [each for each in (*found.get("allowedValues", []), *found.get("deniedValues", [])) if "in:" in each]
    text = f"Your organization allows these locations only (gcp.resourceLocations): {_listed(policy)}."
    if not allows(policy, "global", "in:global-locations"):
        return fix(
            f"{text} Secrets also need `global`. Ask the administrators of your organization to allow it for this project."
        )
    if allows(policy, region, f"in:{region}-locations"):
        return know(f"{text} {region} is one of them.")
    if groups and found.get("allValues") != "DENY":
        return know(f"{text} Check that {region} is among them.")
    return fix(f"{text} {region} is none of them. Choose another --region.")


def _ingress(_: Checkup, policy: Resource) -> Finding | None:
    missing = [each for each in ("internal", "internal-and-cloud-load-balancing") if not allows(policy, each)]
    if not missing:
        return None
    return fix(f"Your organization forbids the ingress {' and '.join(missing)} (run.allowedIngress). {EXCEPTION}")


def _load_balancers(_: Checkup, policy: Resource) -> Finding | None:
    if allows(policy, LOAD_BALANCER, "in:EXTERNAL"):
        return None
    return fix(
        f"Your organization forbids {LOAD_BALANCER} (compute.restrictLoadBalancerCreationForTypes), which is the front end. {EXCEPTION}"
    )


def _images(_: Checkup, policy: Resource) -> Finding | None:
    if allows(policy, BATCH_IMAGES):
        return None
    return fix(
        f"Your organization forbids images of {BATCH_IMAGES} (compute.trustedImageProjects): jobs cannot start. {EXCEPTION}"
    )


def _services(_: Checkup, policy: Resource) -> Finding | None:
    wanted = (f"{api}.googleapis.com" for api in APIS)
    missing = [api for api in wanted if not allows(policy, api)]
    if not missing:
        return None
    return fix(f"Your organization forbids {', '.join(missing)} (gcp.restrictServiceUsage). {EXCEPTION}")


def _boolean(constraint: str, meaning: str) -> _Rule:
    def judge(_: Checkup, policy: Resource) -> Finding | None:
        return fix(f"{meaning} ({constraint}). {EXCEPTION}") if _enforced(policy) else None

    return _Rule(constraint, judge)


RULES: Final = (
    _Rule("iam.allowedPolicyMemberDomains", _domains),
    _Rule("compute.vmExternalIpAccess", _addresses),
    _Rule("compute.skipDefaultNetworkCreation", _default_network),
    _Rule("gcp.resourceLocations", _locations),
    _Rule("gcp.restrictServiceUsage", _services),
    _Rule("run.allowedIngress", _ingress),
    _Rule("compute.restrictLoadBalancerCreationForTypes", _load_balancers),
    _Rule("compute.trustedImageProjects", _images),
    _boolean("compute.disableGlobalLoadBalancing", "Your organization forbids global load balancers"),
    _boolean(
        "iap.requireGlobalIapWebDisabled", "Your organization forbids Identity-Aware Proxy on global load balancers"
    ),
    _boolean("iam.disableServiceAccountCreation", "Your organization forbids new service accounts"),
)
