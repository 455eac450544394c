"""Send requests to a service, deployed or local, as a program does: with the token of a service account."""

import json
import re
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from deploy.gcloud import Answer, execute

TIMEOUT_SECONDS: Final = 30.0
TOKEN_SECONDS: Final = 3600
# A clock that is ahead of Google's would sign tokens of the future, which Identity-Aware Proxy refuses.
BACKDATED_SECONDS: Final = 30
TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]+")
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
# Identity-Aware Proxy marks the responses that it gives itself.
IAP_MARK: Final = "X-Goog-IAP-Generated-Response"


class Unreachable(Exception):
    """No response came; the message says why and what to do."""


class NoToken(Exception):
    """There is no token; the message says why and what to do."""


@dataclass(frozen=True)
class Response:
    """A response of any status."""

    status: int
    headers: Message
    content: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  # JSON
        """Return the JSON body; None if it is something else."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None

    @property
    def problem(self) -> dict[str, Any]:
        """Return the problem that the service describes; empty if the response is not from the service."""
        described = self.headers.get_content_type() == "application/problem+json"
        content = self.json if described else None
        return content if isinstance(content, dict) else {}


class _Redirects(HTTPRedirectHandler):
    """Return redirects as responses: Identity-Aware Proxy redirects to a page for browsers."""

    def redirect_request(self, *_: object) -> None:
        """Follow nothing."""


class Caller:
    """Send requests to one service.

    Args:
        url: its address, without `/api/v1`.
        token: returns a token; None: requests carry no identity.
    """

    def __init__(self, url: str, token: Callable[[], str] | None = None) -> None:
        self.url = url.rstrip("/")
        self.signed_in = token is not None
        self._token = token
        self._cached = ""
        host = urlsplit(self.url).hostname
        # A proxy that the environment names cannot reach services on this machine.
        self._opener = build_opener(_Redirects, *([ProxyHandler({})] if host in LOOPBACK else []))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        anonymous: bool = False,
        timeout: float = TIMEOUT_SECONDS,
    ) -> Response:
        """Send a request and return the response, whatever its status.

        Args:
            anonymous: send no token.

        Raises:
            Unreachable: no response came.
            NoToken: there is no token to send.
        """
        sent = {"Accept": "application/json", "User-Agent": "haystack-deploy", **(headers or {})}
        if self._token is not None and not anonymous:
            self._cached = self._cached or self._token()
            sent["Authorization"] = f"Bearer {self._cached}"
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        address = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        return self._send(Request(address, data=content, headers=sent, method=method), timeout)  # noqa: S310  # checked URL

    def download(self, url: str) -> Response:
        """Return a file from its signed URL, without the token, which is for the service only.

        Raises:
            Unreachable: no response came.
        """
        if urlsplit(url).scheme not in {"http", "https"}:
            raise Unreachable(f"{url!r} is not the URL of a file.")
        return self._send(Request(url, headers={"Accept-Encoding": "identity"}), TIMEOUT_SECONDS)  # noqa: S310  # checked above

    def _send(self, request: Request, timeout: float) -> Response:
        try:
            with self._opener.open(request, timeout=timeout) as response:
                return Response(response.status, response.headers, response.read())
        except HTTPError as error:
            with error:
                return Response(error.code, error.headers, error.read())
        except (OSError, HTTPException) as error:
            raise Unreachable(_why(f"{request.type}://{request.host}", error)) from error


def _why(address: str, error: Exception) -> str:
    """Return why no response came, and what to do."""
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        why = "its certificate is not valid for this address. Google issues it after DNS points to the load balancer"
    elif isinstance(reason, ssl.SSLError):
        why = "it has no certificate yet. Google issues it within an hour after DNS points to the load balancer"
    elif isinstance(reason, TimeoutError):
        why = "it did not respond in time"
    elif isinstance(reason, ConnectionRefusedError):
        why = "nothing listens there"
    else:
        why = str(reason) or type(reason).__name__
    return f"{address} gives no response: {why}."


def explain(response: Response) -> str:
    """Return what an unsuccessful response means, and where to look."""
    status, problem = response.status, response.problem
    if problem:
        # A problem comes from the service itself.
        text = f"The service answers {status} {problem.get('code', '')}: {problem.get('detail', '')}"
        return f"{text} (request id {problem['request_id']})" if "request_id" in problem else text
    iap = response.headers.get(IAP_MARK) is not None
    said = " ".join(response.content[:200].decode(errors="replace").split())
    if 300 <= status < 400 or status == 401:
        return (
            f"Identity-Aware Proxy answers {status}: the request carries no valid token. Tokens last an hour and name one "
            "address. Pass --service-account, or a new token in HAYSTACK_TOKEN."
        )
    if status == 403 and (iap or "IAP" in said or "access" in said):
        return "Identity-Aware Proxy answers 403: this account is not a member. Run ./deploy.sh with --member for it."
    if status == 403:
        return (
            "Cloud Run answers 403: Identity-Aware Proxy may not call the function. Run ./deploy.sh again, which grants "
            "roles/run.invoker."
        )
    if status in {404, 502, 503, 504}:
        return (
            f"The load balancer answers {status}: no function answers behind it, or a change of the last minutes is not in "
            f"force yet. {said}"
        )
    return f"The answer {status} does not come from the service: {said}"


def token_source(
    environ: Mapping[str, str],
    account: str,
    audience: str,
    *,
    run: Callable[[Sequence[str], str], Answer] = execute,
) -> Callable[[], str] | None:
    """Return the source of the caller's tokens; None if nothing names an identity.

    Args:
        environ: HAYSTACK_TOKEN is a token.
        account: service account that signs one through IAM; empty: none.
        audience: URL that the account's token is for, such as `https://D/*`.
        run: function that runs a command.
    """
    if account:
        return lambda: _signed(account, audience, run)
    if token := environ.get("HAYSTACK_TOKEN", "").strip():
        return lambda: _checked(token, "HAYSTACK_TOKEN")
    return None


def _signed(account: str, audience: str, run: Callable[[Sequence[str], str], Answer]) -> str:
    """Return a token that the account signs through IAM, without a key."""
    now = int(time.time()) - BACKDATED_SECONDS
    claims = {"iss": account, "sub": account, "aud": audience, "iat": now, "exp": now + TOKEN_SECONDS}
    with tempfile.TemporaryDirectory() as folder:
        unsigned, signed = Path(folder) / "claims", Path(folder) / "token"
        unsigned.write_text(json.dumps(claims))
        words = ("iam", "service-accounts", "sign-jwt", str(unsigned), str(signed), f"--iam-account={account}")
        answer = run(["gcloud", *words, "--quiet"], "")
        if answer.code:
            grant = (
                f"gcloud iam service-accounts add-iam-policy-binding {account} "
                '--role=roles/iam.serviceAccountTokenCreator --member="user:$(gcloud config get account)"'
            )
            raise NoToken(
                f"{account} could not sign a token: {answer.stderr.strip()}\nIf you may not sign as this account: {grant}"
            )
        return _checked(signed.read_text().strip(), f"The token of {account}")


def _checked(token: str, origin: str) -> str:
    """Return the token if it can be sent in a header. The error never quotes it."""
    if not TOKEN.fullmatch(token):
        raise NoToken(f"{origin} is not a token.")
    return token
