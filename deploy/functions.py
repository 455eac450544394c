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

from deploy import staging
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
        folder = staging.stage(function, target.work / "functions")
        flags = _flags(target, function, environment(target, function, audiences.get(function, ""), job_image))
        label = _fingerprint(staging.content_hash(folder), flags)
        if not _up_to_date(existing.get(name), label, ingress(function)):
            sources = (f"--source={folder}", f"--labels={CONTENT_LABEL}={label}")
            steps.append(partial(cloud.change, "run deploy", name, *sources, *flags))
    if steps and not existing:
        # The first deployment creates the bucket for sources; concurrent deployments would all try to create it.
        steps.pop(0)()
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
            values["JOB_SECRETS"] = llm_key_versions(target)
    if SPECS[function].account == "signer":
        values["SIGNER_EMAIL"] = target.account("signer")
    return values


def write_ingest_settings(target: Target, job_image: str) -> Path:
    """Write the settings with which operators ingest atlases on Batch, as a file for `source`, and return its path."""
    values = {
        "PROJECT": target.project,
        "REGION": target.region,
        "RESULTS_BUCKET": target.results_bucket,
        "ATLAS_BUCKET": target.atlas_bucket,
        "FIRESTORE_DATABASE": target.database,
        "JOB_IMAGE": job_image,
        "INGEST_SERVICE_ACCOUNT": target.account("ingest"),
    }
    path = target.work / "ingest.env"
    path.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items()))
    return path


def ingress(function: str) -> str:
    """Return where requests may come from: never directly from the internet."""
    # Requests of Pub/Sub and Cloud Scheduler from the same project to a run.app address count as internal.
    return "internal" if function == RECONCILE else "internal-and-cloud-load-balancing"


def _flags(target: Target, function: str, environ: Mapping[str, str]) -> list[str]:
    spec = SPECS[function]
    flags = [
        f"--base-image={BASE_IMAGE}",
        f"--image={target.registry}/{target.name(function)}",
        f"--build-service-account={target.builder}",
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
    if function == "list":
        flags.append(f"--set-secrets=PAGE_TOKEN_KEY={target.name(PAGE_TOKEN_KEY)}:latest")
    return flags


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
