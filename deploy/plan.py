"""What is done in which order: each step needs what the ones before it have made."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from deploy import (
    alerts,
    buckets,
    database,
    events,
    frontend,
    functions,
    identities,
    image,
    llm_keys,
    page_token_key,
    preflights,
    services,
)
from deploy.gcloud import Gcloud
from deploy.target import RECONCILE, Target
from shared.routes import FUNCTIONS

EVERYTHING: Final[tuple[str, ...]] = ()


def deploy(cloud: Gcloud, target: Target, *, only: Sequence[str] = EVERYTHING, build_image: bool = True) -> None:
    """Set the service up, or bring it up to date.

    Args:
        cloud: gcloud.
        target: where.
        only: deploy these functions and leave the rest of the service as it is; empty: set up everything.
        build_image: build the job's image if its content changed.
    """
    if only:
        llm_keys.check(cloud, target)
        _deploy_functions(cloud, target, only, image.job_image(cloud, target, build=False))
        return
    services.enable(cloud)
    llm_keys.check(cloud, target)
    identities.make_accounts(cloud, target)
    cloud.together(
        partial(database.set_up, cloud, target),
        partial(buckets.set_up, cloud, target),
        partial(page_token_key.make, cloud, target),
        partial(image.make_repository, cloud, target),
        partial(events.make_topic, cloud, target),
    )
    identities.bind_resources(cloud, target)
    job_image = image.job_image(cloud, target, build=build_image)
    _deploy_functions(cloud, target, FUNCTIONS, job_image)
    identities.admit_members(cloud, target)
    cloud.together(
        partial(frontend.connect, cloud, target),
        partial(events.push_notifications, cloud, target),
        partial(events.schedule_sweep, cloud, target),
        partial(preflights.let_through, cloud, target),
        partial(alerts.set_up, cloud, target),
    )


def _deploy_functions(cloud: Gcloud, target: Target, names: Sequence[str], job_image: str) -> None:
    audiences = frontend.make_backends(cloud, target) if set(names) - {RECONCILE} else {}
    functions.deploy(cloud, target, names, audiences=audiences, job_image=job_image)
    identities.bind_functions(cloud, target, names)
