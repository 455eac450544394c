"""The functions: staged, and deployed where their content or their settings changed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from deploy import llm_keys, staging
from deploy.gcloud import Gcloud
from deploy.identities import PAGE_TOKEN_KEY
from deploy.target import RECONCILE, Target
from shared.routes import RUNTIME, SPECS

BASE_IMAGE: Final = "python311"
ENTRY_POINT: Final = "handle"
CONTENT_LABEL: Final = "haystack-content"
"""Label of a deployed function: the hash of all that was deployed."""
BALANCER_ONLY: Final = "internal-and-cloud-load-balancing"
INTERNAL: Final = "internal"
"""Pub/Sub and Cloud Scheduler of the same project count as internal at a function's run.app address."""


def deploy(
    cloud: Gcloud, target: Target, functions: Sequence[str], *, audiences: Mapping[str, str], job_image: str
) -> None:
    """Deploy the functions that are not there as they should be.

    Args:
        cloud: gcloud.
        target: where.
        functions: the functions to look at.
        audiences: the IAP audience of each function behind the balancer.
        job_image: the job's image, by digest.
    """
    services = cloud.items("run", "services", "list", f"--region={target.region}")
    there = {service["metadata"]["name"]: service for service in services}
    steps = []
    for function in functions:
        folder = staging.stage(function, target.work / "functions")
        flags = _flags(target, function, environment(target, function, audiences.get(function, ""), job_image))
        label = _fingerprint(staging.content_hash(folder), flags)
        if not _settled(there.get(target.name(function)), label, ingress(function)):
            steps.append(
                partial(
                    cloud.change,
                    "run",
                    "deploy",
                    target.name(function),
                    f"--source={folder}",
                    f"--labels={CONTENT_LABEL}={label}",
                    *flags,
                )
            )
    if steps and not there:
        # The first deployment makes the bucket of sources; side by side they would all try to.
        steps.pop(0)()
    cloud.together(*steps)


def environment(target: Target, function: str, audience: str, job_image: str) -> dict[str, str]:
    """What a function is told by its environment (`shared/settings.py`), and no more than it needs."""
    values = {
        **RUNTIME,
        "PROJECT": target.project,
        "REGION": target.region,
        "RESULTS_BUCKET": target.results_bucket,
        "FIRESTORE_DATABASE": target.database,
    }
    if function == RECONCILE:
        values |= {"RECONCILE_AUDIENCE": target.reconcile_url, "RECONCILE_CALLER": target.account("invoker")}
    else:
        values["IAP_AUDIENCE"] = audience
        if target.origins:
            values["CORS_ORIGINS"] = ",".join(target.origins)
    if function == "create" and target.retention_days:
        values["RUN_RETENTION_DAYS"] = str(target.retention_days)
    if function in {"create", RECONCILE}:  # these submit jobs
        values |= {
            "JOB_IMAGE": job_image,
            "JOB_SERVICE_ACCOUNT": target.account("job"),
            "JOB_TOPIC": target.topic,
            "ATLAS_BUCKET": target.atlas_bucket,
        }
        if target.llm_providers:
            values["JOB_SECRETS"] = llm_keys.versions(target)
    if SPECS[function].account == "signer":
        values["SIGNER_EMAIL"] = target.account("signer")
    return values


def ingress(function: str) -> str:
    """Where requests may come from: never straight from the internet."""
    return INTERNAL if function == RECONCILE else BALANCER_ONLY


def _flags(target: Target, function: str, environ: Mapping[str, str]) -> list[str]:
    spec = SPECS[function]
    flags = [
        f"--function={ENTRY_POINT}",
        f"--base-image={BASE_IMAGE}",
        f"--image={target.registry}/{target.name(function)}",
        f"--build-service-account=projects/{target.project}/serviceAccounts/{target.account('builder')}",
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
        # Separated by semicolons, since some values are lists with commas.
        "--set-env-vars=^;^" + ";".join(f"{name}={value}" for name, value in sorted(environ.items())),
    ]
    if function == "list":
        flags.append(f"--set-secrets=PAGE_TOKEN_KEY={target.name(PAGE_TOKEN_KEY)}:latest")
    return flags


def _fingerprint(content: str, flags: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps([content, *flags]).encode()).hexdigest()[:32]


def _settled(service: Mapping[str, Any] | None, label: str, wanted_ingress: str) -> bool:
    """Whether the function runs as it was deployed, and nobody has opened it since."""
    if service is None:
        return False
    metadata, conditions = service["metadata"], service.get("status", {}).get("conditions", [])
    return (
        metadata.get("labels", {}).get(CONTENT_LABEL) == label
        and metadata.get("annotations", {}).get("run.googleapis.com/ingress") == wanted_ingress
        and any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    )
