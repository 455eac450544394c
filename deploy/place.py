"""Where a service is: a region and a domain belong to one environment, and neither moves by a wrong option."""

import re
from dataclasses import replace
from typing import Final

from deploy.frontend import certificate
from deploy.gcloud import CommandFailed, Gcloud
from deploy.target import ENVIRONMENTS, Target

# Buckets of other locations, such as `US`, are somebody's choice.
REGION: Final = re.compile(r"[a-z]+-[a-z]+[0-9]+")


def check_region(cloud: Gcloud, target: Target) -> None:
    """Check that the service of this environment, if it exists, is in the region of the command.

    Otherwise, a deployment would make half of a second service, and `destroy` would delete half of the only one.

    Raises:
        CommandFailed: it is elsewhere. A dry run prints this as a comment.
    """
    found = cloud.by_name("storage buckets list", "--raw").get(target.results_bucket, {})
    region = str(found.get("location", "")).lower()
    if REGION.fullmatch(region) and region != target.region:
        _stop(
            cloud,
            f"The service {target.prefix} is in {region}, and its region cannot change. Pass --region {region}. To move it, destroy it "
            "with its data first.",
        )


def check_domain(cloud: Gcloud, target: Target) -> None:
    """Check that no other environment of the project has this domain, whose DNS record leads to one load balancer only.

    Raises:
        CommandFailed: one has. A dry run prints this as a comment.
    """
    found = cloud.by_name("compute ssl-certificates list", "--global")
    for env in ENVIRONMENTS:
        if env != target.env and certificate(replace(target, env=env)) in found:
            _stop(cloud, f"{target.domain} is the domain of {env}. Pass another --domain for {target.env}.")
    own = {name for name in found if re.fullmatch(rf"{target.name('front')}-[0-9a-f]{{8}}", name)}
    if own and certificate(target) not in own:
        cloud.note(
            f"The domain changes to {target.domain}. The previous one stops working now; the new one works when DNS points to the load "
            "balancer and Google has issued its certificate, within an hour."
        )


def _stop(cloud: Gcloud, text: str) -> None:
    if not cloud.dry_run:
        raise CommandFailed(text)
    cloud.note(text)
