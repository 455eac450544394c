"""The order of a deployment: each step needs the results of the steps before it."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from deploy import (
    alerts,
    buckets,
    cleanup,
    database,
    events,
    frontend,
    functions,
    iam,
    image,
    members,
    network,
    notifications,
    place,
    policies,
    secrets,
    signin,
)
from deploy.gcloud import Gcloud
from deploy.policies import Stale
from deploy.target import RECONCILE, Target
from shared.routes import FUNCTIONS

APIS: Final = (
    "artifactregistry", "batch", "billingbudgets", "cloudbuild", "cloudresourcemanager", "cloudscheduler", "compute", "firestore",
    "iam", "iamcredentials", "iap", "logging", "monitoring", "pubsub", "run", "secretmanager", "storage", "sts",
)  # fmt: skip


def deploy(cloud: Gcloud, target: Target, *, only: Sequence[str] = (), build_image: bool = True) -> None:
    """Set up the service, or update it.

    Args:
        only: deploy these functions and leave the rest of the service unchanged; empty means everything.
        build_image: build the job's image if its content changed.
    """
    signin.check(cloud, target)
    if only:
        place.check_region(cloud, target)
        signin.store_secret(cloud, target)
        secrets.check_llm_keys(cloud, target)
        notifications.check_password(cloud, target)
        network.check(cloud, target)
        policies.remove(
            cloud, target, _deploy_functions(cloud, target, only, image.job_image(cloud, target, build=False))
        )
        return
    enable_apis(cloud)
    place.check_region(cloud, target)
    place.check_domain(cloud, target)
    secrets.check_llm_keys(cloud, target)
    notifications.check_password(cloud, target)
    network.check(cloud, target)
    iam.create_accounts(cloud, target)
    cloud.together(
        partial(database.set_up, cloud, target),
        partial(buckets.set_up, cloud, target),
        partial(secrets.create_page_token_key, cloud, target),
        partial(notifications.create_signing_key, cloud, target),
        partial(signin.store_secret, cloud, target),
        partial(image.create_repository, cloud, target),
        partial(events.create_topic, cloud, target),
    )
    stale = iam.bind_resources(cloud, target)
    job_image = image.job_image(cloud, target, build=build_image)
    stale += _deploy_functions(cloud, target, FUNCTIONS, job_image)
    if not cloud.dry_run:
        cloud.note(f"settings for ingests on Batch: {functions.write_ingest_settings(target, job_image)}")
    stale += members.admit(cloud, target)
    cloud.together(
        partial(frontend.connect, cloud, target),
        partial(events.push_notifications, cloud, target),
        partial(events.schedule_sweep, cloud, target),
        partial(frontend.allow_preflights, cloud, target),
        partial(alerts.set_up, cloud, target),
        partial(image.mark_deployed, cloud, target, job_image),
        partial(cleanup.set_up, cloud, target),
    )
    # Last: until here, revisions of the previous release may serve.
    policies.remove(cloud, target, stale)


def enable_apis(cloud: Gcloud) -> None:
    """Enable the APIs that are not enabled yet."""
    enabled = cloud.by_name("services list", "--enabled")
    wanted = (f"{api}.googleapis.com" for api in APIS)
    if missing := [api for api in wanted if api not in enabled]:
        cloud.change("services enable", *missing)


def _deploy_functions(cloud: Gcloud, target: Target, names: Sequence[str], job_image: str) -> list[Stale]:
    audiences = frontend.create_backends(cloud, target) if set(names) - {RECONCILE} else {}
    functions.deploy(cloud, target, names, audiences=audiences, job_image=job_image)
    return iam.bind_functions(cloud, target, names)
