"""Deploy the functions whose sources or settings changed.

Google's Python buildpack builds each function from its staged sources, and the `Procfile` among them sets the start
command (https://cloud.google.com/docs/buildpacks/python). With `gcloud run deploy --function` that depends on the
builder: builders/python/builder.toml of GoogleCloudPlatform/buildpacks ignores the `Procfile` of a function.
"""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from deploy import builds, notifications, staging
from deploy.gcloud import Gcloud, Resource
from deploy.secrets import PAGE_TOKEN_KEY, llm_key_versions
from deploy.target import RECONCILE, RUNTIME, SPECS, Target

BASE_IMAGE: Final = "python311"
# Label of a deployed function: the hash of its sources and flags.
CONTENT_LABEL: Final = "haystack-content"


def deploy(
    cloud: Gcloud, target: Target, functions: Sequence[str], *, audiences: Mapping[str, str], job_image: str
) -> None:
    """Deploy the functions whose deployed state differs from the wanted state.

    Args:
        audiences: IAP audience of each function behind the load balancer.
        job_image: image of the job, by digest.
    """
    existing = cloud.by_name("run services list", f"--region={target.region}")
    steps = []
    for function in functions:
        name = target.name(function)
        folder = staging.stage(function, target.work / "functions", target.frontend)
        content = staging.content_hash(folder)
        environ = environment(target, function, audiences.get(function, ""), job_image)
        flags = [*_build_flags(target, function, content), *_flags(target, function, environ)]
        label = _fingerprint(content, flags)
        if not _up_to_date(existing.get(name), label, ingress(function)):
            flags.insert(0, f"--labels={CONTENT_LABEL}={label}")
            steps.append(partial(_deploy_one, cloud, target, function, folder, flags))
    cloud.together(*steps)


def environment(target: Target, function: str, audience: str, job_image: str) -> dict[str, str]:
    """Return the environment of a function (see `shared/settings.py`), limited to what the function needs."""
    values = {
        **RUNTIME,
        "PROJECT": target.project,
        "REGION": target.region,
        "RESULTS_BUCKET": target.results_bucket,
        "FIRESTORE_DATABASE": target.database,
    }
    if function == RECONCILE:
        values |= {"RECONCILE_AUDIENCE": target.reconcile_url, "RECONCILE_CALLER": target.account("invoker")}
        values["QUEUE_LIMIT_MINUTES"] = str(target.queue_minutes)
    else:
        values["IAP_AUDIENCE"] = audience
        if target.origins:
            values["CORS_ORIGINS"] = ",".join(target.origins)
        if not target.email_owners:
            values["EMAIL_OWNERS"] = "0"
    if function == "create" and target.retention_days:
        values["RUN_RETENTION_DAYS"] = str(target.retention_days)
    if function in {"create", RECONCILE}:  # these submit jobs
        values |= {
            "JOB_IMAGE": job_image,
            "JOB_SERVICE_ACCOUNT": target.account("job"),
            "JOB_TOPIC": target.topic,
            "ATLAS_BUCKET": target.atlas_bucket,
        }
        values |= _network(target)
        if target.llm_providers:
            values["JOB_SECRETS"] = llm_key_versions(target)
    if function in notifications.FUNCTIONS:
        values |= target.notifications.settings(f"https://{target.domain}")
    if SPECS[function].account == "signer":
        values["SIGNER_EMAIL"] = target.account("signer")
    return values


def _network(target: Target) -> dict[str, str]:
    """Return the settings of the network of jobs, if they do not use the default one."""
    values: dict[str, str] = {}
    if target.subnet:
        values |= {"JOB_NETWORK": target.job_network, "JOB_SUBNETWORK": target.job_subnetwork}
    if not target.external_ip:
        values["JOB_EXTERNAL_IP"] = "0"
    return values


def ingest_environment(target: Target, job_image: str) -> dict[str, str]:
    """Return the settings with which operators ingest atlases on Batch."""
    return {
        "PROJECT": target.project,
        "REGION": target.region,
        "RESULTS_BUCKET": target.results_bucket,
        "ATLAS_BUCKET": target.atlas_bucket,
        "FIRESTORE_DATABASE": target.database,
        "JOB_IMAGE": job_image,
        "INGEST_SERVICE_ACCOUNT": target.account("ingest"),
        **_network(target),
    }


