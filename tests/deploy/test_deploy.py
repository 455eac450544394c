"""`deploy.sh` with the real gcloud against a recorder: its requests to Google Cloud match the design.

One file, because parallel workers take whole files and each would run its own deployment.
"""

import hashlib
import io
import json
import os
import re
import subprocess
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy import alerts, buckets, cleanup, database, frontend, functions, iam, policies
from deploy.checks import access, jobs, project
from deploy.checks.finding import Level
from deploy.gcloud import Gcloud, covers
from deploy.iam import bindings
from deploy.target import RUNTIME, SPECS, START_COMMAND, Target
from shared.routes import FUNCTIONS, PAGES, ROUTES
from shared.settings import Settings
from tests.deploy.checks.conftest import Check, Examination
from tests.deploy.cloud import Upload
from tests.deploy.conftest import (
    DOMAIN,
    LLM_SECRETS,
    MEMBER,
    NUMBER,
    OPERATOR,
    ORIGINS,
    PROJECT,
    REGION,
    RETENTION_DAYS,
    ROOT,
    UP,
    WHERE,
    Deployment,
    deploy,
    repository_in,
    running,
)
from tests.deploy.recorder import Request, recording

pytestmark = pytest.mark.timeout(600)  # about 130 commands, each with a second or more for the start of gcloud

BALANCED = sorted({route.function for route in (*ROUTES, PAGES) if not route.internal})
TARGET = Target(
    project=PROJECT,
    number=NUMBER,
    region=REGION,
    domain=DOMAIN,
    env="prod",
    production=False,
    members=(MEMBER,),
    root=ROOT,
    work=ROOT,
    origins=ORIGINS,
    operators=(OPERATOR,),
    retention_days=RETENTION_DAYS,
    llm_providers=tuple(LLM_SECRETS),
)
ACCOUNT = f"@{PROJECT}.iam.gserviceaccount.com"
RECONCILE_URL = f"https://haystack-reconcile-{NUMBER}.{REGION}.run.app"
DATA = ("firestore/projects/", "storage/b/")
# What `destroy` leaves: data, and free resources that others may use too.
LEFT = (*DATA, "iap/", "monitoring/projects/cells-and-genes-1/notificationChannels/")
READING = re.compile(r":getIamPolicy$|/validate$|/operations/[^/]+/wait$")


def last(link: str) -> str:
    return link.rpartition("/")[2]


def service(deployment: Deployment, function: str) -> dict[str, Any]:
    return deployment.recorder.cloud.of("run", "services")[f"haystack-{function}"]


def environ(deployment: Deployment, function: str) -> dict[str, str]:
    container = service(deployment, function)["spec"]["template"]["spec"]["containers"][0]
    return {each["name"]: each.get("value", "") for each in container["env"]}


