"""The load balancer's URL maps, generated from the route table: no route is written twice.

The map is for a global external Application Load Balancer (EXTERNAL_MANAGED), whose route rules can tell methods apart by the pseudo
header `:method`. The balancer matches on the path as it came, percent-encoded and without the query; nothing is decoded before that.
`local/gateway.py` stands in for it, and `tests/deploy/test_url_map.py` proves that both send every request to the same function.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Final

from shared.routes import DEFAULT_FUNCTION, ROUTES, Route

PATH_MATCHER: Final = "api"
FUNCTIONS: Final = tuple(sorted({route.function for route in ROUTES if not route.internal} | {DEFAULT_FUNCTION}))
"""The functions behind the balancer, each with a backend service of its own."""

PARAMETER: Final = re.compile(r"\{\w+\}")


def url_map(project: str, backends: Mapping[str, str], name: str = "haystack") -> dict[str, object]:
    """The URL map of the API, as `gcloud compute url-maps import` and `validate` take it.

    What no rule matches, internal routes included, goes to the function that answers unknown paths.

    Args:
        project: the project that the backend services are in.
        backends: the name of each function's backend service.
        name: the name of the map.

    Raises:
        KeyError: if a function has no backend service.
    """
    services = {function: _backend_service(project, backends[function]) for function in FUNCTIONS}
    default = services[DEFAULT_FUNCTION]
    return {
        "name": name,
        "description": "Generated from shared/routes.py by deploy/url_map.py",
        "defaultService": default,
        "hostRules": [{"hosts": ["*"], "pathMatcher": PATH_MATCHER}],
        "pathMatchers": [{"name": PATH_MATCHER, "defaultService": default, "routeRules": _route_rules(services)}],
    }


def https_redirect(name: str = "haystack-redirect") -> dict[str, object]:
    """The URL map of port 80: everything is sent to HTTPS, with its method, path and query."""
    return {
        "name": name,
        "defaultUrlRedirect": {
            "httpsRedirect": True,
            "redirectResponseCode": "PERMANENT_REDIRECT",  # 308: a POST stays a POST
            "stripQuery": False,
        },
    }


def _route_rules(services: Mapping[str, str]) -> list[dict[str, object]]:
    """The rules in the order in which `shared.routes.match` decides.

    Paths that are written in full come before those with parameters. Of each kind, first every route with its methods; then, for what a
    path does not answer (a preflight, a wrong method), every path alone, so that its first function says 405 and what it allows.
    """
    routes = [route for route in ROUTES if not route.internal]
    priorities = count(1)
    rules = []
    for fixed in (True, False):
        kind = [route for route in routes if _is_fixed(route) == fixed]
        first_of_path: dict[str, Route] = {}
        for route in kind:
            first_of_path.setdefault(route.template, route)
        rules += [_rule(next(priorities), route, services, route.methods) for route in kind]
        rules += [_rule(next(priorities), route, services) for route in first_of_path.values()]
    return rules


def _rule(priority: int, route: Route, services: Mapping[str, str], methods: Iterable[str] = ()) -> dict[str, object]:
    kind = "fullPathMatch" if _is_fixed(route) else "pathTemplateMatch"
    pattern = PARAMETER.sub("*", route.template)  # one segment that is not empty
    paths: list[dict[str, object]] = [{kind: pattern + slash} for slash in ("", "/")]
    by_method = [{**path, "headerMatches": [_method_is(method)]} for method in methods for path in paths]
    asked = "/".join(methods) or "any other method"
    return {
        "priority": priority,
        "description": f"{asked} {route.template}",
        "matchRules": by_method or paths,
        "service": services[route.function],
    }


def _is_fixed(route: Route) -> bool:
    return not PARAMETER.search(route.template)


def _method_is(method: str) -> dict[str, object]:
    return {"headerName": ":method", "exactMatch": method}


def _backend_service(project: str, name: str) -> str:
    return f"https://www.googleapis.com/compute/v1/projects/{project}/global/backendServices/{name}"
