"""Sign tokens as a service account, through IAM Credentials: no key leaves Google, and the caller's permission can be withdrawn.

https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signJwt
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any, Final

import httpx

from haystack_client.errors import HaystackError, NotSignedIn, Unavailable

# The variables with which gcloud and Google's clients are pointed to other addresses.
ENDPOINT_VARIABLE: Final = "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS"
ENDPOINT: Final = "https://iamcredentials.googleapis.com/"
METADATA_VARIABLE: Final = "GCE_METADATA_HOST"
METADATA_HOST: Final = "metadata.google.internal"
METADATA_PATH: Final = "/computeMetadata/v1/instance/service-accounts/default/token"
SERVICE_ACCOUNT: Final = re.compile(r"[\w.-]+@[\w.-]+\.gserviceaccount\.com", re.ASCII)
# What a header can carry.
TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]+")
GCLOUD_SECONDS: Final = 60.0
METADATA_SECONDS: Final = 5.0
IAM_SECONDS: Final = 30.0


def sign(account: str, claims: Mapping[str, object]) -> str:
    """Return a JSON web token with these claims, signed by a service account.

    Args:
        account: the e-mail address of the service account.
        claims: the content of the token.

    Raises:
        NotSignedIn: the caller is not signed in to Google Cloud, or may not sign as the account.
        Unavailable: IAM Credentials cannot be reached.
    """
    endpoint = os.environ.get(ENDPOINT_VARIABLE) or ENDPOINT
    url = f"{endpoint.rstrip('/')}/v1/projects/-/serviceAccounts/{account}:signJwt"
    headers = {"Authorization": f"Bearer {_access_token()}"}
    try:
        response = httpx.post(url, json={"payload": json.dumps(claims)}, headers=headers, timeout=IAM_SECONDS)
    except httpx.TransportError as error:
        raise Unavailable(
            f"Google's IAM Credentials API cannot be reached: {str(error) or type(error).__name__}."
        ) from error
    if not response.is_success:
        raise _refusal(account, response)
    return checked(_field(response, "signedJwt"), "The answer of Google's IAM Credentials API")


def checked(token: str, origin: str) -> str:
    """Return a token if it can be sent in a header; the error never quotes it.

    Raises:
        NotSignedIn: it cannot.
    """
    if not TOKEN.fullmatch(token):
        raise NotSignedIn(f"{origin} is not a token.")
    return token


def _access_token() -> str:
    """Return the access token of the person who is signed in to gcloud, or of the account of this machine."""
    program = shutil.which("gcloud")
    return _metadata_token() if program is None else _gcloud_token(program)


def _gcloud_token(program: str) -> str:
    command = [program, "auth", "print-access-token"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=GCLOUD_SECONDS, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise NotSignedIn(f"gcloud returned no token within {GCLOUD_SECONDS:.0f} s.") from None
    if done.returncode != 0:
        details = done.stderr.strip().splitlines()
        raise NotSignedIn("gcloud returned no access token. Sign in with `gcloud auth login`.", *details)
    return checked(done.stdout.strip(), "The output of gcloud")


def _metadata_token() -> str:
    host = os.environ.get(METADATA_VARIABLE) or METADATA_HOST
    headers = {"Metadata-Flavor": "Google"}
    try:
        # No proxy reaches the metadata server of this machine.
        with httpx.Client(trust_env=False, timeout=METADATA_SECONDS) as client:
            response = client.get(f"http://{host}{METADATA_PATH}", headers=headers)
    except httpx.TransportError:
        advice = (
            "Install it and sign in with `gcloud auth login`, or set HAYSTACK_TOKEN to a token of `haystack token`."
        )
        raise NotSignedIn("gcloud is not installed, and this is no machine of Google Cloud.", advice) from None
    if not response.is_success:
        raise NotSignedIn("This machine of Google Cloud has no service account.", f"(error {response.status_code})")
    return checked(_field(response, "access_token"), "The answer of the metadata server")


def _refusal(account: str, response: httpx.Response) -> HaystackError:
    status = response.status_code
    error = _content(response).get("error")
    said = [f"Google says: {error['message']}"] if isinstance(error, dict) and "message" in error else []
    if status == 429 or status >= 500:
        return Unavailable(f"Google's IAM Credentials API is busy (error {status}).", *said)
    if status == 401:
        return NotSignedIn("Google does not accept your credentials. Sign in with `gcloud auth login`.", *said)
    if status in {403, 404}:
        advice = (
            "An administrator of its project can allow you to: gcloud iam service-accounts add-iam-policy-binding "
            f"{account} --role=roles/iam.serviceAccountTokenCreator --member=user:YOUR_ADDRESS"
        )
        return NotSignedIn(f"You may not sign as {account}, or it does not exist.", advice, *said)
    return NotSignedIn(f"Google's IAM Credentials API refused to sign (error {status}).", *said)


def _field(response: httpx.Response, name: str) -> str:
    return str(_content(response).get(name, ""))


def _content(response: httpx.Response) -> Mapping[str, Any]:
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
