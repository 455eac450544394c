"""The URL map and the local gateway send every request to the same function.

`evaluate` is independent of the generator: it follows Google's reference of the UrlMap resource. The reference describes the wildcard of a
template in words only, so its characters are those of Envoy's `uri_template`, which defines these operators.
"""

import asyncio
import json
import os
import shutil
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT6

from deploy import url_map as generated
from local.gateway import Gateway, function_for
from local.serving import serving
from shared.routes import DEFAULT_FUNCTION, FUNCTIONS, ROUTES

BACKENDS = {name: f"haystack-{name}" for name in FUNCTIONS}
PREFIX = "https://www.googleapis.com/compute/v1/projects/some-project/global/backendServices/haystack-"
WILDCARD = frozenset(string.ascii_letters + string.digits + "-._~%!$&'()+,;:@")
INTERNAL = {route.function for route in ROUTES if route.internal}
RUNS = "/api/v1/runs"
RUN = f"{RUNS}/run_0123456789ab"
META = "/api/v1/metadata"

TABLE: list[tuple[str, str, str]] = [
    # each route as written
    ("POST", RUNS, "create"),
    ("GET", RUNS, "list"),
    ("POST", f"{RUNS}/validate-control-strategy", "validate"),
    ("GET", RUN, "status"),
    ("GET", f"{RUN}/result", "result"),
    ("POST", f"{RUN}/cancel", "cancel"),
    ("GET", f"{META}/perturbations", "metadata"),
    ("GET", f"{META}/datasets/parse_pbmc", "metadata"),
    ("GET", "/api/v1/health", "health"),
    ("GET", "/api/v1/health/ready", "health"),
    # a trailing slash
    ("POST", f"{RUNS}/", "create"),
    ("GET", f"{RUNS}/", "list"),
    ("POST", f"{RUNS}/validate-control-strategy/", "validate"),
    ("GET", f"{RUN}/", "status"),
    ("GET", f"{RUN}/result/", "result"),
    ("POST", f"{RUN}/cancel/", "cancel"),
    ("GET", f"{META}/datasets/", "metadata"),
    ("GET", f"{META}/datasets/parse_pbmc/", "metadata"),
    ("GET", "/api/v1/health/", "health"),
    # HEAD goes where GET goes
    ("HEAD", RUNS, "list"),
    ("HEAD", RUN, "status"),
    ("HEAD", f"{RUN}/result/", "result"),
    ("HEAD", f"{META}/datasets/parse_pbmc", "metadata"),
    # preflights and wrong methods go to the first function of the path
    ("OPTIONS", RUNS, "create"),
    ("OPTIONS", RUN, "status"),
    ("OPTIONS", f"{RUN}/result", "result"),
    ("OPTIONS", f"{RUN}/cancel/", "cancel"),
    ("OPTIONS", f"{RUNS}/validate-control-strategy", "validate"),
    ("OPTIONS", f"{META}/datasets/parse_pbmc", "metadata"),
    ("OPTIONS", f"{META}/cell-types", "metadata"),
    ("OPTIONS", "/api/v1/health", "health"),
    ("OPTIONS", "/api/v1/health/ready", "health"),
    ("OPTIONS", "*", "web"),
    ("DELETE", RUNS, "create"),
    ("PUT", RUN, "status"),
    ("PATCH", f"{META}/datasets/parse_pbmc", "metadata"),
    ("HEAD", f"{RUN}/cancel", "cancel"),
    ("GET", f"{RUN}/cancel", "cancel"),
    ("POST", RUN, "status"),
    ("DELETE", RUN, "cancel"),
    ("DELETE", f"{RUN}/", "cancel"),
    ("TRACE", RUNS, "create"),
    ("TRACE", "/", "web"),
    ("get", RUNS, "create"),
    # a path without parameters belongs to its route alone; elsewhere its words are ordinary ids
    ("GET", f"{RUNS}/validate-control-strategy", "validate"),
    ("POST", f"{RUNS}/validate-control-strategy/cancel", "cancel"),
    ("GET", f"{RUNS}/result/result", "result"),
    # unknown paths
    ("GET", "/api/", "health"),
    ("GET", "/api", "health"),
    ("POST", "/api/v1", "health"),
    ("GET", "/api/v2/runs", "health"),
    ("GET", f"{RUN}/result/x", "health"),
    ("POST", f"{RUNS}x", "health"),
    # the front end has every path outside the API
    ("GET", "/", "web"),
    ("HEAD", "/robots.txt", "web"),
    ("POST", "/", "web"),
    ("GET", "/runs/run_0123456789ab", "web"),
    ("GET", "/_next/static/chunks/app-1a2b*=.js", "web"),
    ("GET", "/apis", "web"),
    ("GET", f"/x{RUNS}", "web"),
    # internal routes
    ("POST", "/api/v1/reconcile", "health"),
    ("POST", "/api/v1/reconcile/", "health"),
    ("GET", "/api/v1/reconcile", "health"),
    # encoded: neither side decodes
    ("GET", f"{RUNS}/run_0123456789ab%2Fresult", "status"),
    ("POST", f"{RUNS}/run_0123456789ab%2fcancel", "status"),
    ("GET", "/api/v1%2Fruns", "health"),
    ("GET", "/api/v1/run%73", "health"),
    ("POST", f"{RUNS}%2F", "health"),
    ("GET", f"{RUNS}/%2E%2E", "status"),
    ("GET", f"{RUNS}/run%20one", "status"),
    ("GET", f"{RUNS}/caf%C3%A9", "status"),
    ("GET", f"{RUNS}/%", "status"),
    ("GET", f"{RUNS}/a%3Fb/result", "result"),
    # slashes and dots: neither side normalizes a path
    ("GET", f"{RUNS}//", "health"),
    ("GET", f"/{RUNS}", "web"),
    ("GET", "/api//v1/runs", "health"),
    ("GET", f"{RUNS}//result", "health"),
    ("GET", f"{RUNS}/..", "status"),
    ("GET", f"{RUNS}/./result", "result"),
    ("GET", f"{RUNS}/../health", "health"),
    ("GET", f"{RUNS}/../runs/x", "health"),
    # paths and ids are case-sensitive
    ("POST", "/API/v1/runs", "web"),
    ("GET", "/api/V1/runs", "health"),
    ("GET", f"{RUNS}/RUN_0123456789AB", "status"),
    ("GET", f"{RUN}/Result", "health"),
    # characters that a wildcard matches or does not match
    ("GET", f"{RUNS}/a;b,c:d@e!f$g&h'i(j)k+l~m", "status"),
    ("GET", f"{RUNS}/a=b", "health"),
    ("GET", f"{RUNS}/a*b", "health"),
    ("GET", f'{RUNS}/"x"', "health"),
    # a query has no effect
    ("GET", f"{RUNS}?page=2&page_size=50", "list"),
    ("POST", f"{RUNS}/?x=/result", "create"),
    ("GET", f"{RUN}?wait=20", "status"),
    ("GET", f"{RUN}/result?path=/api/v1/health", "result"),
    ("GET", f"/?next={RUNS}", "web"),
    # very long
    ("GET", f"{RUNS}/{'x' * 6000}", "status"),
    ("GET", f"{META}/datasets/{'x' * 6000}/", "metadata"),
    ("POST", f"{RUNS}{'/x' * 3000}", "health"),
]


