"""Addresses of webhooks: which ones are refused, in what words, and the parts of the others."""

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.runs.webhooks import WebhookAddress, WebhookUrl

ADDRESS: TypeAdapter[str] = TypeAdapter(WebhookAddress)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@hooks.example.org/",
        "https://hooks.example.org/#here",
        "ftp://hooks.example.org",
        "https://bücher.de",
    ],
)
def test_an_address_that_clients_may_read_differently_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ADDRESS.validate_python(url)
    (error,) = refused.value.errors()
    assert error["type"] == "webhook_url"
    assert error["msg"] == (
        "Input should be an address in ASCII such as https://hooks.example.org/path, without user, password and fragment"
    )
    with pytest.raises(ValueError, match=r"^not the address of a webhook$"):
        WebhookUrl.parse(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Hooks.Example.org", ("https", "hooks.example.org", 443, "/")),
        ("http://127.0.0.1:8090/a/b?c=d", ("http", "127.0.0.1", 8090, "/a/b?c=d")),
        ("http://example.org?c=d", ("http", "example.org", 80, "/?c=d")),
    ],
)
def test_the_parts_of_an_address(url: str, expected: tuple[str, str, int, str]) -> None:
    assert ADDRESS.validate_python(url) == url
    found = WebhookUrl.parse(url)
    assert found == expected
    assert found.origin == "{}://{}:{}".format(*expected)
