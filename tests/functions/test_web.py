"""The front end is served to anybody whom the sign-in lets through, with the headers of every response."""

import httpx
import pytest


@pytest.mark.parametrize("path", ["/", "/runs", "/runs/run_0123456789ab", "/compare?a=1&b=2", "/atlases/"])
async def test_every_view_of_the_page_can_be_loaded_by_its_address(api: httpx.AsyncClient, path: str) -> None:
    page = await api.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert '<main id="main"' in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert {"x-request-id", "etag", "strict-transport-security"} <= page.headers.keys()
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/none", "/favicon.ico", "/robots.txt"])
async def test_an_unknown_path_is_a_page_for_people(api: httpx.AsyncClient, path: str) -> None:
    """Regression: the framework answered the last two itself, also where a front end has these files."""
    page = await api.get(path)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert 'href="/"' in page.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_page_is_only_read(api: httpx.AsyncClient, method: str) -> None:
    refused = await api.request(method, "/runs")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_a_long_file_is_compressed_and_revalidated(api: httpx.AsyncClient) -> None:
    gzip = {"Accept-Encoding": "gzip"}
    style = await api.get("/style.css", headers=gzip)
    assert (style.headers["content-encoding"], style.headers["content-type"]) == ("gzip", "text/css; charset=utf-8")
    again = await api.get("/style.css", headers=gzip | {"If-None-Match": style.headers["etag"]})
    assert (again.status_code, again.headers["etag"]) == (304, style.headers["etag"])