def evaluate(url_map: dict[str, Any], method: str, target: str, host: str = "api.example.com") -> str:
    """Return the backend service that the load balancer chooses, according to the reference of the UrlMap resource.

    https://cloud.google.com/compute/docs/reference/rest/v1/urlMaps
    """
    path = target.partition("?")[0]
    rules = [rule for rule in url_map["hostRules"] if host in rule["hosts"] or "*" in rule["hosts"]]
    if not rules:
        return str(url_map["defaultService"])
    (matcher,) = [each for each in url_map["pathMatchers"] if each["name"] == rules[0]["pathMatcher"]]
    for rule in sorted(matcher["routeRules"], key=lambda rule: int(rule["priority"])):
        if any(matches(criteria, method, path) for criteria in rule["matchRules"]):
            return str(rule["service"])
    return str(matcher["defaultService"])


def matches(criteria: dict[str, Any], method: str, path: str) -> bool:
    """Return whether a request meets every criterion of a match rule; an unknown criterion is an error, not a match."""
    known: dict[str, Callable[[Any], bool]] = {
        "fullPathMatch": path.__eq__,
        "prefixMatch": path.startswith,
        "pathTemplateMatch": lambda template: matches_template(template, path),
        "headerMatches": lambda headers: all(matches_header(header, method) for header in headers),
    }
    return all(known[name](value) for name, value in criteria.items())