def write_ingest_settings(target: Target, job_image: str) -> Path:
    """Write the settings of ingests on Batch as a file for `source`, and return its path."""
    values = ingest_environment(target, job_image)
    path = target.work / "ingest.env"
    path.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items()))
    return path


def secret_environment(target: Target, function: str) -> dict[str, str]:
    """Return the variables of a function that Cloud Run fills from Secret Manager, with the names of their secrets."""
    if function == notifications.SENDER:
        return {name: target.name(secret) for name, secret in target.notifications.secrets().items()}
    return {"PAGE_TOKEN_KEY": target.name(PAGE_TOKEN_KEY)} if function == "list" else {}


def ingress(function: str) -> str:
    """Return where requests may come from: never directly from the internet."""
    # Requests of Pub/Sub and Cloud Scheduler from the same project to a run.app address count as internal.
    return "internal" if function == RECONCILE else "internal-and-cloud-load-balancing"


def _deploy_one(cloud: Gcloud, target: Target, function: str, folder: Path, flags: Sequence[str]) -> None:
    """Deploy a function from its sources, or from an image if builds have a region of their own."""
    name = target.name(function)
    if not target.build_region:
        cloud.change("run deploy", name, f"--source={folder}", *flags)
        return
    build(cloud, target, function, folder)
    cloud.change("run deploy", name, *flags)


def build(cloud: Gcloud, target: Target, function: str, folder: Path) -> str:
    """Build the image of a function from its staged sources, unless it exists, and return its name with its tag."""
    content = staging.content_hash(folder)
    image = _built_image(target, function, content)
    if builds.digest(builds.images(cloud, target, target.name(function)), _tag(content)) is None:
        builds.submit(cloud, target, builds.Build(function, folder, builds.FUNCTION, {"_IMAGE": image}))
    return image


def _build_flags(target: Target, function: str, content: str) -> tuple[str, ...]:
    if target.build_region:
        return (f"--image={_built_image(target, function, content)}",)
    return (
        f"--base-image={BASE_IMAGE}",
        f"--image={target.registry}/{target.name(function)}",
        f"--build-service-account={target.builder}",
    )


def _built_image(target: Target, function: str, content: str) -> str:
    return f"{target.registry}/{target.name(function)}:{_tag(content)}"


def _tag(content: str) -> str:
    return f"content-{content[:24]}"


def _flags(target: Target, function: str, environ: Mapping[str, str]) -> list[str]:
    spec = SPECS[function]
    flags = [
        f"--region={target.region}",
        f"--service-account={target.account(spec.account)}",
        f"--ingress={ingress(function)}",
        "--no-allow-unauthenticated",
        "--cpu=1",
        "--cpu-boost",
        f"--memory={spec.memory_mib}Mi",
        f"--concurrency={spec.concurrency}",
        f"--timeout={spec.timeout_seconds}",
        f"--min={spec.warm_instances if target.production else 0}",
        f"--max-instances={spec.max_instances}",
        # The separator is a semicolon, because some values are lists with commas.
        "--set-env-vars=^;^" + ";".join(f"{name}={value}" for name, value in sorted(environ.items())),
    ]
    secrets = ",".join(
        f"{name}={secret}:latest" for name, secret in sorted(secret_environment(target, function).items())
    )
    # Without either flag, secrets of an earlier deployment would stay, which the function may no longer read.
    return [*flags, f"--set-secrets={secrets}" if secrets else "--clear-secrets"]


def _fingerprint(content: str, flags: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps([content, *flags]).encode()).hexdigest()[:32]


def _up_to_date(service: Resource | None, label: str, wanted_ingress: str) -> bool:
    """Return whether the function is ready, has this content, and its ingress was not changed by hand."""
    if service is None:
        return False
    metadata, conditions = service["metadata"], service.get("status", {}).get("conditions", [])
    return (
        metadata.get("labels", {}).get(CONTENT_LABEL) == label
        and metadata.get("annotations", {}).get("run.googleapis.com/ingress") == wanted_ingress
        and any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    )
