"""The load balancer: a backend with IAP for each function, the URL map, the certificate, HTTPS, and HTTP sent to HTTPS."""

import hashlib
import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from deploy.difference import covers, last_segment
from deploy.gcloud import Gcloud, shell
from deploy.target import Target
from deploy.url_map import https_redirect, url_map

SCHEME: Final = "--load-balancing-scheme=EXTERNAL_MANAGED"

Items = dict[str, dict[str, Any]]


def make_backends(cloud: Gcloud, target: Target) -> dict[str, str]:
    """Make the backend services, closed by IAP from their first moment, before the functions: each function needs its audience.

    Returns:
        Each function's IAP audience.
    """
    there = _named(cloud, "backend-services", "--global")
    steps = []
    for function in target.balanced:
        name = target.name(function)
        found = there.get(name)
        if found is None:
            steps.append(
                partial(
                    _compute,
                    cloud,
                    "backend-services",
                    "create",
                    name,
                    "--global",
                    SCHEME,
                    "--iap=enabled",
                    "--enable-logging",
                )
            )
        elif not covers(found, {"iap": {"enabled": True}}):
            steps.append(partial(_compute, cloud, "backend-services", "update", name, "--global", "--iap=enabled"))
    cloud.together(*steps)
    if steps and not cloud.dry_run:
        there = _named(cloud, "backend-services", "--global")
    return {function: audience(target, there.get(target.name(function)), function) for function in target.balanced}


def audience(target: Target, backend: Mapping[str, Any] | None, function: str) -> str:
    """What IAP makes its assertions out to; where the backend is not made yet (a dry run), how to ask for it."""
    if backend is None:
        describe = ["gcloud", "compute", "backend-services", "describe", target.name(function), "--global"]
        asked = f"$({shell([*describe, '--format=value(id)', f'--project={target.project}'])})"
    else:
        asked = str(backend["id"])
    return f"/projects/{target.number}/global/backendServices/{asked}"


def certificate(target: Target) -> str:
    """The name of the certificate: a managed certificate keeps its domain for ever, so another domain has another."""
    return f"{target.name('front')}-{hashlib.sha256(target.domain.encode()).hexdigest()[:8]}"


def connect(cloud: Gcloud, target: Target) -> None:
    """Put the functions, which are there by now, behind the backends, and open the front."""
    _connect_functions(cloud, target)
    front = target.name("front")
    redirect = target.name("redirect")
    # The front of port 443 first, so that port 80 never sends anyone where nothing answers.
    cloud.together(
        partial(_make, cloud, "addresses", front, "--global", "--ip-version=IPV4"),
        partial(_make, cloud, "ssl-certificates", certificate(target), "--global", f"--domains={target.domain}"),
        partial(_settle_url_maps, cloud, target, front, redirect),
    )
    cloud.together(
        partial(_settle_https_proxy, cloud, target, front),
        partial(_make, cloud, "target-http-proxies", redirect, f"--url-map={redirect}"),
    )
    _make_forwarding_rules(cloud, front, redirect)


def _connect_functions(cloud: Gcloud, target: Target) -> None:
    groups: Items = {}
    backends: Items = {}
    cloud.together(
        lambda: groups.update(_named(cloud, "network-endpoint-groups", f"--regions={target.region}")),
        lambda: backends.update(_named(cloud, "backend-services", "--global")),
    )

    def connect_one(name: str) -> None:
        if name not in groups:
            _compute(
                cloud,
                "network-endpoint-groups",
                "create",
                name,
                f"--region={target.region}",
                "--network-endpoint-type=serverless",
                f"--cloud-run-service={name}",
            )
        attached = {last_segment(each["group"]) for each in backends.get(name, {}).get("backends", [])}
        if name not in attached:
            _compute(
                cloud,
                "backend-services",
                "add-backend",
                name,
                "--global",
                f"--network-endpoint-group={name}",
                f"--network-endpoint-group-region={target.region}",
            )

    cloud.together(*(partial(connect_one, target.name(function)) for function in target.balanced))


def _settle_url_maps(cloud: Gcloud, target: Target, front: str, redirect: str) -> None:
    there = _named(cloud, "url-maps", "--global")
    backends = {function: target.name(function) for function in target.balanced}
    for wanted in (url_map(target.project, backends, front), https_redirect(redirect)):
        name = str(wanted["name"])
        if covers(there.get(name), wanted):
            continue
        path = target.work / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(wanted, indent=2) + "\n")
        if name == front:
            _compute(cloud, "url-maps", "validate", f"--source={path}", "--global", SCHEME)
        _compute(cloud, "url-maps", "import", name, f"--source={path}", "--global")


def _settle_https_proxy(cloud: Gcloud, target: Target, front: str) -> None:
    found = _named(cloud, "target-https-proxies", "--global").get(front)
    wanted = [f"projects/{target.project}/global/sslCertificates/{certificate(target)}"]
    flags = (f"--url-map={front}", f"--ssl-certificates={certificate(target)}")
    if found is None:
        _compute(cloud, "target-https-proxies", "create", front, *flags)
    elif not covers(found, {"sslCertificates": wanted}):
        _compute(cloud, "target-https-proxies", "update", front, *flags)


def _make_forwarding_rules(cloud: Gcloud, front: str, redirect: str) -> None:
    there = _named(cloud, "forwarding-rules", "--global")
    common = ("--global", SCHEME, f"--address={front}")
    for name, flags in (
        (front, (f"--target-https-proxy={front}", "--ports=443")),
        (redirect, (f"--target-http-proxy={redirect}", "--ports=80")),
    ):
        if name not in there:
            _compute(cloud, "forwarding-rules", "create", name, *common, *flags)


def _make(cloud: Gcloud, kind: str, name: str, *flags: str) -> None:
    """Make a resource that is never changed afterwards, where it is not there."""
    if name not in _named(cloud, kind, "--global"):
        _compute(cloud, kind, "create", name, *flags)


def _named(cloud: Gcloud, kind: str, *where: str) -> Items:
    return {item["name"]: item for item in cloud.items("compute", kind, "list", *where)}


def _compute(cloud: Gcloud, *args: str) -> None:
    cloud.change("compute", *args)
