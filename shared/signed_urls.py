"""Signed URLs of Cloud Storage, version 4: whoever has one may read one object until it expires. Pure.

Rules: https://cloud.google.com/storage/docs/authentication/canonical-requests and
https://cloud.google.com/storage/docs/authentication/signatures. Google's own library does the same, and would be half of what the
result function imports.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

ENDPOINT: Final = "https://storage.googleapis.com"
ALGORITHM: Final = "GOOG4-RSA-SHA256"


def signed_url(
    bucket: str,
    object_name: str,
    *,
    signer: str,
    sign: Callable[[bytes], bytes],
    now: datetime,
    expires_at: datetime,
    endpoint: str = ENDPOINT,
) -> str:
    """The URL at which an object can be read without further proof.

    Args:
        bucket: the bucket's name.
        object_name: the object's name, with its slashes.
        signer: e-mail of the service account that signs.
        sign: gives its RSA-SHA256 signature of a message.
        now: the time, in UTC.
        expires_at: until when the URL holds.
        endpoint: where Cloud Storage is, with its scheme.
    """
    at = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{at[:8]}/auto/storage/goog4_request"
    resource = quote(f"/{bucket}/{object_name}", safe="/~")
    query = urlencode(
        {
            "X-Goog-Algorithm": ALGORITHM,
            "X-Goog-Credential": f"{signer}/{scope}",
            "X-Goog-Date": at,
            "X-Goog-Expires": int((expires_at - now).total_seconds()),
            "X-Goog-SignedHeaders": "host",
        },
        quote_via=quote,
        safe="~",
    )
    asked = "\n".join(["GET", resource, query, f"host:{urlsplit(endpoint).netloc}", "", "host", "UNSIGNED-PAYLOAD"])
    message = "\n".join([ALGORITHM, at, scope, hashlib.sha256(asked.encode()).hexdigest()])
    return f"{endpoint}{resource}?{query}&X-Goog-Signature={sign(message.encode()).hex()}"
