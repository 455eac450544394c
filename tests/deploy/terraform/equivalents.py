"""The Terraform resources that are equivalent to the commands of `deploy.sh`, with the values that the commands set."""

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Values = dict[str, Any]
Resources = dict[tuple[str, str], Values]

# Commands without an equivalent, with the reason.
EXCEPTIONS: Final = {
    "builds submit": "`python -m deploy.terraform images` or CI builds images; variables name them",
    "artifacts docker tags add": "`python -m deploy.terraform images` tags the image that jobs use",
    "compute url-maps validate": "a check, which creates nothing",
}
JOB_DIGEST: Final = f"sha256:{hashlib.sha256(b'job').hexdigest()}"
# What a dry run looks up and the provider of the tests computes.
LOOKUPS: Final = (
    (
        r"\$\(gcloud compute backend-services describe (\S+) --global '--format=value\(id\)' \S+?\)",
        r"generated_id of \1",
    ),
    (
        r"\$\(gcloud beta monitoring channels list --filter=labels.email_address=(\S+) '--format=value\(name\)' \S+?\)",
        r"name of HAYSTACK: \1",
    ),
    (r"\$\(gcloud artifacts docker images describe \S+ '--format=value\(image_summary.digest\)'\)", JOB_DIGEST),
)
# The attributes that identify a resource; of the others, the name.
IDENTITY: Final[Mapping[str, tuple[str, ...]]] = {
    "google_artifact_registry_repository": ("repository_id",),
    "google_firestore_field": ("database", "collection", "field"),
    "google_firestore_index": ("database", "collection", "fields"),
    "google_monitoring_alert_policy": ("display_name",),
    "google_monitoring_notification_channel": ("display_name",),
    "google_project_service": ("service",),
    "google_project_service_identity": ("service",),
    "google_secret_manager_secret": ("secret_id",),
    "google_service_account": ("account_id",),
}
# Of a binding: the resource and its kind.
BOUND: Final = {
    "projects": ("google_project_iam_member", "project"),
    "iam service-accounts": ("google_service_account_iam_member", "service_account_id"),
    "storage buckets": ("google_storage_bucket_iam_member", "bucket"),
    "pubsub topics": ("google_pubsub_topic_iam_member", "topic"),
    "secrets": ("google_secret_manager_secret_iam_member", "secret_id"),
    "artifacts repositories": ("google_artifact_registry_repository_iam_member", "repository"),
    "run services": ("google_cloud_run_v2_service_iam_member", "name"),
    "iap web": ("google_iap_web_backend_service_iam_member", "web_backend_service"),
}
MAPS: Final = {"userLabels"}


@dataclass(frozen=True)
class Command:
    """A command of gcloud, without `gcloud` itself."""

    words: tuple[str, ...]
    flags: Mapping[str, list[str]]

    @classmethod
    def parse(cls, line: str) -> "Command":
        """Parse a line of a dry run; what generates a secret is left out."""
        for pattern, known in LOOKUPS:
            line = re.sub(pattern, known, line)
        arguments = shlex.split(line[line.index("gcloud ") :])[1:]
        flags: dict[str, list[str]] = {}
        for each in arguments:
            if each.startswith("--"):
                name, _, value = each[2:].partition("=")
                flags.setdefault(name, []).append(value)
        return cls(tuple(each for each in arguments if not each.startswith("--")), flags)

    def __getitem__(self, flag: str) -> str:
        (value,) = self.flags[flag]
        return value

    def file(self, flag: str) -> Any:  # noqa: ANN401  # JSON
        """Return the content of the file that a flag names."""
        return json.loads(Path(self[flag]).read_text())

    @property
    def last(self) -> str:
        """Return the last word, which is the name of a resource."""
        return self.words[-1]


def resources(lines: Iterable[str]) -> Resources:
    """Return the resources that these commands of a dry run create, with their values."""
    found: Resources = {}
    for line in lines:
        command = Command.parse(line)
        for kind, values in _equivalents(command):
            found.setdefault(identity(kind, values), {}).update(values)
    return found


