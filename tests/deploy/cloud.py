"""A fake of Google Cloud's APIs, as far as the deployment uses them: it stores, lists and returns what was created.

Operations finish immediately. A missing resource is 404, an existing one 409.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

Answer = tuple[int, Any]
Resource = dict[str, Any]

VERSION: Final = re.compile(
    r"^/(?:upload/)?(?:compute/v1|storage/v1|apis/serving\.knative\.dev/v1|v[0-9]+(?:(?:alpha|beta)[0-9]*)?)/"
)
ID_PARAMETERS: Final = ("databaseId", "repositoryId", "secretId")
LIST_KEYS: Final = {"compute": "items", "run": "items", "storage": "items", "serviceAccounts": "accounts"}
LONG_RUNNING: Final = frozenset({"firestore", "artifactregistry"})
COLLECTIONS: Final = frozenset({
    "addresses", "alertPolicies", "b", "backendServices", "builds", "databases", "dockerImages", "fields", "forwardingRules",
    "indexes", "jobs", "networkEndpointGroups", "networks", "notificationChannels", "repositories", "secrets",
    "serviceAccounts", "services", "sslCertificates", "subscriptions", "targetHttpProxies", "targetHttpsProxies", "topics",
    "urlMaps",
})  # fmt: skip


@dataclass(frozen=True)
class Upload:
    """A file that is uploaded to Cloud Storage."""

    content: bytes

    @classmethod
    def parse(cls, content_type: str, content: bytes) -> "Upload":
        """Extract the file from a multipart upload: the part after the metadata. The file is binary, so lines do not count."""
        boundary = content_type.partition("boundary=")[2].strip("\"'").encode()
        part = content.split(b"--" + boundary)[2]
        return cls(part.partition(b"\n\n")[2].removesuffix(b"\n"))


@dataclass
class Cloud:
    """One project.

    Attributes:
        project: project id.
        number: project number.
        organization: the domain of the project's organization; empty if it has none.
        folder: whether the project is in a folder of the organization.
        resources: everything in it, by API and path.
        policies: IAM policies, by API and path of their resource.
        enabled: the enabled APIs.
        builds: the builds of the job's image.
        images: the images that Cloud Build has pushed.
        secrets: the newest version of each secret that was given a value.
        org_policies: effective organization policies, by constraint.
        billing: whether billing is enabled.
        objects: the objects of buckets that have some.
        denied: permission that is missing, by a pattern of `API/path`; empty: the API is disabled.
    """

    project: str
    number: str
    organization: str = "example.org"
    folder: bool = False
    resources: dict[str, Resource] = field(default_factory=dict)
    policies: dict[str, Resource] = field(default_factory=dict)
    enabled: set[str] = field(default_factory=set)
    builds: list[Resource] = field(default_factory=list)
    images: list[dict[str, str]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    org_policies: dict[str, Resource] = field(default_factory=dict)
    billing: bool = True
    objects: dict[str, list[Resource]] = field(default_factory=dict)
    denied: dict[str, str] = field(default_factory=dict)
    _ids: Any = field(default_factory=lambda: count(7_000_000_001))

    def answer(self, method: str, api: str, path: str, query: Mapping[str, str], body: Any) -> Answer:  # noqa: ANN401
        """Apply a request and return the response."""
        place = VERSION.sub("", path).replace("projects/-/", f"projects/{self.project}/")
        if refusal := self._refused(f"{api}/{place}"):
            return refusal
        if place.endswith(":getEffectiveOrgPolicy"):
            constraint = body["constraint"].removeprefix("constraints/")
            return 200, {"constraint": body["constraint"], **self.org_policies.get(constraint, {})}
        if isinstance(body, Upload):
            size = str(len(body.content))  # gcloud compares it with the size of the file
            return 200, {"bucket": place.split("/")[1], "name": query["name"], "generation": "1", "size": size}
        special = getattr(self, f"_{api}", None)
        answer: Answer | None = special(method, place, query, body) if special else None
        if answer is None and (verb := re.search(r":(get|set)IamPolicy$|/iam$", place)):
            answer = self._policy(f"{api}/{place[: verb.start()]}", body, writes=verb[1] == "set" or method == "PUT")
        return answer or self._plain(method, api, place, query, body)

    def of(self, api: str, collection: str) -> dict[str, Resource]:
        """Return the resources of one kind, by the last part of their path."""
        return {
            key.rpartition("/")[2]: resource
            for key, resource in self.resources.items()
            if key.startswith(f"{api}/") and key.split("/")[-2] == collection
        }

    def granted(self, api: str, name: str) -> set[tuple[str, str]]:
        """Return role and member of each binding on the resource whose path ends with the name."""
        return {
            (binding["role"], member)
            for key, policy in self.policies.items()
            if key.startswith(f"{api}/") and key.rpartition("/")[2] == name
            for binding in policy.get("bindings", [])
            for member in binding["members"]
        }

    def _refused(self, key: str) -> Answer | None:
        """Return the refusal of a caller who lacks a permission, or whose project lacks the API."""
        for pattern, permission in self.denied.items():
            if re.search(pattern, key) and not permission:
                api = key.partition("/")[0]
                message = f"{api}.googleapis.com has not been used in project {self.number} before or it is disabled."
                reason = {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "SERVICE_DISABLED",
                    "domain": "googleapis.com",
                    "metadata": {"service": f"{api}.googleapis.com", "consumer": f"projects/{self.number}"},
                }
                code, body = _error(403, "PERMISSION_DENIED", message)
                return code, {"error": {**body["error"], "details": [reason]}}
            if re.search(pattern, key):
                message = f"Permission '{permission}' denied on resource '{key}' (or it may not exist)."
                return _error(403, "PERMISSION_DENIED", message)
        return None

    def _cloudbilling(self, *_: object) -> Answer:
        account = "billingAccounts/012345-6789AB-CDEF01" if self.billing else ""
        return 200, {"projectId": self.project, "billingAccountName": account, "billingEnabled": self.billing}

    def _plain(self, method: str, api: str, place: str, query: Mapping[str, str], body: Any) -> Answer:  # noqa: ANN401
        key = f"{api}/{place}"
        if method == "GET":
            return self._found(api, place)
        if method == "POST":
            return self._created(api, place, query, body)
        if method == "PUT" and api == "pubsub":
            return self._stored(api, place, {**body, "name": place})
        if method == "PATCH" or key in self.resources:
            cleared = query.get("updateMask", "") if api == "monitoring" else ""
            return self._deleted(api, place) if method == "DELETE" else self._changed(api, place, body, cleared)
        return _missing(place)

    def _found(self, api: str, place: str) -> Answer:
        last = place.rpartition("/")[2]
        if last in COLLECTIONS:
            return 200, self._listed(api, place, last)
        found = self.resources.get(f"{api}/{place}")
        return _missing(place) if found is None else (200, found)

    def _changed(self, api: str, place: str, body: Resource, mask: str = "") -> Answer:
        resource = {**self.resources.get(f"{api}/{place}", {"name": place}), **body}
        for masked in filter(None, mask.split(",")):  # a field of the mask that the body leaves out is cleared
            name = re.sub("_([a-z])", lambda found: found[1].upper(), masked)
            if name not in body:
                resource.pop(name, None)
        self.resources[f"{api}/{place}"] = resource
        return 200, self._operation(api, place, resource)

    def _deleted(self, api: str, place: str) -> Answer:
        del self.resources[f"{api}/{place}"]
        if "/repositories/" in place or "/secrets/" in place:  # its tags or versions go with it
            for key in [key for key in self.resources if key.startswith(f"{api}/{place}/")]:
                del self.resources[key]
        if api == "compute" or api in LONG_RUNNING:
            return 200, {**self._operation(api, place, {}), "operationType": "delete"}
        return 200, {}

    def _created(self, api: str, place: str, query: Mapping[str, str], body: Any) -> Answer:  # noqa: ANN401
        named = next((query[name] for name in ID_PARAMETERS if name in query), None)
        name = named or body.get("metadata", body).get("name") or str(next(self._ids))
        full = f"{place}/{name.rpartition('/')[2]}"
        resource = dict(body)
        if api == "compute":
            link = f"http://compute.recorder/compute/v1/{full}"
            resource |= {"name": name, "id": str(next(self._ids)), "selfLink": link, "fingerprint": "Zg=="}
            if region := re.search(r".*/regions/[^/]+", link):
                resource["region"] = region[0]
        elif api == "storage":
            resource["id"] = name
        elif api != "run":
            resource["name"] = full
        return self._stored(api, full, resource)

    def _stored(self, api: str, full: str, resource: Resource) -> Answer:
        if f"{api}/{full}" in self.resources:
            return _error(409, "ALREADY_EXISTS", f"The resource '{full}' already exists")
        self.resources[f"{api}/{full}"] = resource
        return 200, self._operation(api, full, resource)

    def _listed(self, api: str, place: str, last: str) -> Resource:
        prefix = re.escape(f"{api}/{place}/").replace(r"/\-/", "/[^/]+/").replace("/aggregated/", "/.+/")
        found = [item for key, item in self.resources.items() if re.fullmatch(f"{prefix}[^/]+", key)]
        if "/aggregated/" in place:
            return {"items": {"regions/all": {last: found}}}
        return {LIST_KEYS.get(api) or LIST_KEYS.get(last, last): found}

    def _operation(self, api: str, full: str, resource: Resource) -> Resource:
        if api == "compute":
            link = f"http://compute.recorder/compute/v1/{full}"
            scope = link.rpartition("/")[0].rpartition("/")[0]
            operation = {
                "kind": "compute#operation",
                "operationType": "insert",
                "name": "operation-1",
                "status": "DONE",
                "progress": 100,
                "targetLink": link,
                "selfLink": f"{scope}/operations/operation-1",
            }
            return {**operation, "region": scope} if "/regions/" in scope else operation
        if api in LONG_RUNNING:
            parent = "/".join(full.split("/")[:4])  # the project with its location, or its database
            return {
                "name": f"{parent}/operations/1",
                "done": True,
                "metadata": {"@type": "type"},
                "response": {"@type": "type", **resource},
            }
        return resource

    def _policy(self, key: str, body: Any, *, writes: bool) -> Answer:  # noqa: ANN401
        if writes:
            self.policies[key] = body.get("policy", body)
        return 200, {"etag": "BwXhqDVEGuc=", "version": 1, **self.policies.get(key, {})}

    # Special cases of each API; None means the plain response.

    def _cloudresourcemanager(self, method: str, place: str, *_: object) -> Answer | None:
        organization = {"type": "organization", "id": "1234567890"}
        parent = {"type": "folder", "id": "987"} if self.folder else organization
        if method == "GET" and place == f"projects/{self.project}":
            project = {"projectId": self.project, "projectNumber": self.number, "lifecycleState": "ACTIVE"}
            return 200, {**project, "parent": parent} if self.organization else project
        if place == f"projects/{self.project}:getAncestry":
            above = [parent, organization] if self.folder else [organization]
            chain = [{"type": "project", "id": self.project}, *(above if self.organization else [])]
            return 200, {"ancestor": [{"resourceId": each} for each in chain]}
        if place == f"organizations/{organization['id']}" and self.organization:
            return 200, {"name": place, "displayName": self.organization, "lifecycleState": "ACTIVE"}
        return None

    def _serviceusage(self, method: str, place: str, _: object, body: Any) -> Answer | None:  # noqa: ANN401
        if place.endswith(":batchEnable"):
            self.enabled.update(body["serviceIds"])
            return 200, {"name": "operations/enable", "done": True, "response": {}}
        if place.endswith(":enable"):
            self.enabled.add(place.rpartition("/")[2].removesuffix(":enable"))
            return 200, {"name": "operations/enable", "done": True, "response": {}}
        if place.endswith(":generateServiceIdentity"):
            email = f"service-{self.number}@gcp-sa-iap.iam.gserviceaccount.com"
            return 200, {"name": "operations/identity", "done": True, "response": {"email": email, "uniqueId": "1"}}
        if method == "GET" and place.endswith("/services"):
            names = (f"projects/{self.number}/services/{name}" for name in sorted(self.enabled))
            return 200, {"services": [{"name": name, "state": "ENABLED"} for name in names]}
        if method == "GET":
            name = place.rpartition("/")[2]
            return 200, {"name": place, "state": "ENABLED" if name in self.enabled else "DISABLED"}
        return None

    def _iam(self, method: str, place: str, _: object, body: Any) -> Answer | None:  # noqa: ANN401
        if method == "POST" and place.endswith("/serviceAccounts"):
            email = f"{body['accountId']}@{self.project}.iam.gserviceaccount.com"
            account = {**body["serviceAccount"], "name": f"{place}/{email}", "email": email}
            return self._stored("iam", f"{place}/{email}", account)
        return None

    def _artifactregistry(self, method: str, place: str, query: Mapping[str, str], body: Any) -> Answer | None:  # noqa: ANN401
        if "/tags" in place:
            return self._tags(method, place, query, body)
        if method == "PATCH":  # the API writes durations without a fraction
            return self._changed("artifactregistry", place, json.loads(json.dumps(body).replace('.0s"', 's"')))
        if method == "GET" and place.endswith("/packages"):
            return 200, {}
        if method == "GET" and place.endswith("/versions"):
            package = place.removesuffix("/versions")
            versions = [
                {
                    "name": f"{place}/{image['digest']}",
                    "relatedTags": [
                        {"name": f"{package}/tags/{image['tag']}"},
                        *(
                            {"name": key.removeprefix("artifactregistry/")}
                            for key, tag in self.resources.items()
                            if key.startswith(f"artifactregistry/{package}/tags/")
                            and tag["version"].endswith(image["digest"])
                        ),
                    ],
                    "updateTime": "2026-01-01T00:00:00Z",
                }
                for image in self.images
                if package.endswith(f"/{image['package'].rpartition('/')[2]}")
            ]
            return (200, {"versions": versions}) if versions else _missing(place)
        return None

    def _tags(self, method: str, place: str, query: Mapping[str, str], body: Any) -> Answer:  # noqa: ANN401
        """Create, return or delete a tag of an image; these are no operations."""
        key = f"artifactregistry/{place}"
        if method == "POST":
            self.resources[f"{key}/{query['tagId']}"] = body
            return 200, body
        if key not in self.resources:
            return _missing(place)
        return 200, self.resources.pop(key) if method == "DELETE" else self.resources[key]

    def _firestore(self, method: str, place: str, query: Mapping[str, str], body: Any) -> Answer | None:  # noqa: ANN401
        """Change a field's index or its time-to-live; a mask that the body lacks removes the setting."""
        if method != "PATCH" or "/fields/" not in place:
            return None
        mask = query["updateMask"]
        field = {"name": place, **self.resources.get(f"firestore/{place}", {})}
        field.pop(mask, None)
        if mask in body:
            field[mask] = {**body[mask], "state": "ACTIVE"} if mask == "ttlConfig" else body[mask]
        self.resources[f"firestore/{place}"] = field
        return 200, self._operation("firestore", place, field)

    def _iap(self, method: str, place: str, _: object, body: Any) -> Answer | None:  # noqa: ANN401
        """Replace the settings of a backend as a whole."""
        if not place.endswith(":iapSettings"):
            return None
        if method == "PATCH":
            self.resources[f"iap/{place}"] = body
        return 200, {"name": place, **self.resources.get(f"iap/{place}", {})}

    def _compute(self, method: str, place: str, _: object, body: Any) -> Answer | None:  # noqa: ANN401
        if method in {"POST", "PATCH"} and isinstance(body.get("iap"), dict):
            body["iap"] = self._iap_of_backend(place, body["iap"])
        if place.endswith("/validate"):
            return 200, {"result": {"loadSucceeded": True, "testPassed": True}}
        if "/operations/" in place:
            return 200, self._operation("compute", place, {})
        return None

    def _iap_of_backend(self, place: str, sent: Resource) -> Resource:
        """Return IAP's state of a backend: the hash stands for the secret, and what is not sent stays."""
        state = {**self.resources.get(f"compute/{place}", {}).get("iap", {}), **sent}
        if secret := state.pop("oauth2ClientSecret", None):
            state["oauth2ClientSecretSha256"] = hashlib.sha256(secret.encode()).hexdigest()
        return state

    def _run(self, method: str, place: str, _: object, body: Any) -> Answer | None:  # noqa: ANN401
        if place.endswith("builds:submit"):
            build = {
                "name": place.replace(":submit", "/1"),
                "id": "1",
                "projectId": self.project,
                "logUrl": "http://log",
            }
            operation = {"name": "operations/run-build", "metadata": {"@type": _BUILD_METADATA, "build": build}}
            return 200, {"buildOperation": operation, "baseImageUri": body["buildpackBuild"]["baseImage"]}
        if method in {"POST", "PUT"} and "namespaces/" in place:
            body["metadata"]["generation"] = 1
            body["status"] = {
                "observedGeneration": 1,
                "conditions": [
                    {"type": kind, "status": "True"} for kind in ("Ready", "ConfigurationsReady", "RoutesReady")
                ],
                "url": "https://function.run.app",
                "latestReadyRevisionName": "revision-1",
                "latestCreatedRevisionName": "revision-1",
                "traffic": [{"revisionName": "revision-1", "percent": 100, "latestRevision": True}],
            }
        return None

    def _secretmanager(self, method: str, place: str, _: object, body: Any) -> Answer | None:  # noqa: ANN401
        if method == "GET" and place.endswith("/versions/latest:access"):
            secret = self.secrets.get(place.split("/")[3])
            payload = {"data": base64.b64encode((secret or "").encode()).decode()}
            return (200, {"name": place, "payload": payload}) if secret else _missing(place)
        if method == "POST" and place.endswith(":addVersion"):
            name = place.removesuffix(":addVersion").rpartition("/")[2]
            self.secrets[name] = base64.b64decode(body["payload"]["data"]).decode()
            version = {"name": place.replace(":addVersion", "/versions/1"), "state": "ENABLED"}
            self.resources[f"secretmanager/{place.replace(':addVersion', '/versions/latest')}"] = version
            return 200, {**version, "clientSpecifiedPayloadChecksum": True}
        return (200, {}) if place.endswith("/versions") else None

    def _storage(self, method: str, place: str, *_: object) -> Answer | None:
        if method == "GET" and place.endswith("/o") and (objects := self.objects.get(place.split("/")[1])):
            return 200, {"items": objects}
        empty = method == "GET" and place.endswith(("/o", "/storageLayout", "/managedFolders"))
        return (200, {}) if empty else None

    def _cloudbuild(self, method: str, place: str, _: object, body: Any) -> Answer | None:  # noqa: ANN401
        build = {"@type": _BUILD, "id": "1", "name": place, "projectId": self.project, "status": "SUCCESS"}
        if method == "POST" and place.endswith("/builds"):
            package, _, tag = body["substitutions"]["_IMAGE"].rpartition(":")
            self.builds.append({**body, **build, "name": f"{place}/1"})
            build = self.builds[-1]
            digest = f"sha256:{hashlib.sha256(tag.encode()).hexdigest()}"
            self.images.append({"package": package, "digest": digest, "tag": tag})
            return 200, {
                "name": "operations/build",
                "done": True,
                "metadata": {"@type": _BUILD_METADATA, "build": build},
            }
        if method == "GET" and "operations" in place:
            results = {"images": [{"name": "image", "digest": f"sha256:{'a' * 64}"}]}
            return 200, {"name": place, "done": True, "response": {**build, "results": results}}
        if method == "GET" and place.endswith("/builds"):
            return 200, {"builds": self.builds}
        return (200, self.builds[-1]) if method == "GET" else None


_BUILD: Final = "type.googleapis.com/google.devtools.cloudbuild.v1.Build"
_BUILD_METADATA: Final = "type.googleapis.com/google.devtools.cloudbuild.v1.BuildOperationMetadata"


def _missing(place: str) -> Answer:
    return _error(404, "NOT_FOUND", f"The resource '{place}' was not found")


def _error(code: int, status: str, message: str) -> Answer:
    return code, {"error": {"code": code, "status": status, "message": message}}
