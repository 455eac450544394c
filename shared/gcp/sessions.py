"""HTTP sessions below Google's libraries that do not wait long for a dead connection.

A connection that dies without FIN or RST stays in its session's pool, where the next request finds it, and further dead ones after that.
Therefore a session drops all idle connections as soon as a request gets no answer.
"""

# google-auth carries no types.
# mypy: allow-untyped-calls

from collections.abc import Mapping
from typing import Any, Final

import requests
from google.auth.credentials import Credentials
from google.auth.exceptions import TransportError
from google.auth.transport import Request
from google.auth.transport.requests import AuthorizedSession
from google.auth.transport.requests import Request as HttpRequest
from google.cloud import storage

# Seconds to connect, and to receive an answer or the next piece of it. Cloud Storage answers an upload when the last byte of the request
# has arrived, so a large piece needs no longer one.
TIMEOUT: Final = (5.0, 10.0)


class StorageSession(AuthorizedSession):
    """The session of a client of Cloud Storage, whose library repeats requests that got no answer."""

    def request(self, *positional: Any, **named: Any) -> requests.Response:  # noqa: ANN401  # as the base class
        """Make a request, and drop all idle connections if it gets no answer.

        Raises:
            requests.RequestException: it got no answer.
            GoogleAuthError: the credentials could not be refreshed.
        """
        try:
            response: requests.Response = super().request(*positional, **named)
        except (requests.RequestException, TransportError):
            self.close()  # its connections; the session stays usable
            raise
        return response


class RepeatedRequest(Request):
    """Requests of google-auth, each made a second time, over a new connection, if it gets no answer.

    Args:
        transport: makes the requests.
        timeout: seconds for one request, if its caller names none.
    """

    def __init__(self, transport: HttpRequest, *, timeout: float) -> None:
        self._transport, self._timeout = transport, timeout

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **named: Any,  # noqa: ANN401  # as the base class
    ) -> Any:  # noqa: ANN401
        """Return the response.

        Raises:
            TransportError: both requests got no answer.
        """
        seconds = timeout or self._timeout
        try:
            return self._transport(url, method, body, headers, seconds, **named)
        except TransportError:
            self._transport.session.close()  # its connections; the session stays usable
            return self._transport(url, method, body, headers, seconds, **named)


def storage_client(project: str, credentials: Credentials, endpoint: str) -> storage.Client:
    """Return a client of Cloud Storage on a `StorageSession`.

    Args:
        endpoint: URL of an emulator; empty: the real service.
    """
    options = {"api_endpoint": endpoint} if endpoint else None
    return storage.Client(project, credentials, client_options=options, _http=StorageSession(credentials))
