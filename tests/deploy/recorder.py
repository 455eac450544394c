"""A server that replaces Google Cloud for the real gcloud: it records every request and answers from `tests/deploy/cloud.py`.

gcloud gets a separate host for each API (`http://run.recorder/`) and this server as its proxy. So regional endpoints, for which gcloud
prefixes the host with the region, arrive here too. A request to any other host is rejected.
"""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.deploy.cloud import Cloud, Upload

DOMAIN: Final = ".recorder"
# The APIs that gcloud sends here, with the path that each override must end with.
ENDPOINTS: Final = {
    "artifactregistry": "",
    "batch": "",
    "cloudbilling": "",
    "cloudbuild": "",
    "cloudresourcemanager": "",
    "cloudscheduler": "",
    "compute": "compute/v1/",
    "firestore": "",
    "iam": "",
    "iap": "",
    "monitoring": "",
    "pubsub": "",
    "run": "",
    "secretmanager": "",
    "serviceusage": "",
    "storage": "storage/v1/",
}


@dataclass(frozen=True)
class Request:
    """One request of gcloud.

    Attributes:
        method: the HTTP method.
        api: the API, by the first part of its host.
        path: the decoded path.
        query: the query parameters.
        body: the JSON body; empty if there was none.
    """

    method: str
    api: str
    path: str
    query: Mapping[str, str]
    body: Any

    def __str__(self) -> str:
        return f"{self.method} {self.api}{self.path}"


class Recorder:
    """The recorded requests and the state of the cloud."""

    def __init__(self, project: str, number: str) -> None:
        self.cloud = Cloud(project, number)
        self.requests: list[Request] = []
        self.port = 0
        self._lock = threading.Lock()

    def environment(self, config: Path) -> dict[str, str]:
        """Return the environment that points gcloud here, with its own configuration and without credentials."""
        overrides = {
            f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}": f"http://{api}{DOMAIN}/{path}"
            for api, path in ENDPOINTS.items()
        }
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CLOUDSDK_", "GOOGLE_"))},
            **overrides,
            "CLOUDSDK_CONFIG": str(config),
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "1",
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
            "CLOUDSDK_PROXY_TYPE": "http_no_tunnel",
            "CLOUDSDK_PROXY_ADDRESS": "127.0.0.1",
            "CLOUDSDK_PROXY_PORT": str(self.port),
        }

    def take(self, method: str, url: str, content_type: str, content: bytes) -> tuple[int, object]:
        """Record a request and answer it."""
        parts = urlsplit(url)
        host = (parts.hostname or "").removesuffix(DOMAIN)
        api = next((name for name in ENDPOINTS if host == name or host.endswith(f"-{name}")), "")
        body: Any = {}
        if content_type.startswith("multipart/"):
            body = Upload.parse(content_type, content)
        elif content:
            body = json.loads(content)
        request = Request(method, api, unquote(parts.path), dict(parse_qsl(parts.query)), body)
        with self._lock:
            self.requests.append(request)
            if not api:
                return 501, {"error": {"code": 501, "message": f"not recorded here: {url}", "status": "UNIMPLEMENTED"}}
            return self.cloud.answer(method, api, request.path, request.query, body)


@contextmanager
def recording(project: str, number: str) -> Iterator[Recorder]:
    """Run a recorder on a free port, with an empty project."""
    recorder = Recorder(project, number)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            """Answer any request."""
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, answer = recorder.take(self.command, self.path, self.headers.get("content-type", ""), content)
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            """Do nothing: the recorded requests are the log."""

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "CONNECT"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recorder.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
