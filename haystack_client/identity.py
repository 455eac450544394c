"""The identity token of the caller, for a service behind Identity-Aware Proxy (IAP); a local service needs none.

IAP accepts OpenID Connect tokens whose audience is the OAuth client id of the protected service. gcloud creates such tokens
only for service accounts, so people let gcloud impersonate one. The token is never printed, and is sent only to the service.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Generator, Mapping
from typing import Final

import httpx

from haystack_client.errors import NotSignedIn

TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]+")
GCLOUD_SECONDS: Final = 60.0
ADVICE: Final = (
    "Set HAYSTACK_TOKEN to an identity token, or set HAYSTACK_AUDIENCE to the OAuth client id of the service "
    "to get a token from gcloud."
)


class Bearer(httpx.Auth):
    """Send an identity token with each request.

    Tokens expire after an hour and a watch may last longer, so a refused token is renewed once per request.

    Args:
        source: returns a token.
    """

    def __init__(self, source: Callable[[], str]) -> None:
        self._source = source
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Implement `httpx.Auth`."""
        cached = self._token
        self._token = cached or self._source()
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401 and cached:
            self._token = self._source()
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request


def from_environment(environ: Mapping[str, str]) -> Bearer | None:
    """Return the identity that the environment names, or None.

    HAYSTACK_TOKEN is a token. Otherwise gcloud creates one for HAYSTACK_AUDIENCE, and impersonates HAYSTACK_SERVICE_ACCOUNT if set.
    """
    if token := environ.get("HAYSTACK_TOKEN", "").strip():
        return Bearer(lambda: _checked(token, "HAYSTACK_TOKEN"))
    if audience := environ.get("HAYSTACK_AUDIENCE", "").strip():
        account = environ.get("HAYSTACK_SERVICE_ACCOUNT", "").strip()
        return Bearer(lambda: _from_gcloud(audience, account))
    return None


def _from_gcloud(audience: str, account: str) -> str:
    program = shutil.which("gcloud")
    if program is None:
        raise NotSignedIn("gcloud is not installed. Install it, or set HAYSTACK_TOKEN.")
    command = [program, "auth", "print-identity-token", f"--audiences={audience}"]
    if account:
        # IAP requires the e-mail claim, which tokens of impersonated accounts lack by default.
        command += [f"--impersonate-service-account={account}", "--include-email"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=GCLOUD_SECONDS, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise NotSignedIn(f"gcloud returned no token within {GCLOUD_SECONDS:.0f} s.") from None
    if done.returncode != 0:
        details = done.stderr.strip().splitlines()
        if not account:
            details.append("For a person's account, set HAYSTACK_SERVICE_ACCOUNT to a service account to impersonate.")
        raise NotSignedIn("gcloud could not create an identity token.", *details)
    return _checked(done.stdout.strip(), "The output of gcloud")


def _checked(token: str, origin: str) -> str:
    """Return the token if it can be sent in a header. The error never quotes it."""
    if not TOKEN.fullmatch(token):
        raise NotSignedIn(f"{origin} is not an identity token.")
    return token