def identity(kind: str, values: Values) -> tuple[str, str]:
    """Return what identifies a resource."""
    if kind.endswith("_iam_member"):
        resource = next(name for each, name in BOUND.values() if each == kind)
        conditions = [each["expression"] for each in values.get("condition") or []]
        return kind, json.dumps([values[resource], values["role"], values["member"], *conditions])
    named = [values[name] for name in IDENTITY.get(kind, ("name",))]
    if kind == "google_firestore_index":
        named[-1] = [each["field_path"] for each in values["fields"]]
    return kind, json.dumps(named)


def blocks(value: Any) -> Any:  # noqa: ANN401  # JSON
    """Return JSON of an API as a plan shows it: names in snake case, and each nested object as a block, which is a list."""
    if isinstance(value, list):
        return [blocks(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name): (
            each if name in MAPS else [blocks(each)] if isinstance(each, dict) else blocks(each)
        )
        for name, each in value.items()
    }


def _equivalents(command: Command) -> list[tuple[str, Values]]:
    text = " ".join(command.words)
    if any(text.startswith(words) for words in EXCEPTIONS):
        return []
    if "add-iam-policy-binding" in command.words:
        return [_binding(command)]
    if text.startswith("services enable "):
        return [("google_project_service", {"service": api}) for api in command.words[2:]]
    for words, (kind, values) in KINDS.items():
        if text.startswith(words):
            return [(kind, values(command))]
    raise LookupError(f"no equivalent and no exception: gcloud {text}")


def _binding(command: Command) -> tuple[str, Values]:
    words = " ".join(command.words[: command.words.index("add-iam-policy-binding")])
    kind, attribute = BOUND[words]
    resource = command["service"] if words == "iap web" else command.last.removeprefix("gs://")
    if words == "iam service-accounts":
        resource = f"projects/{command['project']}/serviceAccounts/{resource}"
    values: Values = {attribute: resource, "role": command["role"], "member": command["member"]}
    given = command.flags.get("condition", ["None"])[0]
    if given != "None":
        title, _, expression = given.removeprefix("title=").partition(",expression=")
        values["condition"] = [{"title": title, "expression": expression}]
    return kind, values


def _function(command: Command) -> Values:
    environment = dict(each.split("=", 1) for each in command["set-env-vars"].removeprefix("^;^").split(";"))
    env: list[Values] = [{"name": name, "value": value} for name, value in sorted(environment.items())]
    for each in command.flags.get("set-secrets", [""])[0].split(",") if "set-secrets" in command.flags else ():
        name, _, secret = each.partition("=")
        secret, _, version = secret.partition(":")
        env.append({"name": name, "value_source": [{"secret_key_ref": [{"secret": secret, "version": version}]}]})
    ingress = {"internal": "ONLY", "internal-and-cloud-load-balancing": "LOAD_BALANCER"}[command["ingress"]]
    resources = {"limits": {"cpu": command["cpu"], "memory": command["memory"]}, "startup_cpu_boost": True}
    template = {
        "service_account": command["service-account"],
        "timeout": f"{command['timeout']}s",
        "max_instance_request_concurrency": int(command["concurrency"]),
        "scaling": [{"max_instance_count": int(command["max-instances"])}],
        "containers": [{"image": command["image"], "resources": [resources], "env": env}],
    }
    return {
        "name": command.last,
        "location": command["region"],
        "ingress": f"INGRESS_TRAFFIC_INTERNAL_{ingress}",
        "scaling": [{"min_instance_count": int(command["min"])}],
        "template": [template],
    }


def _bucket(command: Command) -> Values:
    values: Values = {"name": command.last.removeprefix("gs://")}
    if "location" in command.flags:
        values |= {"location": command["location"], "uniform_bucket_level_access": True}
        values |= {"public_access_prevention": "enforced", "cors": []}
    if "lifecycle-file" in command.flags:
        values["lifecycle_rule"] = blocks(command.file("lifecycle-file")["rule"])
    if "cors-file" in command.flags:
        values["cors"] = blocks(command.file("cors-file"))
    return values