def matches_header(header: dict[str, str], method: str) -> bool:
    assert set(header) == {"headerName", "exactMatch"}
    assert header["headerName"] == ":method"
    return method == header["exactMatch"]


def matches_template(template: str, path: str) -> bool:
    """Match a path: a `*` is one non-empty segment; everything else is literal."""
    wanted, found = template.split("/"), path.split("/")
    return len(wanted) == len(found) and all(
        (bool(segment) and WILDCARD.issuperset(segment)) if word == "*" else word == segment
        for word, segment in zip(wanted, found, strict=True)
    )


def by_url_map(method: str, target: str) -> str:
    return evaluate(URL_MAP, method, target).removeprefix(PREFIX)


def by_gateway(method: str, target: str) -> str:
    """Return the gateway's choice; it also serves reconcile, which is not behind the load balancer."""
    function = function_for(method, target.partition("?")[0])
    return DEFAULT_FUNCTION if function in INTERNAL else function


URL_MAP: dict[str, Any] = generated.url_map("some-project", BACKENDS)


def rules() -> list[dict[str, Any]]:
    (matcher,) = URL_MAP["pathMatchers"]
    found: list[dict[str, Any]] = matcher["routeRules"]
    return found


def test_the_table_is_long_enough_and_tells_nothing_twice() -> None:
    assert len({(method, target) for method, target, _ in TABLE}) == len(TABLE) >= 60
    assert {function for _, _, function in TABLE} == set(FUNCTIONS) - INTERNAL


@pytest.mark.parametrize(("method", "target", "function"), TABLE, ids=lambda value: str(value)[:60])
def test_the_balancer_and_the_gateway_choose_the_same_function(method: str, target: str, function: str) -> None:
    assert (by_url_map(method, target), by_gateway(method, target)) == (function, function)


WORDS = sorted({word for route in ROUTES for word in route.template.split("/") if "{" not in word})
SEGMENT = st.one_of(
    st.sampled_from([*WORDS, ".", "..", "run_0123456789ab", "a=b", "a%2Fb", "*", "**", "{run_id}"]),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="/?#"), max_size=5),
)
TEMPLATED = st.sampled_from(ROUTES).flatmap(
    lambda route: st.tuples(*(SEGMENT if "{" in word else st.just(word) for word in route.template.split("/")))
)
PATH = st.builds(
    lambda segments, end: "/".join(segments) + end,
    st.one_of(TEMPLATED, st.lists(SEGMENT, max_size=7).map(lambda found: ("", *found))),
    st.sampled_from(["", "/", "//", "?", "?a=/b", "/?x"]),
)
METHOD = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "FOO"])


@settings(max_examples=500)
@given(METHOD, PATH)
def test_they_choose_the_same_function_for_any_path(method: str, target: str) -> None:
    assert by_url_map(method, target) == by_gateway(method, target)


