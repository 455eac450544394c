"""The region, and whether quotas and builds allow the service there."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from deploy.checks.checkup import Checkup
from deploy.checks.finding import Finding, fine, fix, know, unchecked
from deploy.gcloud import Resource

# What one run takes of a quota of the region: its machine is an e2-standard-4 with a boot disk of 30 GB.
CPUS: Final = 4
DISK_GB: Final = 30
# Where every project may build (https://cloud.google.com/build/docs/locations); others may only after Google lifts a restriction.
BUILD_REGIONS: Final = (
    "us-central1", "us-west2", "europe-west1", "asia-east1", "australia-southeast1", "southamerica-east1",
)  # fmt: skip


class _Quota(NamedTuple):
    """A quota: its metric in the API of Compute Engine, its name, and how much is needed."""

    metric: str
    name: str
    needed: int


def quotas_of_runs(checkup: Checkup) -> Iterator[Finding]:
    """Check that the region has room for a run, and say for how many."""
    region = checkup.target.region
    found = checkup.reader.find("compute regions describe", region)
    if found is None:
        yield fix(f"There is no region {region}. This lists the regions:", checkup.gcloud("compute", "regions", "list"))
        return
    wanted = [
        _Quota("CPUS", "CPUs", CPUS),
        _Quota("E2_CPUS", "E2 CPUs", CPUS),
        _Quota("SSD_TOTAL_GB", "GB of disks", DISK_GB),
    ]
    if checkup.target.external_ip:
        wanted.append(_Quota("IN_USE_ADDRESSES", "external addresses", 1))
    rooms = []
    for quota in wanted:
        listed = _listed(found, quota.metric)
        # E2 machines have a quota of their own in some projects only; elsewhere its limit is 0 or it is not listed.
        if listed is None or (quota.metric == "E2_CPUS" and not listed["limit"]):
            continue
        rooms.append((int(listed["limit"] // quota.needed), quota.name))
        if listed["limit"] - listed["usage"] < quota.needed:
            yield _raise(checkup, quota, listed, f"a run needs {quota.needed}", region)
    if not rooms:
        yield unchecked(f"The quotas of {region} could not be checked: Compute Engine lists none.")
        return
    most, name = min(rooms)
    if most:
        yield know(f"{region} has room for {most} concurrent runs, limited by {name}. More runs wait in Batch.")


def quotas_of_front(checkup: Checkup) -> Iterator[Finding]:
    """Check that the project has room for the load balancer, unless it exists."""
    if checkup.backends():
        yield fine("The load balancer exists.")
        return
    found = checkup.reader.find("compute project-info describe") or {}
    count = len(checkup.target.balanced)
    wanted = (
        _Quota("BACKEND_SERVICES", "backend services", count),
        _Quota("GLOBAL_EXTERNAL_MANAGED_BACKEND_SERVICES", "global external backend services", count),
        _Quota("URL_MAPS", "URL maps", 2),
        _Quota("TARGET_HTTP_PROXIES", "target HTTP proxies", 1),
        _Quota("TARGET_HTTPS_PROXIES", "target HTTPS proxies", 1),
        _Quota("FORWARDING_RULES", "forwarding rules", 2),
        _Quota("GLOBAL_EXTERNAL_MANAGED_FORWARDING_RULES", "global external forwarding rules", 2),
        _Quota("SSL_CERTIFICATES", "SSL certificates", 1),
        _Quota("STATIC_ADDRESSES", "static addresses", 1),
    )
    short = False
    for quota in wanted:
        listed = _listed(found, quota.metric)
        if listed is not None and listed["limit"] - listed["usage"] < quota.needed:
            short = True
            yield _raise(checkup, quota, listed, f"the load balancer needs {quota.needed} more", "")
    if not short:
        yield fine("Quotas have room for the load balancer.")


def builds(checkup: Checkup) -> Iterator[Finding]:
    """Check that the project may build in the region of builds."""
    region = checkup.target.build_region or checkup.target.region
    if region in BUILD_REGIONS:
        yield fine(f"Every project may build in {region}.")
        return
    done = checkup.reader.items("builds list", f"--region={region}", "--limit=1", "--filter=status=SUCCESS")
    if done:
        yield fine(f"This project has built in {region} before.")
        return
    yield know(
        f"New projects often cannot build in {region}. If the deployment says so, build in one of {', '.join(BUILD_REGIONS)}.",
        f"{checkup.deploy} --build-region us-central1",
    )


def _listed(place: Resource, metric: str) -> Resource | None:
    return next((each for each in place.get("quotas", []) if each.get("metric") == metric), None)


def _raise(checkup: Checkup, quota: _Quota, listed: Resource, needs: str, region: str) -> Finding:
    """Return what to do about a quota that is too small."""
    project = checkup.target.project
    left = f"{listed['usage']:g} of {listed['limit']:g} are in use"
    identity = f"{quota.metric.replace('_', '-')}-per-project{'-region' if region else ''}"
    where = (f"--dimensions=region={region}",) if region else ()
    wanted = int(listed["usage"]) + quota.needed
    return fix(
        f"The quota of {quota.name}{f' in {region}' if region else ''} is too small: {left}, and {needs}. Request more here or at "
        f"https://console.cloud.google.com/iam-admin/quotas?project={project}",
        checkup.gcloud(
            "beta", "quotas", "preferences", "create", "--service=compute.googleapis.com",
            f"--quota-id={identity}", *where, f"--preferred-value={wanted}",
        ),
    )  # fmt: skip
