"""Who is asking: nobody for a local service; for one behind Identity-Aware Proxy an OpenID Connect token in `Authorization: Bearer`.

IAP takes a token whose audience is the OAuth client id of the protected service. gcloud gives such tokens to service accounts only;
a person has gcloud impersonate one. The token is never printed, and sent to no other host than the service's.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Generator, Mapping
from typing import Final

import httpx

from client.failures import ExitCode, Failure

TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]+")
GCLOUD_SECONDS: Final = 60.0
ADVICE: Final = (
    "Set HAYSTACK_TOKEN to an identity token, or HAYSTACK_AUDIENCE to the OAuth client id of the service, "
    "for a token from gcloud."
)


class Bearer(httpx.Auth):
    """Puts a token on each request, and asks for a new one once where it is refused: tokens last an hour, a watch may last longer.

    Args:
        source: gives a token.
    """

    def __init__(self, source: Callable[[], str]) -> None:
        self._source = source
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See `httpx.Auth`."""
        kept = self._token
        self._token = kept or self._source()
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401 and kept:
            self._token = self._source()
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request


def from_environment(environ: Mapping[str, str]) -> Bearer | None:
    """The identity that the environment names, or None.

    Args:
        environ: HAYSTACK_TOKEN is a token; else HAYSTACK_AUDIENCE has gcloud make one, as the service account
            HAYSTACK_SERVICE_ACCOUNT where that is set.
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
        raise Failure(ExitCode.NOT_SIGNED_IN, "gcloud is not installed here. Install it, or set HAYSTACK_TOKEN.")
    command = [program, "auth", "print-identity-token", f"--audiences={audience}"]
    if account:
        # IAP needs the e-mail in the token, which an impersonated account's lacks unless it is asked for.
        command += [f"--impersonate-service-account={account}", "--include-email"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=GCLOUD_SECONDS, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise Failure(ExitCode.NOT_SIGNED_IN, f"gcloud gave no token in {GCLOUD_SECONDS:.0f} s.") from None
    if done.returncode != 0:
        hint = (
            ()
            if account
            else ("A person's account gets no such token: name one to impersonate in HAYSTACK_SERVICE_ACCOUNT.",)
        )
        raise Failure(
            ExitCode.NOT_SIGNED_IN, "gcloud gives no identity token.", *done.stderr.strip().splitlines(), *hint
        )
    return _checked(done.stdout.strip(), "What gcloud gave")


def _checked(token: str, origin: str) -> str:
    """A token that can be sent in a header; an error never quotes it."""
    if not TOKEN.fullmatch(token):
        raise Failure(ExitCode.NOT_SIGNED_IN, f"{origin} is not an identity token.")
    return token
