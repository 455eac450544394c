"""The identity of a program, for a service behind Identity-Aware Proxy (IAP); a local service needs none.

Programs cannot sign in as people do. IAP accepts a token that a service account signs for the host of the service:
https://cloud.google.com/iap/docs/authentication-howto. Only `haystack token` prints a token, and it is sent only to the service.
"""

import base64
import json
import math
import time
from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import Final

import httpx

from haystack_client.errors import RequestRefused
from haystack_client.signing import SERVICE_ACCOUNT, checked, sign

# IAP's limit.
LIFETIME_SECONDS: Final = 3600
# A clock that is ahead of Google's would sign tokens of the future, which IAP refuses.
BACKDATED_SECONDS: Final = 30
RENEWED_BEFORE_SECONDS: Final = 300
ADVICE: Final = (
    "Set HAYSTACK_SERVICE_ACCOUNT to a service account that may use the service and as which you may sign "
    "(roles/iam.serviceAccountTokenCreator), or HAYSTACK_TOKEN to a token of `haystack token`."
)


class Bearer(httpx.Auth):
    """Send a token with each request; a token that is about to expire, or that is refused, is renewed.

    Args:
        source: returns a token.
        clock: seconds since the epoch.
    """

    def __init__(self, source: Callable[[], str], *, clock: Callable[[], float] = time.time) -> None:
        self._source = source
        self._clock = clock
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Implement `httpx.Auth`."""
        cached = self._token
        if cached is not None and self._clock() > expiry(cached) - RENEWED_BEFORE_SECONDS:
            cached = None
        self._token = cached or self._source()
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401 and cached:
            self._token = self._source()
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request


class ServiceAccount(httpx.Auth):
    """Authenticate as a service account, for example `Client(url, identity=ServiceAccount("asker@my-project.iam.gserviceaccount.com"))`.

    The caller needs roles/iam.serviceAccountTokenCreator on the account, and is the person who is signed in to gcloud. On a machine of
    Google Cloud without gcloud, the caller is the service account of the machine.

    Args:
        email: the e-mail address of the account, which must be a member of the service.
        clock: seconds since the epoch.

    Raises:
        RequestRefused: this is not the address of a service account.
    """

    def __init__(self, email: str, *, clock: Callable[[], float] = time.time) -> None:
        if not SERVICE_ACCOUNT.fullmatch(email):
            raise RequestRefused(
                f"`{email}` is not the e-mail address of a service account, such as "
                "asker@my-project.iam.gserviceaccount.com.",
                "Check HAYSTACK_SERVICE_ACCOUNT (or --service-account).",
            )
        self._email = email
        self._clock = clock
        self._bearers: dict[str, Bearer] = {}

    def token(self, url: str | httpx.URL) -> str:
        """Return a new token for the service at a URL, valid for an hour.

        Raises:
            NotSignedIn: the caller is not signed in to Google Cloud, or may not sign as the account.
            Unavailable: Google cannot be reached.
        """
        now = int(self._clock()) - BACKDATED_SECONDS
        claims = {"iss": self._email, "sub": self._email, "aud": _audience(url)}
        return sign(self._email, {**claims, "iat": now, "exp": now + LIFETIME_SECONDS})

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Implement `httpx.Auth`."""
        # One token for each service, because a token is valid for its host only.
        renew = Bearer(partial(self.token, request.url), clock=self._clock)
        yield from self._bearers.setdefault(_audience(request.url), renew).auth_flow(request)


def from_environment(environ: Mapping[str, str]) -> httpx.Auth | None:
    """Return the identity that the environment names, or None: a token in HAYSTACK_TOKEN, or HAYSTACK_SERVICE_ACCOUNT.

    Raises:
        RequestRefused: HAYSTACK_SERVICE_ACCOUNT is not the address of a service account.
    """
    if token := environ.get("HAYSTACK_TOKEN", "").strip():
        return Bearer(lambda: checked(token, "HAYSTACK_TOKEN"))
    if account := environ.get("HAYSTACK_SERVICE_ACCOUNT", "").strip():
        return ServiceAccount(account)
    return None


def expiry(token: str) -> float:
    """Return when a token expires, in seconds since the epoch, without verifying it; infinity if it does not say."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (ValueError, LookupError, TypeError, OverflowError):
        return math.inf


def _audience(url: str | httpx.URL) -> str:
    return f"https://{httpx.URL(url).netloc.decode()}/*"
