"""Access to a deployed service: its functions, Identity-Aware Proxy, its members, and requests with and without a token."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from deploy.caller import IAP_MARK, NoToken, Unreachable, explain
from deploy.checks.checkup import Checkup
from deploy.checks.finding import Finding, fine, fix, know, unchecked
from deploy.functions import ingress
from deploy.gcloud import WORKERS
from deploy.iam import INVOKER, iap_agent
from deploy.members import ACCESSOR
from deploy.policies import granted
from shared.routes import FUNCTIONS

HEALTH: Final = "/api/v1/health"
RUNS: Final = "/api/v1/runs"
INGRESS: Final = "run.googleapis.com/ingress"


def functions(checkup: Checkup) -> Iterator[Finding]:
    """Check that each function is ready, and is not open to the internet."""
    found, target = checkup.services(), checkup.target
    missing = [name for name in FUNCTIONS if target.name(name) not in found]
    if missing:
        yield fix(f"These functions are not deployed: {', '.join(missing)}. Deploy again:", checkup.deploy)
    healthy = not missing
    for function in FUNCTIONS:
        service = found.get(target.name(function))
        if service is None:
            continue
        ready: dict[str, Any] = next(
            (each for each in service.get("status", {}).get("conditions", []) if each["type"] == "Ready"), {}
        )
        if ready.get("status") != "True":
            healthy = False
            logs = f'resource.labels.service_name="{target.name(function)}" AND severity>=WARNING'
            yield fix(
                f"The function {function} is not ready: {ready.get('message', 'it has no ready revision').removesuffix('.')}. Its log:",
                checkup.gcloud("logging", "read", logs, "--freshness=1d", "--limit=20"),
            )
        if service["metadata"].get("annotations", {}).get(INGRESS) != ingress(function):
            healthy = False
            yield fix(f"The function {function} accepts requests from elsewhere. Deploy again:", checkup.deploy)
    if healthy:
        yield fine(f"All {len(FUNCTIONS)} functions are ready.")


def proxy(checkup: Checkup) -> Iterator[Finding]:
    """Check that Identity-Aware Proxy protects each backend and may call each function."""
    target, found = checkup.target, checkup.backends()
    names = [target.name(function) for function in target.balanced]
    missing = [name for name in names if name not in found]
    if missing:
        yield fix(f"These backend services do not exist: {', '.join(missing)}. Deploy again:", checkup.deploy)
    open_ = [name for name in names if name in found and not found[name].get("iap", {}).get("enabled")]
    for name in open_:
        yield fix(
            f"Identity-Aware Proxy is off for the backend {name}.",
            checkup.gcloud("compute", "backend-services", "update", name, "--global", "--iap=enabled"),
        )
    agent = f"serviceAccount:{iap_agent(target)}"
    services = checkup.services()
    reads = [
        partial(checkup.reader.find, "run services get-iam-policy", name, f"--region={target.region}")
        for name in names
        if name in services
    ]
    refused = [name for name, policy in zip((n for n in names if n in services), _together(reads), strict=True)
               if agent not in granted(policy, INVOKER)]  # fmt: skip
    if refused:
        yield fix(f"Identity-Aware Proxy may not call {', '.join(refused)}. Deploy again:", checkup.deploy)
    if not (missing or open_ or refused):
        yield fine(f"Identity-Aware Proxy protects all {len(names)} backends.")


def members(checkup: Checkup) -> Iterator[Finding]:
    """Say who may use the service."""
    target = checkup.target
    names = [target.name(function) for function in target.balanced if target.name(function) in checkup.backends()]
    place = "--resource-type=backend-services"
    reads = [partial(checkup.reader.find, "iap web get-iam-policy", place, f"--service={name}") for name in names]
    reads.append(partial(checkup.reader.find, "iap web get-iam-policy"))
    *own, wide = [granted(policy, ACCESSOR) for policy in _together(reads)]
    everywhere = set.intersection(*own) if own else set()
    partly = set().union(*own) - everywhere - wide
    if not everywhere | wide | partly:
        yield fix("Nobody may use the service. Admit people:", f"{checkup.deploy} --member group:GROUP")
        return
    if partly:
        yield fix(
            f"These members may use some functions only: {', '.join(sorted(partly))}. Deploy again with each of them:",
            f"{checkup.deploy} {' '.join(f'--member {each}' for each in sorted(partly | everywhere))}",
        )
    if everywhere | wide:
        yield fine(f"These members may use the service: {', '.join(sorted(everywhere | wide))}.")
    if wide:
        yield know(
            f"These members pass Identity-Aware Proxy in every environment of {target.project}: {', '.join(sorted(wide))}. To end this:",
            checkup.gcloud("iap", "web", "remove-iam-policy-binding", f"--role={ACCESSOR}", "--member=MEMBER"),
        )


def stranger(checkup: Checkup) -> Iterator[Finding]:
    """Check that a request without a token is stopped before the service."""
    domain = checkup.target.domain
    if not domain:
        return
    if not checkup.resolve(domain):
        yield unchecked(f"No request was sent: {domain} does not resolve yet. See DNS above.")
        return
    try:
        response = checkup.caller.request("GET", RUNS, anonymous=True)
    except Unreachable as error:
        yield fix(f"{error} See DNS and the certificate above.")
        return
    if response.problem or response.status < 300:
        yield fix(
            f"A request without a token reaches the service ({response.status}): Identity-Aware Proxy is off. Deploy again:",
            checkup.deploy,
        )
    elif response.status in {301, 302, 303, 307, 308, 401, 403} or IAP_MARK in response.headers:
        yield fine(f"A request without a token is stopped ({response.status}).")
    else:
        yield fix(explain(response))


def signed_in(checkup: Checkup) -> Iterator[Finding]:
    """Send a request with a token, which must reach the service."""
    target = checkup.target
    if not target.domain:
        yield unchecked("A request with a token was not sent. Pass --domain.")
        return
    if not checkup.resolve(target.domain):
        return
    if not checkup.caller.signed_in:
        yield unchecked(
            "A request with a token was not sent. Pass --service-account of a member, or set HAYSTACK_TOKEN:",
            checkup.doctor(f"--service-account {checkup.caller_account}"),
        )
        return
    for path in (HEALTH, RUNS):  # only the second one reads the identity and the database
        try:
            response = checkup.caller.request("GET", path)
        except (Unreachable, NoToken) as error:
            yield fix(str(error))
            return
        if response.status != 200 or not isinstance(response.json, dict):
            yield fix(f"GET {path} with a token: {explain(response)}")
            return
    yield fine(f"A request with a token gets an answer from https://{target.domain}.")


def _together(reads: list[Any]) -> list[Any]:
    with ThreadPoolExecutor(WORKERS) as pool:
        return [done.result() for done in [pool.submit(read) for read in reads]]
