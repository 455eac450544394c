"""The URL maps of the load balancer, generated from the route table.

They need a global external Application Load Balancer (EXTERNAL_MANAGED), whose route rules can match the method with
the pseudo header `:method`. The balancer matches the path as received: percent-encoded, not decoded, without the query.
`local/gateway.py` emulates it, and `tests/deploy/test_url_map.py` checks that both route every request alike.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Final

from shared.routes import API_PREFIX, DEFAULT_FUNCTION, PAGES, ROUTES, Route

PATH_MATCHER: Final = "api"
# The functions behind the load balancer, each with its own backend service.
FUNCTIONS: Final = tuple(
    sorted({route.function for route in ROUTES if not route.internal} | {DEFAULT_FUNCTION, PAGES.function})
)
PARAMETER: Final = re.compile(r"\{\w+\}")


def url_map(project: str, backends: Mapping[str, str], name: str = "haystack") -> dict[str, object]:
    """Return the URL map of the service, for `gcloud compute url-maps import` and `validate`.

    Unknown paths of the API, internal routes included, go to the function that answers them with 404; every path outside
    the API goes to the front end. `backends` names the backend service of each function.

    Raises:
        KeyError: if a function has no backend service.
    """
    prefix = f"https://www.googleapis.com/compute/v1/projects/{project}/global/backendServices/"
    services = {function: prefix + backends[function] for function in FUNCTIONS}
    default = services[PAGES.function]
    return {
        "name": name,
        "description": "Generated from shared/routes.py by deploy/url_map.py",
        "defaultService": default,
        "hostRules": [{"hosts": ["*"], "pathMatcher": PATH_MATCHER}],
        "pathMatchers": [{"name": PATH_MATCHER, "defaultService": default, "routeRules": _route_rules(services)}],
    }


def https_redirect(name: str = "haystack-redirect") -> dict[str, object]:
    """Return the URL map of port 80, which redirects to HTTPS and keeps the method, the path and the query."""
    return {
        "name": name,
        "defaultUrlRedirect": {
            "httpsRedirect": True,
            "redirectResponseCode": "PERMANENT_REDIRECT",  # 308: a POST stays a POST
            "stripQuery": False,
        },
    }


def _route_rules(services: Mapping[str, str]) -> list[dict[str, object]]:
    """Return the rules in the order in which `shared.routes.match` decides.

    Paths without parameters come before paths with parameters. In each group, every route with its methods comes
    first. Then every path alone catches the other requests (preflights, wrong methods), so that its first function
    answers 405 with the allowed methods.
    """
    routes = [route for route in ROUTES if not route.internal]
    priorities = count(1)
    rules = []
    for fixed in (True, False):
        group = [route for route in routes if _is_fixed(route) == fixed]
        first_of_path: dict[str, Route] = {}
        for route in group:
            first_of_path.setdefault(route.template, route)
        rules += [_rule(next(priorities), route, services, route.methods) for route in group]
        rules += [_rule(next(priorities), route, services) for route in first_of_path.values()]
    unknown = {
        "priority": next(priorities),
        "description": f"unknown paths below {API_PREFIX}",
        "matchRules": [{"prefixMatch": API_PREFIX}, {"fullPathMatch": API_PREFIX.removesuffix("/")}],
        "service": services[DEFAULT_FUNCTION],
    }
    return [*rules, unknown]


def _rule(priority: int, route: Route, services: Mapping[str, str], methods: Iterable[str] = ()) -> dict[str, object]:
    kind = "fullPathMatch" if _is_fixed(route) else "pathTemplateMatch"
    pattern = PARAMETER.sub("*", route.template)  # one non-empty segment
    paths: list[dict[str, object]] = [{kind: pattern + slash} for slash in ("", "/")]
    headers = ({"headerName": ":method", "exactMatch": method} for method in methods)
    by_method = [{**path, "headerMatches": [header]} for header in headers for path in paths]
    return {
        "priority": priority,
        "description": f"{'/'.join(methods) or 'any other method'} {route.template}",
        "matchRules": by_method or paths,
        "service": services[route.function],
    }


def _is_fixed(route: Route) -> bool:
    return not PARAMETER.search(route.template)
