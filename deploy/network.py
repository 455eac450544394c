"""The network of jobs: organizations without a default network, or that forbid external addresses, need their own."""

from deploy.gcloud import CommandFailed, Gcloud, Resource, covers, last_segment
from deploy.target import Target


def check(cloud: Gcloud, target: Target) -> None:
    """Check that jobs can run in the subnet and reach Google's APIs, and say where jobs run.

    Raises:
        CommandFailed: if the subnet does not exist, is in another network, or lacks Private Google Access that jobs need. A dry run
            prints this as a comment.
    """
    if not target.subnet:
        return
    addresses = "with" if target.external_ip else "without"
    cloud.note(f"Jobs run in {target.job_subnetwork}, {addresses} external addresses.")
    if not target.external_ip:
        cloud.note(
            "They reach Google's APIs and the image through Private Google Access. Language models also need Cloud NAT."
        )
    if cloud.blind:
        return
    project, region, name = target.job_subnetwork.split("/")[1::2]
    if project != target.project:
        cloud.note(f"The subnet is in {project}, whose administrators can enable Private Google Access.")
        return
    found = cloud.find("compute networks subnets describe", name, f"--region={region}")
    sentence, command = problem(target, found)
    if not sentence:
        return
    text = f"{sentence}\n{command}" if command else sentence
    if not cloud.dry_run:
        raise CommandFailed(text)
    cloud.note(text)


def problem(target: Target, found: Resource | None) -> tuple[str, str]:
    """Return why jobs cannot run in the subnet and the command that helps; both are empty if they can.

    Args:
        found: the subnet; None if it does not exist.
    """
    project, region, name = target.job_subnetwork.split("/")[1::2]
    if found is None:
        return f"The subnet {name} does not exist in {region}, or you may not see it. Check --subnet.", ""
    actual = str(found.get("network", ""))
    if actual and not covers(actual, target.job_network):
        return f"The subnet {name} is in the network {last_segment(actual)}. Pass it as --network.", ""
    if target.external_ip or found.get("privateIpGoogleAccess"):
        return "", ""
    flags = f"--project={project} --region={region} --enable-private-ip-google-access"
    return (
        f"The subnet {name} lacks Private Google Access, without which jobs have no access to Google's APIs. Enable it:",
        f"gcloud compute networks subnets update {name} {flags}",
    )


def instructions(target: Target) -> str:
    """Return the commands that create a network in which jobs need no external addresses."""
    where = f"--project={target.project}"
    access = "--enable-private-ip-google-access"
    return (
        f"gcloud compute networks create {target.prefix} {where} --subnet-mode=custom\n"
        f"gcloud compute networks subnets create {target.prefix} {where} --network={target.prefix} --region={target.region} "
        f"--range=10.0.0.0/20 {access}"
    )