@pytest.mark.parametrize("rule", range(len(rules())))
def test_the_table_notices_any_rule_that_goes_astray(rule: int) -> None:
    astray = json.loads(json.dumps(URL_MAP))
    astray["pathMatchers"][0]["routeRules"][rule]["service"] = "another"
    assert any(evaluate(astray, method, target) == "another" for method, target, _ in TABLE)


async def test_the_gateway_chooses_by_the_path_as_it_came() -> None:
    gateway = Gateway({})
    gateway._functions = {name: teller(name) for name in FUNCTIONS}
    async with serving(gateway) as url:
        for target, function in [
            (f"{RUNS}/a%2Fresult", "status"),
            ("/api/v1/run%73", "health"),
            (f"{RUNS}/../health", "health"),
            (f"/{RUNS}", "web"),
            (f"{RUN}/result?x=/cancel", "result"),
        ]:
            assert await get(url, target) == function


def teller(name: str) -> Any:  # noqa: ANN401  # an ASGI application
    async def app(_scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": name.encode()})

    return app


async def get(url: str, target: str) -> str:
    """Return the body of the response to a raw request line, because clients would normalize the path."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert head.startswith(b"HTTP/1.1 200"), head
    return next(line.decode() for line in body.split(b"\r\n") if line.isalpha())


def test_rules_keep_what_the_reference_asks_of_them() -> None:
    priorities = [rule["priority"] for rule in rules()]
    assert len(set(priorities)) == len(priorities) <= 200
    for criteria in (criteria for rule in rules() for criteria in rule["matchRules"]):
        (path,) = [value for name, value in criteria.items() if name != "headerMatches"]
        assert path.startswith("/")
        assert len(path) <= 255
        assert path.count("*") <= 5
        assert all(word == "*" or "*" not in word for word in path.split("/"))


def test_every_service_is_a_backend_and_every_public_function_has_one() -> None:
    services = {rule["service"].removeprefix(PREFIX) for rule in (*rules(), {"service": URL_MAP["defaultService"]})}
    assert services == set(generated.FUNCTIONS) == set(FUNCTIONS) - INTERNAL


def test_a_function_without_a_backend_is_an_error() -> None:
    with pytest.raises(KeyError, match="cancel"):
        generated.url_map("p", {name: name for name in FUNCTIONS if name != "cancel"})


def test_plain_http_is_redirected_with_its_method_and_query() -> None:
    redirect: dict[str, Any] = generated.https_redirect()
    assert redirect["defaultUrlRedirect"] == {
        "httpsRedirect": True,
        "redirectResponseCode": "PERMANENT_REDIRECT",
        "stripQuery": False,
    }


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft6Validator:
    """Return the validator that `gcloud compute url-maps import` applies to a file."""
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs gcloud")
        pytest.skip("gcloud, whose schemas these are, is not installed")
    folder = Path(gcloud).resolve().parent.parent / "lib/googlecloudsdk/schemas/compute/v1"

    def read(name: str) -> Resource[Any]:
        return DRAFT6.create_resource(yaml.safe_load((folder / name).read_text()))

    return jsonschema.Draft6Validator(
        {"$ref": "UrlMap.yaml"},
        registry=Registry(retrieve=read),  # type: ignore[call-arg]  # attrs' alias of `_retrieve`
    )


@pytest.mark.parametrize("made", [URL_MAP, generated.https_redirect()], ids=["api", "redirect"])
def test_gcloud_takes_the_maps_it_is_given(made: dict[str, Any], validator: jsonschema.Draft6Validator) -> None:
    validator.validate(made)


@pytest.mark.parametrize(
    ("field", "wrong"), [("service", 1), ("priority", "first"), ("matchRules", [{"pathTemplate": "/x"}])]
)
def test_gcloud_refuses_what_is_no_url_map(field: str, wrong: object, validator: jsonschema.Draft6Validator) -> None:
    spoilt = json.loads(json.dumps(URL_MAP))
    spoilt["pathMatchers"][0]["routeRules"][0][field] = wrong
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(spoilt)
