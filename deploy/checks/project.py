"""What a project has before and after a deployment: APIs, the database, and the network of jobs."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from deploy import network
from deploy.checks.checkup import Checkup
from deploy.checks.finding import Finding, fine, fix, know
from deploy.plan import APIS

NATIVE: Final = "FIRESTORE_NATIVE"


def apis(checkup: Checkup) -> Iterator[Finding]:
    """Check which APIs are enabled."""
    enabled = checkup.reader.by_name("services list", "--enabled")
    missing = [api for api in APIS if f"{api}.googleapis.com" not in enabled]
    if not missing:
        yield fine(f"All {len(APIS)} APIs are enabled.")
        return
    text = f"{len(missing)} of {len(APIS)} APIs are not enabled; ./deploy.sh enables them. To enable them now, and to check more:"
    yield know(text, checkup.gcloud("services", "enable", *(f"{api}.googleapis.com" for api in missing)))


def database(checkup: Checkup) -> Iterator[Finding]:
    """Check mode and location of an existing Firestore database."""
    name, region = checkup.target.database, checkup.target.region
    found = checkup.reader.by_name("firestore databases list").get(name)
    if found is None:
        yield fine(f"Firestore has no database {name} yet; ./deploy.sh creates it in {region}.")
        return
    location = found.get("locationId", "")
    if found.get("type", NATIVE) != NATIVE:
        yield fix(
            f"The Firestore database {name} is in Datastore mode, and the service needs Native mode. Use another project, or switch the "
            "database while it is empty:",
            checkup.gcloud("firestore", "databases", "update", f"--database={name}", "--type=firestore-native"),
        )
    elif location != region:
        yield know(
            f"The Firestore database {name} is in {location}, not in {region}. Its location cannot change: each read and write "
            f"of the service goes there. Choose a --region in or near {location}."
        )
    else:
        yield fine(f"The Firestore database {name} is in Native mode in {location}.")


def subnet(checkup: Checkup) -> Iterator[Finding]:
    """Check the network of jobs: of this command, of the deployed service, or the default one."""
    target = checkup.target
    deployed = "" if target.subnet else checkup.deployed_setting("create", "JOB_SUBNETWORK")
    if deployed:
        outside = checkup.deployed_setting("create", "JOB_EXTERNAL_IP") == "0"
        target = replace(
            target, network=checkup.deployed_setting("create", "JOB_NETWORK"), subnet=deployed, external_ip=not outside
        )
    if not target.subnet:
        yield _default_network(checkup)
        return
    project, region, name = target.job_subnetwork.split("/")[1::2]
    found = checkup.reader.find("compute networks subnets describe", name, f"--region={region}", f"--project={project}")
    problem, command = network.problem(target, found)
    if problem:
        yield fix(problem, command)
        return
    yield fine(
        f"Jobs run in {target.job_subnetwork}, {'with' if target.external_ip else 'without'} external addresses."
    )
    if not target.external_ip:
        yield know("Jobs without external addresses reach language models through Cloud NAT only.")


def _default_network(checkup: Checkup) -> Finding:
    if "default" in checkup.reader.by_name("compute networks list"):
        return fine("Jobs run in the default network.")
    return fix(
        "The project has no default network, and jobs need one. This creates a network for jobs without external addresses, which every "
        f"organization allows:\n{network.instructions(checkup.target)}\nThen deploy with it:",
        f"{checkup.deploy} --network {checkup.target.prefix} --subnet {checkup.target.prefix} --no-external-ip",
    )
