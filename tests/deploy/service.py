"""A small service behind a small Identity-Aware Proxy, for tests of what asks a deployed service."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

TOKEN: Final = "a.valid.token"
PROBLEM: Final = "application/problem+json"


class Reply(NamedTuple):
    """A response."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = {}

    @classmethod
    def problem(cls, status: int, code: str, detail: str) -> "Reply":
        """Return a problem as the service describes it."""
        body = {"status": status, "code": code, "detail": detail, "request_id": "abc"}
        return cls(status, body, {"Content-Type": PROBLEM})


REDIRECT: Final = Reply(
    302, b"", {"Location": "https://accounts.google.com/x", "X-Goog-IAP-Generated-Response": "true"}
)
NOT_A_MEMBER: Final = Reply(403, b"You don't have access", {"X-Goog-IAP-Generated-Response": "true"})

Handler = Callable[[dict[str, Any]], Reply]


class Service:
    """A service: its replies by method and path, and the requests that it got.

    Attributes:
        url: its address.
        guarded: whether requests need the token.
        replies: a reply, or a function of the request's body, by `METHOD /path`.
        requests: method and path of each request, with its headers.
    """

    def __init__(self) -> None:
        self.url = ""
        self.guarded = True
        self.replies: dict[str, Reply | list[Reply] | Handler] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []

    def reply(self, method: str, path: str, headers: dict[str, str], content: bytes) -> Reply:
        """Record a request and return its reply; of several replies, the last one is repeated."""
        key = f"{method} {path}"
        self.requests.append((key, headers))
        if self.guarded and path.startswith("/api/") and headers.get("Authorization") != f"Bearer {TOKEN}":
            return REDIRECT
        found = self.replies.get(key, Reply.problem(404, "not_found", "There is no such path."))
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found if isinstance(found, Reply) else found(json.loads(content or b"{}"))


@contextmanager
def serving() -> Iterator[Service]:
    """Run a service on a free port."""
    service = Service()

    class Requests(BaseHTTPRequestHandler):
        def answer(self) -> None:
            """Answer any request."""
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            reply = service.reply(self.command, urlsplit(self.path).path, dict(self.headers), content)
            sent = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            """Do nothing."""

    for method in ("GET", "POST"):
        setattr(Requests, f"do_{method}", Requests.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