def test_every_function_is_deployed_and_nothing_else(deployment: Deployment) -> None:
    assert sorted(deployment.recorder.cloud.of("run", "services")) == [f"haystack-{name}" for name in FUNCTIONS]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_reached_through_the_load_balancer_or_from_within_only(
    deployment: Deployment, function: str
) -> None:
    ingress = service(deployment, function)["metadata"]["annotations"]["run.googleapis.com/ingress"]
    assert ingress == ("internal" if function == "reconcile" else "internal-and-cloud-load-balancing")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_runs_as_the_account_of_its_group_with_the_size_of_the_route_table(
    deployment: Deployment, function: str
) -> None:
    spec, deployed = SPECS[function], service(deployment, function)
    template = deployed["spec"]["template"]
    assert template["spec"]["serviceAccountName"] == f"haystack-{spec.account}{ACCOUNT}"
    assert template["spec"]["containerConcurrency"] == spec.concurrency
    assert template["spec"]["timeoutSeconds"] == spec.timeout_seconds
    limits = template["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"memory": f"{spec.memory_mib}Mi", "cpu": "1"}
    assert template["metadata"]["annotations"]["autoscaling.knative.dev/maxScale"] == str(spec.max_instances)
    assert deployed["metadata"]["annotations"].get("run.googleapis.com/minScale", "0") == "0"


@pytest.mark.parametrize("function", BALANCED)
def test_a_function_behind_iap_knows_the_audience_of_its_own_backend_after_one_pass(
    deployment: Deployment, function: str
) -> None:
    backend = deployment.recorder.cloud.of("compute", "backendServices")[f"haystack-{function}"]
    audience = f"/projects/{NUMBER}/global/backendServices/{backend['id']}"
    assert environ(deployment, function)["IAP_AUDIENCE"] == audience
    assert f"+ gcloud run deploy haystack-{function} " in deployment.first.stdout
    assert deployment.first.stdout.count(f"+ gcloud run deploy haystack-{function} ") == 1


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_s_settings_are_complete_and_known(deployment: Deployment, function: str) -> None:
    given = environ(deployment, function)
    settings = Settings.from_env(given)
    assert {name.lower() for name in given.keys() - RUNTIME.keys()} <= set(Settings._fields)
    assert given.items() >= RUNTIME.items()
    assert settings.environment == "production"
    assert bool(settings.job_image) == (function in {"create", "reconcile"})
    assert bool(settings.signer_email) == (function == "result")


def test_operators_get_the_settings_of_ingests_on_batch(deployment: Deployment) -> None:
    (path,) = re.findall(r"settings for ingests on Batch: (\S+)", deployment.first.stdout)
    shell = subprocess.run(
        ["/bin/sh", "-c", f". {path} && env"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    settings = Settings.from_env(dict(line.split("=", 1) for line in shell.stdout.splitlines()))
    created = environ(deployment, "create")
    assert settings.ingest_service_account == f"haystack-ingest{ACCOUNT}"
    assert (settings.job_image, settings.atlas_bucket) == (created["JOB_IMAGE"], created["ATLAS_BUCKET"])
    assert (settings.project, settings.region, settings.firestore_database) == (PROJECT, REGION, "(default)")


def test_reconcile_takes_tokens_of_the_invoker_made_out_to_itself(deployment: Deployment) -> None:
    given = environ(deployment, "reconcile")
    assert given["RECONCILE_AUDIENCE"] == RECONCILE_URL
    assert given["RECONCILE_CALLER"] == f"haystack-invoker{ACCOUNT}"
    assert "IAP_AUDIENCE" not in given


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_built_from_its_staged_folder_by_the_builder(deployment: Deployment, function: str) -> None:
    image = f"{REGION}-docker.pkg.dev/{PROJECT}/haystack/haystack-{function}"
    builds = [each.body for each in deployment.first.requests if each.path.endswith("/builds:submit")]
    build = next(each for each in builds if each["imageUri"] == image)
    assert (
        build["buildpackBuild"].get("functionTarget") is None
    )  # the Procfile decides, not the buildpack for functions
    assert build["buildpackBuild"]["baseImage"] == "python311"
    assert last(build["serviceAccount"]) == f"haystack-builder{ACCOUNT}"


def test_a_function_is_started_by_the_procfile_in_its_sources_and_not_in_debug_mode(deployment: Deployment) -> None:
    uploads = [each.body.content for each in deployment.first.requests if isinstance(each.body, Upload)]
    archives = [zipfile.ZipFile(io.BytesIO(content)) for content in uploads if content.startswith(b"PK")]
    assert len(archives) == len(FUNCTIONS)
    for archive in archives:
        assert archive.read("Procfile").decode() == f"web: {START_COMMAND}\n"
    for function in FUNCTIONS:
        assert environ(deployment, function)["FUNCTION_TARGET"] == "handle"
        assert "DEBUG" not in environ(deployment, function)
    assert "--function" not in deployment.first.stdout


def test_jobs_run_an_image_that_is_named_by_its_digest(deployment: Deployment) -> None:
    (image,) = deployment.recorder.cloud.images
    (build,) = deployment.recorder.cloud.builds
    assert last(build["serviceAccount"]) == f"haystack-builder{ACCOUNT}"
    assert build["substitutions"]["_REQUIREMENTS"] == "requirements-llm.txt"  # this deployment has language models
    assert "--build-arg=REQUIREMENTS=${_REQUIREMENTS}" in build["steps"][0]["args"]
    for function in ("create", "reconcile"):
        assert environ(deployment, function)["JOB_IMAGE"] == f"{image['package']}@{image['digest']}"


def test_old_images_and_sources_go_and_the_image_in_use_stays(deployment: Deployment) -> None:
    cloud = deployment.recorder.cloud
    repository = cloud.of("artifactregistry", "repositories")["haystack"]
    wanted = {each["name"]: {"action": each["action"]["type"]} for each in cleanup.POLICIES}
    assert covers(repository["cleanupPolicies"], wanted)
    assert repository["cleanupPolicyDryRun"] is False
    (tag,) = cloud.of("artifactregistry", "tags").values()
    assert environ(deployment, "create")["JOB_IMAGE"].endswith(last(tag["version"]))
    sources = cloud.of("storage", "b")[f"run-sources-{PROJECT}-{REGION}"]
    assert covers(sources["lifecycle"]["rule"], [buckets.OLD_SOURCES])
    uploaded = {
        each.query["name"]
        for each in deployment.first.requests
        if each.api == "storage" and isinstance(each.body, Upload)
    }
    assert len(uploaded) == len(FUNCTIONS) + 1
    assert all(name.startswith("services/haystack-") for name in uploaded)


def test_the_key_of_page_tokens_comes_from_secret_manager_to_list_alone_and_is_shown_nowhere(
    deployment: Deployment,
) -> None:
    (made,) = [each for each in deployment.first.requests if each.path.endswith(":addVersion")]
    assert made.body["payload"]["data"]
    for function in FUNCTIONS:
        text = json.dumps(service(deployment, function))
        assert ("haystack-page-token-key" in text) == (function == "list")
    creating = next(line for line in deployment.first.stdout.splitlines() if "gcloud secrets create" in line)
    assert creating.endswith("--data-file=- --project=cells-and-genes-1 --quiet")


def test_iap_is_on_for_each_backend_and_none_is_left_open(deployment: Deployment) -> None:
    backends = deployment.recorder.cloud.of("compute", "backendServices")
    assert sorted(backends) == [f"haystack-{name}" for name in BALANCED]
    for backend in backends.values():
        assert backend["iap"]["enabled"] is True
        assert backend["loadBalancingScheme"] == "EXTERNAL_MANAGED"
        assert backend["logConfig"] == {"enable": True, "sampleRate": 0.1}
    made = [
        each for each in deployment.first.requests if each.method == "POST" and last(each.path) == "backendServices"
    ]
    assert len(made) == len(BALANCED)
    assert all(each.body["iap"]["enabled"] for each in made)  # from its first moment, not by a later update


def test_nothing_is_open_to_everyone(deployment: Deployment) -> None:
    cloud = deployment.recorder.cloud
    text = json.dumps(cloud.policies)
    assert "allUsers" not in text
    assert "allAuthenticatedUsers" not in text
    for name in FUNCTIONS:
        caller = (
            f"haystack-invoker{ACCOUNT}"
            if name == "reconcile"
            else f"service-{NUMBER}@gcp-sa-iap.iam.gserviceaccount.com"
        )
        assert cloud.granted("run", f"haystack-{name}") == {("roles/run.invoker", f"serviceAccount:{caller}")}


def test_what_is_granted_is_the_table_of_bindings_and_not_one_more(deployment: Deployment) -> None:
    granted = Counter(
        (binding["role"], member, binding.get("condition", {}).get("expression", ""))
        for key, policy in deployment.recorder.cloud.policies.items()
        if not key.startswith("iap/")
        for binding in policy.get("bindings", [])
        for member in binding["members"]
    )
    assert granted == Counter((each.role, each.member, each.expression(PROJECT)) for each in bindings(TARGET))


def test_the_members_may_pass_iap_to_the_backends_of_this_environment_and_to_no_other(deployment: Deployment) -> None:
    cloud = deployment.recorder.cloud
    granted = {last(key) for key, policy in cloud.policies.items() if key.startswith("iap/") and policy["bindings"]}
    assert granted == {f"haystack-{function}" for function in BALANCED}
    for function in BALANCED:
        assert cloud.granted("iap", f"haystack-{function}") == {("roles/iap.httpsResourceAccessor", MEMBER)}


def test_every_index_is_created_and_every_exempt_field_is_exempt(deployment: Deployment) -> None:
    wanted = json.loads((ROOT / "firestore.indexes.json").read_text())
    firestore = {k: v for k, v in deployment.recorder.cloud.resources.items() if k.startswith("firestore/")}
    created = [
        {"collectionGroup": key.split("/")[6], "queryScope": index["queryScope"], "fields": index["fields"]}
        for key, index in firestore.items()
        if "/indexes/" in key
    ]
    order = json.dumps
    assert sorted(created, key=order) == sorted(wanted["indexes"], key=order)
    fields = {(key.split("/")[6], last(key)): field for key, field in firestore.items() if "/fields/" in key}
    assert set(fields) == {(each["collectionGroup"], each["fieldPath"]) for each in wanted["fieldOverrides"]}
    assert all(field["indexConfig"] == {} for field in fields.values())
    assert [name for name, field in fields.items() if "ttlConfig" in field] == [
        ("runs", "expire_at"),
        ("idempotency_keys", "expire_at"),
    ]


def test_the_database_is_protected_against_deletion(deployment: Deployment) -> None:
    database = deployment.recorder.cloud.resources[f"firestore/projects/{PROJECT}/databases/(default)"]
    assert database["deleteProtectionState"] == "DELETE_PROTECTION_ENABLED"
    assert database["type"] == "FIRESTORE_NATIVE"


def test_every_route_reaches_its_backend_and_every_backend_its_function(deployment: Deployment) -> None:
    cloud = deployment.recorder.cloud
    groups = cloud.of("compute", "networkEndpointGroups")
    behind = {
        name: [groups[last(each["group"])]["cloudRun"]["service"] for each in backend["backends"]]
        for name, backend in cloud.of("compute", "backendServices").items()
    }
    assert behind == {f"haystack-{name}": [f"haystack-{name}"] for name in BALANCED}
    url_map = cloud.of("compute", "urlMaps")["haystack-front"]
    assert last(url_map["defaultService"]) == f"haystack-{PAGES.function}"
    rules = url_map["pathMatchers"][0]["routeRules"]
    reached = {last(rule["service"]) for rule in rules}
    assert reached | {f"haystack-{PAGES.function}"} == set(behind)


def test_https_is_served_with_a_certificate_and_http_is_sent_there(deployment: Deployment) -> None:
    cloud = deployment.recorder.cloud
    rules = cloud.of("compute", "forwardingRules")
    (certificate,) = cloud.of("compute", "sslCertificates").values()
    secure = cloud.of("compute", "targetHttpsProxies")[last(rules["haystack-front"]["target"])]
    plain = cloud.of("compute", "targetHttpProxies")[last(rules["haystack-redirect"]["target"])]
    assert rules["haystack-front"]["portRange"] == "443"
    assert rules["haystack-redirect"]["portRange"] == "80"
    assert rules["haystack-front"]["IPAddress"] == rules["haystack-redirect"]["IPAddress"]
    assert certificate["managed"]["domains"] == [DOMAIN]
    assert [last(each) for each in secure["sslCertificates"]] == [certificate["name"]]
    assert last(secure["urlMap"]) == "haystack-front"
    assert cloud.of("compute", "urlMaps")[last(plain["urlMap"])]["defaultUrlRedirect"]["httpsRedirect"] is True


def test_the_url_map_is_validated_before_it_is_used(deployment: Deployment) -> None:
    paths = [each.path for each in deployment.first.requests if each.api == "compute" and each.method == "POST"]
    validated = next(position for position, path in enumerate(paths) if path.endswith("/haystack-front/validate"))
    created = next(position for position, path in enumerate(paths) if path.endswith("/urlMaps"))
    assert validated < created


def test_notifications_and_the_sweep_call_reconcile_with_tokens(deployment: Deployment) -> None:
    cloud = deployment.recorder.cloud
    (push,) = [each["pushConfig"] for each in cloud.of("pubsub", "subscriptions").values()]
    (sweep,) = [each["httpTarget"] for each in cloud.of("cloudscheduler", "jobs").values()]
    token = {"serviceAccountEmail": f"haystack-invoker{ACCOUNT}", "audience": RECONCILE_URL}
    (path,) = [route.template for route in ROUTES if route.function == "reconcile"]
    assert push == {"pushEndpoint": RECONCILE_URL + path, "oidcToken": token}
    assert (sweep["uri"], sweep["httpMethod"], sweep["oidcToken"]) == (RECONCILE_URL + path, "POST", token)
    assert environ(deployment, "create")["JOB_TOPIC"] in {
        each["name"] for each in cloud.of("pubsub", "topics").values()
    }


def test_buckets_are_closed_and_results_can_be_downloaded_from_the_domain(deployment: Deployment) -> None:
    buckets = deployment.recorder.cloud.of("storage", "b")
    for name in ("results", "atlases"):
        bucket = buckets[f"{PROJECT}-haystack-{name}"]
        assert bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] is True
        assert bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced"
        assert bucket["lifecycle"]["rule"]
    (cors,) = buckets[f"{PROJECT}-haystack-results"]["cors"]
    assert cors["origin"] == [f"https://{DOMAIN}", *ORIGINS]
    assert "GET" in cors["method"]


def test_results_are_deleted_when_their_runs_are(deployment: Deployment) -> None:
    assert environ(deployment, "create")["RUN_RETENTION_DAYS"] == str(RETENTION_DAYS)
    rules = deployment.recorder.cloud.of("storage", "b")[f"{PROJECT}-haystack-results"]["lifecycle"]["rule"]
    (deleting,) = [rule for rule in rules if rule["action"]["type"] == "Delete"]
    assert deleting["condition"] == {"age": RETENTION_DAYS, "matchesPrefix": ["runs/"]}
    assert "SetStorageClass" not in {rule["action"]["type"] for rule in rules}  # not worthwhile for so few days


@pytest.mark.parametrize("wanted", [True, False])
def test_runs_of_e_mail_addresses_are_hidden_if_wanted(wanted: bool) -> None:
    target = replace(TARGET, email_owners=wanted)
    found = {name: functions.environment(target, name, "audience", "image").get("EMAIL_OWNERS") for name in FUNCTIONS}
    assert found == {name: None if wanted or name == "reconcile" else "0" for name in FUNCTIONS}


def test_pages_of_other_origins_may_call_and_their_preflights_pass_iap(deployment: Deployment) -> None:
    for function in FUNCTIONS:
        allowed = Settings.from_env(environ(deployment, function)).allowed_origins
        assert allowed == (() if function == "reconcile" else ORIGINS)
    settings = {key: each for key, each in deployment.recorder.cloud.resources.items() if key.startswith("iap/")}
    assert {re.sub(r".*/services/(.*):iapSettings", r"\1", key) for key in settings} == {
        f"haystack-{name}" for name in BALANCED
    }
    assert all(each["accessSettings"] == {"corsSettings": {"allowHttpOptions": True}} for each in settings.values())


def test_jobs_find_the_keys_of_language_models_and_only_they_may_read_them(deployment: Deployment) -> None:
    for function in FUNCTIONS:
        versions = Settings.from_env(environ(deployment, function)).secret_versions
        assert bool(versions) == (function in {"create", "reconcile"})
        assert list(versions) in ([], ["ANTHROPIC_API_KEY", "OPENAI_API_KEY"])
        for version in versions.values():
            assert f"secretmanager/{version}" in deployment.recorder.cloud.resources
    job = ("roles/secretmanager.secretAccessor", f"serviceAccount:haystack-job{ACCOUNT}")
    for secret in LLM_SECRETS.values():
        assert deployment.recorder.cloud.granted("secretmanager", secret) == {job}
    assert job not in deployment.recorder.cloud.granted("secretmanager", "haystack-page-token-key")
    assert not [each for each in deployment.first.requests if each.path.endswith(":access")]


def test_every_alert_is_set_and_tells_the_operator(deployment: Deployment) -> None:
    cloud = deployment.recorder.cloud
    (channel,) = cloud.of("monitoring", "notificationChannels").values()
    assert (channel["type"], channel["labels"]) == ("email", {"email_address": OPERATOR})
    policies = {each["userLabels"]["alert"]: each for each in cloud.of("monitoring", "alertPolicies").values()}
    files = {path.stem: json.loads(path.read_text()) for path in (ROOT / "deploy" / "alerts").glob("*.json")}
    assert set(policies) == set(files)
    for name, policy in policies.items():
        assert covers(policy, files[name])
        assert policy["notificationChannels"] == [channel["name"]]


def test_a_second_run_changes_nothing(deployment: Deployment) -> None:
    writing = [
        str(each) for each in deployment.second.requests if each.method != "GET" and not READING.search(each.path)
    ]
    assert writing == []
    assert "# nothing to change" in deployment.second.stdout
    assert "+ gcloud" not in deployment.second.stdout


def test_gcloud_asked_nobody_but_the_apis_it_was_pointed_to(deployment: Deployment) -> None:
    assert [str(each) for each in (*deployment.first.requests, *deployment.second.requests) if not each.api] == []


def test_a_wrong_flag_stops_the_deployment_and_the_command_is_named(gcloud: Path, tmp_path: Path) -> None:
    repository = repository_in(tmp_path)
    source = repository / "deploy" / "plan.py"
    source.write_text(source.read_text().replace('"services list", "--enabled"', '"services list", "--enable"'))
    with recording(PROJECT, NUMBER) as recorder:
        run = deploy(recorder, repository, gcloud, *WHERE, f"--domain={DOMAIN}")
    assert run.code == 1
    assert "gcloud services list --enable " in run.stderr
    assert run.stderr.startswith("deploy: this command failed:")
    assert "deploy.sh: line" not in run.stderr  # it would look like a failure of the script
    assert [str(each) for each in run.requests if each.method != "GET"] == []


# Changes to a project that has been deployed to.


def deployed(requests: list[Request]) -> set[str]:
    """Return the functions that were deployed again."""
    return {each.path.rpartition("/")[2] for each in requests if each.method == "PUT" and "knative" in each.path}


def test_only_the_functions_that_are_named_are_deployed_and_production_keeps_one_warm(
    deployment: Deployment, gcloud: Path
) -> None:
    with deployment.copied() as recorder:
        run = deploy(recorder, deployment.repository, gcloud, *UP, "--only=status,validate", "--production")
        assert run.code == 0, run.stderr
        assert deployed(recorder.requests) == {"haystack-status"}  # production changes nothing about validate
        status = recorder.cloud.of("run", "services")["haystack-status"]
        assert status["metadata"]["annotations"]["run.googleapis.com/minScale"] == "1"
        assert not any(each.path.endswith("/builds") for each in recorder.requests)


def test_what_somebody_opened_by_hand_is_closed_again(deployment: Deployment, gcloud: Path) -> None:
    with deployment.copied() as recorder:
        opened = recorder.cloud.of("run", "services")["haystack-list"]
        opened["metadata"]["annotations"]["run.googleapis.com/ingress"] = "all"
        backend = recorder.cloud.of("compute", "backendServices")["haystack-list"]
        backend["iap"]["enabled"] = False
        run = deploy(recorder, deployment.repository, gcloud, *UP, "--only=list")
        assert run.code == 0, run.stderr
        again = recorder.cloud.of("run", "services")["haystack-list"]
        assert again["metadata"]["annotations"]["run.googleapis.com/ingress"] == "internal-and-cloud-load-balancing"
        assert recorder.cloud.of("compute", "backendServices")["haystack-list"]["iap"]["enabled"] is True


def test_what_is_no_longer_asked_for_is_taken_back_and_what_people_added_stays(
    deployment: Deployment, gcloud: Path, tmp_path: Path
) -> None:
    with deployment.copied() as recorder:
        watched = recorder.cloud.of("monitoring", "alertPolicies")
        changed = next(each for each in watched.values() if each["userLabels"]["alert"] == "bugs")
        changed["userLabels"]["content"] = "that of an older file"
        changed["notificationChannels"].append(f"projects/{PROJECT}/notificationChannels/pager")
        tuned = next(each for each in watched.values() if each["userLabels"]["alert"] == "slow-answers")
        tuned["conditions"][0]["conditionThreshold"]["thresholdValue"] = 8000
        target = replace(TARGET, work=tmp_path, origins=(), operators=(), retention_days=0)
        cloud = Gcloud(PROJECT, run=running(recorder, gcloud, tmp_path))
        database.set_up(cloud, target)
        buckets.set_up(cloud, target)
        alerts.set_up(cloud, target)
        assert cloud.changes == 4 + len(watched) - 1
        fields = [field for key, field in recorder.cloud.resources.items() if key.endswith("/fields/expire_at")]
        assert len(fields) == 2
        assert all("ttlConfig" not in field and field["indexConfig"] == {} for field in fields)
        results = recorder.cloud.of("storage", "b")[f"{PROJECT}-haystack-results"]
        assert "Delete" not in {rule["action"]["type"] for rule in results["lifecycle"]["rule"]}
        assert results["cors"][0]["origin"] == [f"https://{DOMAIN}"]
        after = {
            each["userLabels"]["alert"]: each for each in recorder.cloud.of("monitoring", "alertPolicies").values()
        }
        assert after["bugs"]["notificationChannels"] == [f"projects/{PROJECT}/notificationChannels/pager"]
        assert after["bugs"]["userLabels"]["content"] != "that of an older file"
        # Regression: without --notify, the address of an earlier deployment went on getting alerts.
        assert not any(each.get("notificationChannels") for name, each in after.items() if name != "bugs")
        assert after["slow-answers"]["conditions"] == tuned["conditions"]


def test_production_is_switched_on_and_off_for_an_existing_database_which_is_protected_again(
    deployment: Deployment, gcloud: Path, tmp_path: Path
) -> None:
    """Regression: a deployment with --production after one without it kept no history of Firestore."""
    with deployment.copied() as recorder:
        stored = f"firestore/projects/{PROJECT}/databases/(default)"
        recorder.cloud.resources[stored]["deleteProtectionState"] = "DELETE_PROTECTION_DISABLED"
        for production in (True, False):
            cloud = Gcloud(PROJECT, run=running(recorder, gcloud, tmp_path))
            database.set_up(cloud, replace(TARGET, work=tmp_path, production=production))
            found = recorder.cloud.resources[stored]
            assert cloud.changes == 1
            assert found["deleteProtectionState"] == "DELETE_PROTECTION_ENABLED"
            assert found["pointInTimeRecoveryEnablement"].endswith("_ENABLED") is production


def test_preflights_no_longer_pass_iap_when_no_other_origin_may_call(
    deployment: Deployment, gcloud: Path, tmp_path: Path
) -> None:
    """Regression: after a deployment without --origins, IAP still passed requests without identity."""
    with deployment.copied() as recorder:
        cloud = Gcloud(PROJECT, run=running(recorder, gcloud, tmp_path))
        for changes in (len(BALANCED), len(BALANCED)):
            frontend.allow_preflights(cloud, replace(TARGET, work=tmp_path, origins=()))
            assert cloud.changes == changes
        settings = [each for key, each in recorder.cloud.resources.items() if key.startswith("iap/")]
        assert not any(each["accessSettings"]["corsSettings"].get("allowHttpOptions") for each in settings)


def test_a_service_that_was_never_deployed_can_be_destroyed(gcloud: Path, tmp_path: Path) -> None:
    """Regression: destroy waited for APIs that nobody had enabled, and failed."""
    repository = repository_in(tmp_path)
    with recording(PROJECT, NUMBER) as recorder:
        recorder.cloud.denied = dict.fromkeys(
            ("^monitoring/", "^compute/", "^cloudscheduler/", "^run/", "^secretmanager/"), ""
        )
        run = deploy(recorder, repository, gcloud, "destroy", *WHERE, "--yes")
    assert run.code == 0, run.stderr
    assert f"Nothing of the service haystack (prod) in {PROJECT}, {REGION} was found." in run.stdout


def test_bindings_that_no_release_wants_any_more_are_removed(
    deployment: Deployment, gcloud: Path, tmp_path: Path
) -> None:
    with deployment.copied() as recorder:
        job, policies_of = f"serviceAccount:haystack-job{ACCOUNT}", recorder.cloud.policies
        project = policies_of[f"cloudresourcemanager/projects/{PROJECT}"]["bindings"]
        wanted = recorder.cloud.granted("cloudresourcemanager", PROJECT)
        once = {"title": "once", "expression": 'resource.name != "a,b"', "description": "by hand, with a comma"}
        people = {"role": "roles/editor", "members": ["user:ada@example.org"]}
        project += [{"role": "roles/editor", "members": [job]}, people]
        # Releases before 0.2 let jobs replace and delete results.
        results = policies_of[f"storage/b/{PROJECT}-haystack-results"]["bindings"]
        results.append({"role": "roles/storage.objectUser", "members": [job]})
        project.append({"role": "roles/run.developer", "members": [job], "condition": once})
        opened = policies_of[next(key for key in policies_of if key.startswith("run/") and key.endswith("-list"))]
        opened["bindings"].append({"role": "roles/run.invoker", "members": ["allUsers"]})
        target = replace(TARGET, work=tmp_path, llm_providers=("anthropic",))
        cloud = Gcloud(PROJECT, run=running(recorder, gcloud, tmp_path))
        stale = [*iam.bind_resources(cloud, target), *iam.bind_functions(cloud, target, FUNCTIONS)]
        policies.remove(cloud, target, stale)
        assert cloud.changes == 5
        assert ("roles/storage.objectUser", job) not in recorder.cloud.granted("storage", f"{PROJECT}-haystack-results")
        left = recorder.cloud.granted("cloudresourcemanager", PROJECT)
        assert left == wanted | {("roles/editor", "user:ada@example.org")}
        assert recorder.cloud.granted("secretmanager", LLM_SECRETS["openai"]) == set()
        assert "allUsers" not in json.dumps(policies_of)


def test_a_project_that_may_not_build_in_its_region_builds_elsewhere_and_jobs_find_their_network(
    deployment: Deployment, gcloud: Path
) -> None:
    with deployment.copied() as recorder:
        recorder.cloud.resources[f"compute/projects/{PROJECT}/regions/{REGION}/subnetworks/inside"] = {
            "name": "inside",
            "privateIpGoogleAccess": True,
        }
        options = (
            "--build-region=us-central1",
            "--network=lab",
            "--subnet=inside",
            "--no-external-ip",
            "--only=create",
        )
        run = deploy(recorder, deployment.repository, gcloud, *UP, *options)
        assert run.code == 0, run.stderr
        (build,) = [each for each in run.requests if each.method == "POST" and each.path.endswith("/builds")]
        assert "/locations/us-central1/" in build.path
        assert build.body["steps"][0]["args"][0] == "build"
        created = recorder.cloud.of("run", "services")["haystack-create"]
        container = created["spec"]["template"]["spec"]["containers"][0]
        assert container["image"] == build.body["substitutions"]["_IMAGE"]
        given = {each["name"]: each.get("value", "") for each in container["env"]}
        assert given["JOB_SUBNETWORK"] == f"projects/{PROJECT}/regions/{REGION}/subnetworks/inside"
        again = deploy(recorder, deployment.repository, gcloud, *UP, *options)
        assert "# nothing to change" in again.stdout


def test_people_outside_an_organization_sign_in_with_the_operator_s_client_whose_secret_is_shown_nowhere(
    deployment: Deployment, gcloud: Path
) -> None:
    with deployment.copied() as recorder:
        recorder.cloud.organization = ""
        client, secret = "123456789012-abc.apps.googleusercontent.com", "GOCSPX-of-the-test"
        options = (*UP, "--only=list", f"--iap-client-id={client}")
        planned = deploy(recorder, deployment.repository, gcloud, *options, "--dry-run", typed=secret)
        first = deploy(recorder, deployment.repository, gcloud, *options, typed=f"{secret}\n")
        assert first.code == 0, first.stderr
        assert recorder.cloud.secrets["haystack-iap-client-secret"] == secret
        backends = recorder.cloud.of("compute", "backendServices")
        state = {"enabled": True, "oauth2ClientId": client}
        state["oauth2ClientSecretSha256"] = hashlib.sha256(secret.encode()).hexdigest()
        assert [backends[f"haystack-{name}"]["iap"] for name in BALANCED] == [state] * len(BALANCED)
        for later in (("--only=list",), (*options[len(UP) :],)):  # without the option, and without the secret
            again = deploy(recorder, deployment.repository, gcloud, *UP, *later)
            assert "# nothing to change" in again.stdout, again.stderr
        assert planned.stdout.count("--flags-file=-") == first.stdout.count("--flags-file=-") == len(BALANCED)
        assert secret not in planned.stdout + planned.stderr + first.stdout + first.stderr
        logs = [path.read_text() for path in (deployment.repository / "gcloud-config").rglob("*.log")]
        assert logs
        assert not [text for text in logs if secret in text]


def test_destroy_deletes_nothing_until_the_project_is_named(deployment: Deployment, gcloud: Path) -> None:
    with deployment.copied() as recorder:
        run = deploy(recorder, deployment.repository, gcloud, "destroy", *WHERE, typed="yes\n")
        assert run.code == 1
        assert "nothing was deleted" in run.stderr
        assert not [each for each in recorder.requests if each.method == "DELETE"]


def test_destroy_takes_everything_down_but_the_data(deployment: Deployment, gcloud: Path) -> None:
    with deployment.copied() as recorder:
        before = {key for key in recorder.cloud.resources if key.startswith(DATA)}
        secret = f"projects/{PROJECT}/secrets/haystack-iap-client-secret"
        recorder.cloud.resources[f"secretmanager/{secret}"] = {"name": secret}
        run = deploy(recorder, deployment.repository, gcloud, "destroy", *WHERE, typed=f"{PROJECT}\n")
        assert run.code == 0, run.stderr
        left = {key for key in recorder.cloud.resources if not key.startswith(LEFT)}
        assert {key.split("/secrets/")[1].split("/")[0] for key in left} == set(
            LLM_SECRETS.values()
        )  # created by operators
        assert {key for key in recorder.cloud.resources if key.startswith(DATA)} == before
        assert not any("haystack-" in member for _, member in recorder.cloud.granted("cloudresourcemanager", PROJECT))
        # Regression: the keys of language models stay, and kept the binding of an account that no longer exists.
        for key in LLM_SECRETS.values():
            assert recorder.cloud.granted("secretmanager", key) == set()


def test_data_is_deleted_only_when_told_twice(deployment: Deployment, gcloud: Path) -> None:
    with deployment.copied() as recorder:
        once = deploy(recorder, deployment.repository, gcloud, "destroy", *WHERE, "--yes", "--data")
        assert once.code == 1
        assert "--yes-delete-data" in once.stderr
        assert not [each for each in recorder.requests if each.method == "DELETE"]


def test_data_goes_when_told_twice(deployment: Deployment, gcloud: Path) -> None:
    with deployment.copied() as recorder:
        for key in [key for key in recorder.cloud.resources if not key.startswith(DATA)]:
            del recorder.cloud.resources[key]  # the service itself is down already
        run = deploy(recorder, deployment.repository, gcloud, "destroy", *WHERE, "--yes", "--data", "--yes-delete-data")
        assert run.code == 0, run.stderr
        assert not [name for name in recorder.cloud.of("storage", "b") if "haystack" in name]
        assert recorder.cloud.of("firestore", "databases") == {}


def test_a_dry_run_prints_commands_and_changes_nothing(deployment: Deployment, gcloud: Path) -> None:
    with deployment.copied() as recorder:
        recorder.cloud.resources = {k: v for k, v in recorder.cloud.resources.items() if "haystack-sweep" not in k}
        run = deploy(recorder, deployment.repository, gcloud, *UP, "--dry-run")
        assert run.code == 0, run.stderr
        commands = [line for line in run.stdout.splitlines() if not line.startswith("#")]
        assert len(commands) == 1
        assert commands[0].startswith("gcloud scheduler jobs create http haystack-sweep ")
        assert not [each for each in recorder.requests if each.method != "GET" and "IamPolicy" not in each.path]
        assert not [each for each in recorder.requests if "setIamPolicy" in each.path]


@pytest.mark.parametrize(
    "check", [access.functions, access.proxy, access.members, jobs.atlases, jobs.notifications, project.apis]
)
def test_the_doctor_finds_what_was_deployed_complete(
    deployment: Deployment, gcloud: Path, tmp_path: Path, check: Check
) -> None:
    with deployment.copied() as recorder:
        findings = Examination(recorder, gcloud, tmp_path / "gcloud-config").findings(check)
    assert findings[0].level is Level.OK, findings
    assert Level.FIX not in {finding.level for finding in findings}
