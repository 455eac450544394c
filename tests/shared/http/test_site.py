"""A front end is found by the rules of a Next.js export, and nothing outside its folder is served."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from shared.errors import HaystackError
from shared.http.site import BUILT_IN, CACHE_HASHED, DOCS, Site

FILES = {
    "index.html": "home",
    "runs.html": "runs",
    "about/index.html": "about",
    "404.html": "missing",
    "_next/static/chunks/app-1a2b.js": "app",
    "favicon.ico": "icon",
    "runs/[run_id].html": "run",
    ".env": "secret",
    ".git/config": "secret",
    ".well-known/security.txt": "contact",
    "font.woff2": "font",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "outside.txt").write_text("secret")
    return tmp_path / "site"


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[Callable[[], httpx.AsyncClient]]:
    """Return a client of the site as its folder is when it is called."""
    made: list[httpx.AsyncClient] = []

    def make() -> httpx.AsyncClient:
        site = Site(folder, "http://storage")

        async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
            try:
                response: Response = await site.respond(Request(scope))
            except HaystackError as error:
                response = Response(error.slug, 404)
            await response(scope, receive, send)

        made.append(httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://site"))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


Make = Callable[[], httpx.AsyncClient]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/", "home"),
        ("/index.html", "home"),
        ("/runs", "runs"),
        ("/runs/", "runs"),
        ("/runs.html", "runs"),
        ("/about", "about"),
        ("/about/", "about"),
        ("/_next/static/chunks/app-1a2b.js", "app"),
        ("/.well-known/security.txt", "contact"),
        ("/runs/%5Brun_id%5D", "run"),
    ],
)
async def test_a_path_finds_its_file(client: Make, path: str, content: str) -> None:
    answer = await client().get(path)
    assert (answer.status_code, answer.text) == (200, content)


@pytest.mark.parametrize(
    "path",
    [
        "/none", "/about/none", "/_next", "/.env", "/.git/config", "/../outside.txt", "/%2e%2e/outside.txt",
        "/..%2foutside.txt", "/runs/..%2f..%2foutside.txt", "/%00", "/a%00.js", "/" + "x" * 5000, "/runs//../outside.txt",
        "/%5c..%5coutside.txt", "/frontend.json",
    ],
)  # fmt: skip
async def test_everything_else_is_the_page_for_unknown_paths(client: Make, folder: Path, path: str) -> None:
    (folder / "frontend.json").write_text("{}")
    answer = await client().get(path)
    assert (answer.status_code, answer.text) == (404, "missing")


async def test_a_link_out_of_the_folder_is_not_followed(client: Make, folder: Path) -> None:
    (folder / "link.txt").symlink_to(folder.parent / "outside.txt")
    assert (await client().get("/link.txt")).status_code == 404


async def test_without_a_page_for_unknown_paths_the_answer_is_a_problem(client: Make, folder: Path) -> None:
    (folder / "404.html").unlink()
    assert (await client().get("/none")).text == "not_found"


async def test_hashed_files_are_kept_and_others_are_asked_for(client: Make, folder: Path) -> None:
    asked = client()
    assert (await asked.get("/_next/static/chunks/app-1a2b.js")).headers["cache-control"] == CACHE_HASHED
    page = await asked.get("/runs")
    assert page.headers["cache-control"] == "private, no-cache"
    again = {"If-None-Match": page.headers["etag"]}
    assert (await asked.get("/runs", headers=again)).status_code == 304
    # Deployments write all files with one date, so neither the date nor the length tells two versions apart.
    before = (folder / "runs.html").stat()
    (folder / "runs.html").write_text("RUNS")
    assert (folder / "runs.html").stat().st_size == before.st_size
    assert (await asked.get("/runs", headers=again)).text == "RUNS"


async def test_files_have_their_media_type(client: Make) -> None:
    types = {"/": "text/html; charset=utf-8", "/font.woff2": "font/woff2"}
    assert {path: (await client().get(path)).headers["content-type"] for path in types} == types
    script = await client().get("/_next/static/chunks/app-1a2b.js")
    assert script.headers["content-type"].startswith("text/javascript")


async def test_a_front_end_of_ones_own_may_start_inline_and_set_another_policy(client: Make, folder: Path) -> None:
    policy = (await client().get("/")).headers["content-security-policy"]
    assert "script-src 'self' 'unsafe-inline'" in policy
    assert "connect-src 'self' http://storage" in policy
    config = {"content_security_policy": "default-src 'self' {storage}", "rewrites": {"/runs/*": "/runs/[run_id].html"}}
    (folder / "frontend.json").write_text(json.dumps(config))
    answer = await client().get("/runs/run_0123456789ab")
    assert (answer.text, answer.headers["content-security-policy"]) == ("run", "default-src 'self' http://storage")
    assert (await client().get("/runs/a/b")).status_code == 404


@pytest.mark.parametrize("content", ["{", "[]", '{"rewrites": {"/a": 1}}', '{"content_security_policy": "a\\nb"}'])
def test_an_invalid_configuration_is_named(folder: Path, content: str) -> None:
    (folder / "frontend.json").write_text(content)
    with pytest.raises(ValueError, match=r"frontend\.json is not valid"):
        Site(folder)


def test_the_policy_of_the_built_in_page_is_strict() -> None:
    policy = json.loads((BUILT_IN / "frontend.json").read_text())["content_security_policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy


async def test_the_documentation_of_the_api_is_beside_every_front_end(
    folder: Path, client: Callable[[], httpx.AsyncClient]
) -> None:
    """Regression: every 404 named `/docs`, which only the local service had."""
    page, document = await client().get("/docs"), await client().get("/openapi.yaml")
    assert (page.status_code, document.status_code) == (200, 200)
    assert page.text == (DOCS / "reference.html").read_text()
    assert page.headers["content-type"].startswith("text/html")
    assert "script" not in page.headers["content-security-policy"]
    assert document.content == (DOCS / "openapi.yaml").read_bytes()
    assert document.headers["content-type"].startswith("application/yaml")
    for hidden in ("/docs/api.md", "/reference.html", "/docs/reference.html"):
        assert (await client().get(hidden)).status_code == 404
    (folder / "docs.html").write_text("documentation of one's own")
    assert (await client().get("/docs")).text == "documentation of one's own"