def _cleanup(command: Command) -> Values:
    policies = [
        {"id": each.pop("name"), "action": each.pop("action")["type"], **blocks(each)}
        for each in command.file("policy")
    ]
    assert "no-dry-run" in command.flags
    by_id = sorted(policies, key=lambda each: str(each["id"]))
    return {"repository_id": command.last, "cleanup_policies": by_id, "cleanup_policy_dry_run": False}


def _database(command: Command) -> Values:
    state = "ENABLED" if "enable-pitr" in command.flags else "DISABLED"
    assert "delete-protection" in command.flags
    return {
        "name": command["database"],
        "location_id": command["location"],
        "type": command["type"].upper().replace("-", "_"),
        "delete_protection_state": "DELETE_PROTECTION_ENABLED",
        "point_in_time_recovery_enablement": f"POINT_IN_TIME_RECOVERY_{state}",
    }


def _index(command: Command) -> Values:
    pairs = [dict(part.split("=") for part in each.split(",")) for each in command.flags["field-config"]]
    fields = [{"field_path": each["field-path"], "order": each["order"].upper()} for each in pairs]
    return {
        "database": command["database"],
        "collection": command["collection-group"],
        "query_scope": command["query-scope"],
        "fields": fields,
    }


def _field(command: Command) -> Values:
    values: Values = {"database": command["database"], "collection": command["collection-group"], "field": command.last}
    if "enable-ttl" in command.flags:
        return {**values, "ttl_config": [{}]}
    assert "disable-indexes" in command.flags
    return {**values, "index_config": [{}], "ttl_config": []}


def _backend(command: Command) -> Values:
    if "network-endpoint-group" in command.flags:
        return {"name": command.last, "backend": [{"group": f"id of {command['network-endpoint-group']}"}]}
    logging = {"enable": "enable-logging" in command.flags, "sample_rate": float(command["logging-sample-rate"])}
    assert command["iap"] == "enabled"
    scheme = command["load-balancing-scheme"]
    return {"name": command.last, "load_balancing_scheme": scheme, "iap": [{"enabled": True}], "log_config": [logging]}


def _forwarding_rule(command: Command) -> Values:
    (proxy,) = [value for name, (value,) in command.flags.items() if name.startswith("target-")]
    return {
        "name": command.last,
        "load_balancing_scheme": command["load-balancing-scheme"],
        "ip_address": f"id of {command['address']}",
        "target": f"id of {proxy}",
        "port_range": command["ports"],
    }


def _https_proxy(command: Command) -> Values:
    certificates = [f"id of {each}" for each in command["ssl-certificates"].split(",")]
    return {"name": command.last, "url_map": f"id of {command['url-map']}", "ssl_certificates": certificates}


def _url_map(command: Command) -> Values:
    found = command.file("source")
    for rule in [rule for matcher in found.get("pathMatchers", []) for rule in matcher["routeRules"]]:
        del rule["description"]  # Terraform has none
    text = re.sub(r"https://[^\"]+/backendServices/", "id of ", json.dumps(found))
    values: Values = blocks(json.loads(text))
    for plural in ("host_rules", "path_matchers"):
        if plural in values:
            values[plural.removesuffix("s")] = values.pop(plural)
    return values


def _subscription(command: Command) -> Values:
    token = {
        "service_account_email": command["push-auth-service-account"],
        "audience": command["push-auth-token-audience"],
    }
    assert command["message-retention-duration"] == "1d"
    assert command["expiration-period"] == "never"
    return {
        "name": command.last,
        "topic": command["topic"],
        "ack_deadline_seconds": int(command["ack-deadline"]),
        "message_retention_duration": "86400s",
        "expiration_policy": [{"ttl": ""}],
        "retry_policy": [
            {"minimum_backoff": command["min-retry-delay"], "maximum_backoff": command["max-retry-delay"]}
        ],
        "push_config": [{"push_endpoint": command["push-endpoint"], "oidc_token": [token]}],
    }


