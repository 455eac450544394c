"""The address of a webhook: which addresses a request may name, and their parts."""

import re
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

# All clients must read the address alike, so it has no user, no fragment and only ASCII characters that none of them escapes.
WEBHOOK_URL: Final = (
    r"^(https?)://([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::([0-9]{1,5}))?"
    r"([/?][A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]*)?$"
)
_URL: Final = re.compile(WEBHOOK_URL)
MAX_LENGTH: Final = 2000
PORTS: Final = {"https": 443, "http": 80}


def _webhook_url(value: str) -> str:
    if not _URL.fullmatch(value):
        raise PydanticCustomError(
            "webhook_url",
            "Input should be an address in ASCII such as https://hooks.example.org/path, without user, password and fragment",
        )
    return value


WebhookAddress = Annotated[
    str,
    StringConstraints(max_length=MAX_LENGTH),
    AfterValidator(_webhook_url),
    WithJsonSchema({"type": "string", "maxLength": MAX_LENGTH, "pattern": WEBHOOK_URL}),
]


class WebhookUrl(NamedTuple):
    """The parts of a webhook's address; `host` is in lower case, `target` is what its request asks for."""

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, url: str) -> "WebhookUrl":
        """Split an address that matches `WEBHOOK_URL`.

        Raises:
            ValueError: it does not match.
        """
        found = _URL.fullmatch(url)
        if found is None:
            raise ValueError("not the address of a webhook")
        scheme, host, port, target = found.groups()
        return cls(scheme, host.lower(), int(port or PORTS[scheme]), f"/{(target or '').removeprefix('/')}")

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{self.host}:{self.port}"
