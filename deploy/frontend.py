"""The load balancer: a backend with IAP for each function, the URL map, the certificate, HTTPS, and the HTTP redirect."""

import hashlib
from functools import partial
from typing import Final

from deploy import signin
from deploy.gcloud import Gcloud, Resource, covers, last_segment, lookup
from deploy.target import Target
from deploy.url_map import https_redirect, url_map

SCHEME: Final = "--load-balancing-scheme=EXTERNAL_MANAGED"
GLOBAL: Final = "--global"
# A tenth of the requests: each function logs every request anyway, and alerts read metrics, which have them all.
LOGGING: Final = {"enable": True, "sampleRate": 0.1}
LOGGING_FLAGS: Final = ("--enable-logging", f"--logging-sample-rate={LOGGING['sampleRate']}")


def create_backends(cloud: Gcloud, target: Target) -> dict[str, str]:
    """Create the backend services before the functions, because each function needs the audience of its backend.

    IAP protects each backend from its creation on.

    Returns:
        The IAP audience of each function.
    """
    existing = _list(cloud, "backend-services")
    client = signin.client(target, existing)
    names = [target.name(function) for function in target.balanced]
    wanted = {"iap": signin.wanted(client), "logConfig": LOGGING}
    changed = [name for name in names if not covers(existing.get(name), wanted)]
    if changed:
        iap, secret = signin.flag(cloud, target, client)
        create = ("compute backend-services create", (GLOBAL, SCHEME, iap, *LOGGING_FLAGS))
        update = ("compute backend-services update", (GLOBAL, iap, *LOGGING_FLAGS))
        cloud.together(
            *(
                partial(cloud.change, command, name, *flags, secret=secret)
                for name in changed
                for command, flags in [update if name in existing else create]
            )
        )
    if changed and not cloud.dry_run:
        existing = _list(cloud, "backend-services")
    return {function: _audience(target, function, existing) for function in target.balanced}


def _audience(target: Target, function: str, backends: dict[str, Resource]) -> str:
    """Return the audience of IAP's assertions; in a dry run, the backend's id may be a command that looks it up."""
    name = target.name(function)
    if name in backends:
        backend = str(backends[name]["id"])
    else:
        flags = (GLOBAL, "--format=value(id)", f"--project={target.project}")
        backend = lookup("compute backend-services describe", name, *flags)
    return f"/projects/{target.number}/global/backendServices/{backend}"


def certificate(target: Target) -> str:
    """Return the certificate's name; it depends on the domain, because a managed certificate cannot change its domain."""
    return f"{target.name('front')}-{hashlib.sha256(target.domain.encode()).hexdigest()[:8]}"


def connect(cloud: Gcloud, target: Target) -> None:
    """Attach the deployed functions to their backends and open the front end."""
    _connect_functions(cloud, target)
    front, redirect = target.name("front"), target.name("redirect")
    cloud.together(
        partial(_create, cloud, "addresses", front, GLOBAL, "--ip-version=IPV4"),
        partial(_create, cloud, "ssl-certificates", certificate(target), GLOBAL, f"--domains={target.domain}"),
        partial(_update_url_maps, cloud, target, front, redirect),
    )
    cloud.together(
        partial(_update_https_proxy, cloud, target, front),
        partial(_create, cloud, "target-http-proxies", redirect, f"--url-map={redirect}"),
    )
    # Port 443 comes first, so that port 80 never redirects to a port that does not answer.
    common = (GLOBAL, SCHEME, f"--address={front}")
    _create(cloud, "forwarding-rules", front, *common, f"--target-https-proxy={front}", "--ports=443")
    _create(cloud, "forwarding-rules", redirect, *common, f"--target-http-proxy={redirect}", "--ports=80")


def allow_preflights(cloud: Gcloud, target: Target) -> None:
    """Let IAP pass OPTIONS to every backend if there are other origins, and no longer if there are none any more.

    Preflights carry no identity. A function answers them with what an origin may do, never with anybody's data.
    """
    cloud.together(*(partial(_allow_options, cloud, target, target.name(name)) for name in target.balanced))


def _allow_options(cloud: Gcloud, target: Target, backend: str) -> None:
    where = ("--resource-type=backend-services", f"--service={backend}")
    found = cloud.find("iap settings get", *where) or {}
    access = found.get("accessSettings", {})
    cors = access.get("corsSettings", {})
    if bool(cors.get("allowHttpOptions")) == bool(target.origins):
        return
    # gcloud replaces all settings of a backend by the file, so the file keeps the settings that exist.
    access = {**access, "corsSettings": {**cors, "allowHttpOptions": bool(target.origins)}}
    path = target.write_json(f"{backend}-iap.json", {**found, "accessSettings": access})
    cloud.change("iap settings set", str(path), *where)


def _connect_functions(cloud: Gcloud, target: Target) -> None:
    region = target.region
    groups: dict[str, Resource] = {}
    backends: dict[str, Resource] = {}
    cloud.together(
        lambda: groups.update(_list(cloud, "network-endpoint-groups", f"--regions={region}")),
        lambda: backends.update(_list(cloud, "backend-services")),
    )

    def connect_one(name: str) -> None:
        if name not in groups:
            flags = (f"--region={region}", "--network-endpoint-type=serverless", f"--cloud-run-service={name}")
            cloud.change("compute network-endpoint-groups create", name, *flags)
        attached = {last_segment(each["group"]) for each in backends.get(name, {}).get("backends", [])}
        if name not in attached:
            group = (f"--network-endpoint-group={name}", f"--network-endpoint-group-region={region}")
            cloud.change("compute backend-services add-backend", name, GLOBAL, *group)

    cloud.together(*(partial(connect_one, target.name(function)) for function in target.balanced))


def _update_url_maps(cloud: Gcloud, target: Target, front: str, redirect: str) -> None:
    existing = _list(cloud, "url-maps")
    backends = {function: target.name(function) for function in target.balanced}
    for name, wanted in ((front, url_map(target.project, backends, front)), (redirect, https_redirect(redirect))):
        if covers(existing.get(name), wanted):
            continue
        source = f"--source={target.write_json(f'{name}.json', wanted)}"
        if name == front:
            cloud.change("compute url-maps validate", source, GLOBAL, SCHEME)
        cloud.change("compute url-maps import", name, source, GLOBAL)


def _update_https_proxy(cloud: Gcloud, target: Target, front: str) -> None:
    found = _list(cloud, "target-https-proxies").get(front)
    wanted = {"sslCertificates": [f"projects/{target.project}/global/sslCertificates/{certificate(target)}"]}
    if not covers(found, wanted):
        verb = "create" if found is None else "update"
        flags = (f"--url-map={front}", f"--ssl-certificates={certificate(target)}")
        cloud.change(f"compute target-https-proxies {verb}", front, *flags)


def _create(cloud: Gcloud, kind: str, name: str, *flags: str) -> None:
    """Create a resource that never changes afterwards, if it does not exist."""
    if name not in _list(cloud, kind):
        cloud.change(f"compute {kind} create", name, *flags)


def _list(cloud: Gcloud, kind: str, where: str = GLOBAL) -> dict[str, Resource]:
    return cloud.by_name(f"compute {kind} list", where)
