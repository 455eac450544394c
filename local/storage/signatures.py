"""Verifies the V4 query signature of a request; pure.

Rules: https://cloud.google.com/storage/docs/authentication/canonical-requests and
https://cloud.google.com/storage/docs/authentication/signatures.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ALGORITHM: Final = "GOOG4-RSA-SHA256"
LONGEST_EXPIRY: Final = 604_800
# How far in the future the date of a signature may be.
CLOCK_SKEW: Final = timedelta(minutes=1)

_PARAMETERS: Final = tuple(
    f"X-Goog-{name}" for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
)
_CREDENTIAL: Final = re.compile(r"(?P<email>[^/]+)/(?P<scope>(?P<date>[0-9]{8})/[^/]+/storage/goog4_request)")
_DATE: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_EXPIRES: Final = re.compile(r"[0-9]{1,6}")
_SIGNATURE: Final = re.compile(r"([0-9a-fA-F]{2})+")


class Refused(Exception):
    """A request that the signature does not allow, with code, message and details as in Cloud Storage's response."""

    def __init__(self, code: str, message: str, details: str) -> None:
        super().__init__(f"{code}: {details}")
        self.code = code
        self.message = message
        self.details = details


@dataclass(frozen=True)
class SignedRequest:
    """A request as received: path and query percent-encoded, headers in order with names in lower case."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]

    def parameters(self) -> Sequence[tuple[str, str]]:
        """Return the names and values of the query, decoded as bytes and encoded in canonical form."""
        pairs = (pair.partition("=") for pair in self.query.split("&") if pair)
        return [(_canonical(name), _canonical(value)) for name, _, value in pairs]

    def header(self, name: str) -> str | None:
        """Return the canonical value of a header: repeated values joined by commas, whitespace collapsed."""
        values = [" ".join(value.split()) for given, value in self.headers if given == name]
        return ",".join(values) if values else None


def check_signature(request: SignedRequest, keys: Mapping[str, rsa.RSAPublicKey], now: datetime) -> None:
    """Check the signature of a request with the public keys of the signing accounts, by e-mail.

    Raises:
        Refused: the signature is missing, invalid or expired.
    """
    parameters = _signature_parameters(request)
    credential = _CREDENTIAL.fullmatch(parameters["X-Goog-Credential"])
    date = parameters["X-Goog-Date"]
    if parameters["X-Goog-Algorithm"] != ALGORITHM:
        raise _denied(f"X-Goog-Algorithm must be {ALGORITHM}.")
    if not _DATE.fullmatch(date) or not credential or credential["date"] != date[:8]:
        raise _denied("X-Goog-Credential must end with the day of X-Goog-Date, a location and storage/goog4_request.")
    expires = parameters["X-Goog-Expires"]
    if not _EXPIRES.fullmatch(expires) or not 1 <= int(expires) <= LONGEST_EXPIRY:
        raise _denied(f"X-Goog-Expires must be between 1 and {LONGEST_EXPIRY} seconds.")
    key = keys.get(credential["email"])
    if key is None:
        raise _denied("The account of X-Goog-Credential has no key here.")
    text = "\n".join((ALGORITHM, date, credential["scope"], _digest(canonical_request(request, parameters))))
    _verify(key, parameters["X-Goog-Signature"], text)
    _check_time(date, int(expires), now)


def canonical_request(request: SignedRequest, parameters: Mapping[str, str]) -> str:
    """Return the text whose digest is signed: method, path, query, headers, names of the signed headers, and the payload's digest.

    Raises:
        Refused: the signed headers do not match the request.
    """
    signed = parameters["X-Goog-SignedHeaders"].split(";")
    if signed != sorted(set(signed)) or "host" not in signed:
        raise _denied("X-Goog-SignedHeaders must be sorted and contain host.")
    unsigned = {name for name, _ in request.headers if name.startswith("x-goog-")} - set(signed)
    if unsigned:
        raise _denied(f"These headers must be signed: {', '.join(sorted(unsigned))}.")
    values = {name: request.header(name) for name in signed}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise _denied(f"These signed headers are missing: {', '.join(missing)}.")
    query = "&".join(sorted(f"{name}={value}" for name, value in request.parameters() if name != "X-Goog-Signature"))
    return "\n".join(
        (
            request.method,
            _canonical(request.path, "/~"),
            query,
            *(f"{name}:{value}" for name, value in values.items()),
            "",
            ";".join(signed),
            values.get("x-goog-content-sha256") or "UNSIGNED-PAYLOAD",
        )
    )


def _signature_parameters(request: SignedRequest) -> Mapping[str, str]:
    found: dict[str, list[str]] = {}
    for name, value in request.parameters():
        found.setdefault(name, []).append(unquote_to_bytes(value).decode(errors="replace"))
    if not any(name in found for name in _PARAMETERS):
        raise Refused("AccessDenied", "Access denied.", "Anonymous caller does not have access to this object.")
    if any(len(found.get(name, ())) != 1 for name in _PARAMETERS):
        raise _denied(f"A signed request must have each of these exactly once: {', '.join(_PARAMETERS)}.")
    return {name: found[name][0] for name in _PARAMETERS}


def _verify(key: rsa.RSAPublicKey, signature: str, text: str) -> None:
    mismatch = Refused(
        "SignatureDoesNotMatch",
        "Access denied.",
        "The signature does not match this method, host, path, query and headers.",
    )
    if not _SIGNATURE.fullmatch(signature):
        raise mismatch
    try:
        key.verify(bytes.fromhex(signature), text.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise mismatch from None


def _check_time(date: str, expires: int, now: datetime) -> None:
    try:
        made = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise _denied("X-Goog-Date is not a valid date.") from None
    if made > now + CLOCK_SKEW:
        raise _denied("X-Goog-Date is in the future.")
    end = made + timedelta(seconds=expires)
    if end <= now:
        raise Refused("ExpiredToken", "The provided token has expired.", f"The signature expired at {end.isoformat()}.")


def _denied(details: str) -> Refused:
    return Refused("AccessDenied", "Access denied.", details)


def _canonical(encoded: str, safe: str = "~") -> str:
    return quote(unquote_to_bytes(encoded), safe=safe)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