def _sweep(command: Command) -> Values:
    token = {"service_account_email": command["oidc-service-account-email"], "audience": command["oidc-token-audience"]}
    target = {
        "uri": command["uri"],
        "http_method": command["http-method"].upper(),
        "headers": dict([command["headers"].split("=")]),
        "body": "e30=",
        "oidc_token": [token],
    }
    assert command["message-body"] == "{}"
    return {
        "name": command.last,
        "region": command["location"],
        "schedule": command["schedule"],
        "time_zone": command["time-zone"],
        "attempt_deadline": command["attempt-deadline"],
        "retry_config": [{"retry_count": int(command["max-retry-attempts"])}],
        "http_target": [target],
    }


def _iap_settings(command: Command) -> Values:
    values: Values = blocks(json.loads(Path(command.last).read_text()))
    return {"name": f"IAP of {command['service']}", **values}


def _alert(command: Command) -> Values:
    found = command.file("policy-from-file")
    del found["userLabels"]["content"]  # it tells deploy.sh what changed; Terraform compares by itself
    values: Values = blocks(found)
    channels = command.flags.get("notification-channels", [])
    return {**values, "notification_channels": sorted(name for each in channels for name in each.split(","))}


def _channel(command: Command) -> Values:
    name, _, value = command["channel-labels"].partition("=")
    return {"display_name": command["display-name"], "type": command["type"], "labels": {name: value}}


KINDS: Final[Mapping[str, tuple[str, Callable[[Command], Values]]]] = {
    "alpha monitoring policies create": ("google_monitoring_alert_policy", _alert),
    "artifacts repositories create": (
        "google_artifact_registry_repository",
        lambda c: {"repository_id": c.last, "location": c["location"], "format": c["repository-format"].upper()},
    ),
    "artifacts repositories set-cleanup-policies": ("google_artifact_registry_repository", _cleanup),
    "beta monitoring channels create": ("google_monitoring_notification_channel", _channel),
    "beta services identity create": ("google_project_service_identity", lambda c: {"service": c["service"]}),
    "compute addresses create": (
        "google_compute_global_address",
        lambda c: {"name": c.last, "ip_version": c["ip-version"]},
    ),
    "compute backend-services": ("google_compute_backend_service", _backend),
    "compute forwarding-rules create": ("google_compute_global_forwarding_rule", _forwarding_rule),
    "compute network-endpoint-groups create": (
        "google_compute_region_network_endpoint_group",
        lambda c: {
            "name": c.last,
            "region": c["region"],
            "network_endpoint_type": c["network-endpoint-type"].upper(),
            "cloud_run": [{"service": c["cloud-run-service"]}],
        },
    ),
    "compute ssl-certificates create": (
        "google_compute_managed_ssl_certificate",
        lambda c: {"name": c.last, "managed": [{"domains": c["domains"].split(",")}]},
    ),
    "compute target-http-proxies create": (
        "google_compute_target_http_proxy",
        lambda c: {"name": c.last, "url_map": f"id of {c['url-map']}"},
    ),
    "compute target-https-proxies create": ("google_compute_target_https_proxy", _https_proxy),
    "compute url-maps import": ("google_compute_url_map", _url_map),
    "firestore databases create": ("google_firestore_database", _database),
    "firestore fields ttls update": ("google_firestore_field", _field),
    "firestore indexes composite create": ("google_firestore_index", _index),
    "firestore indexes fields update": ("google_firestore_field", _field),
    "iam service-accounts create": (
        "google_service_account",
        lambda c: {"account_id": c.last, "display_name": c["display-name"]},
    ),
    "iap settings set": ("google_iap_settings", _iap_settings),
    "pubsub subscriptions create": ("google_pubsub_subscription", _subscription),
    "pubsub topics create": ("google_pubsub_topic", lambda c: {"name": c.last}),
    "run deploy": ("google_cloud_run_v2_service", _function),
    "scheduler jobs create http": ("google_cloud_scheduler_job", _sweep),
    "secrets create": (
        "google_secret_manager_secret",
        lambda c: {"secret_id": c.last, "replication": [{c["replication-policy"].removesuffix("matic"): [{}]}]},
    ),
    "storage buckets": ("google_storage_bucket", _bucket),
}
