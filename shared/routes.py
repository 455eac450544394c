"""The route table: which function answers which method and path.

Standard library only, because everything reads it: the decorator of the functions, the local gateway, the URL map of the load balancer
and the OpenAPI document.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Route(NamedTuple):
    """One method and path.

    Attributes:
        function: folder in `functions/` that answers.
        method: HTTP method; HEAD follows GET.
        template: path, with `{name}` for one segment.
        anonymous: whether it answers without authenticating the caller.
        internal: whether only the service itself calls it, and the user-facing load balancer leaves it out.
        query: whether it has query parameters; otherwise a request with some is refused.
    """

    function: str
    method: str
    template: str
    summary: str
    anonymous: bool = False
    internal: bool = False
    query: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """HTTP methods of this route."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    def params(self, path: str) -> dict[str, str] | None:
        """Return the path parameters, or None if the path does not match; a trailing slash is accepted."""
        parts, segments = path.removesuffix("/").split("/"), self.template.split("/")
        if len(parts) != len(segments):
            return None
        found = {}
        for segment, part in zip(segments, parts, strict=True):
            if segment.startswith("{") and part:
                found[segment[1:-1]] = part
            elif segment != part:
                return None
        return found


class Match(NamedTuple):
    """A matching route and its path parameters."""

    route: Route
    params: Mapping[str, str]


class MethodMismatch(NamedTuple):
    """A known path with a method that it does not support; `allow` lists the supported ones."""

    function: str
    allow: tuple[str, ...]


ROUTES: Final = (
    Route("create", "POST", "/api/v1/runs", "Ask a question: submit a run"),
    Route("list", "GET", "/api/v1/runs", "List your runs, newest first", query=True),
    Route("validate", "POST", "/api/v1/runs/validate-control-strategy", "Check a question and its control strategy"),
    Route("status", "GET", "/api/v1/runs/{run_id}", "See where a run stands", query=True),
    Route("result", "GET", "/api/v1/runs/{run_id}/result", "Get the result of a completed run"),
    Route("cancel", "POST", "/api/v1/runs/{run_id}/cancel", "Cancel a run"),
    Route("cancel", "DELETE", "/api/v1/runs/{run_id}", "Delete a finished run and its files"),
    Route("metadata", "GET", "/api/v1/metadata/{subject}", "List what the catalog knows", query=True),
    Route("metadata", "GET", "/api/v1/metadata/datasets/{dataset}", "See what a dataset holds"),
    Route("health", "GET", "/api/v1/health", "Whether the service is alive", anonymous=True),
    Route("health", "GET", "/api/v1/health/ready", "Whether the service can work", anonymous=True),
    Route("reconcile", "POST", "/api/v1/reconcile", "Take a Batch notification or sweep stale runs", internal=True),
)

API_PREFIX: Final = "/api/"
# Answers unknown paths of the API with 404: the function that needs no sign-in and costs little.
DEFAULT_FUNCTION: Final = "health"
# Every path outside the API. It is not in `ROUTES`, because the pages are not part of the API.
# Links to them may have any parameters.
PAGES: Final = Route("web", "GET", "/{path}", "The front end", anonymous=True, query=True)

FUNCTIONS: Final = tuple(sorted({route.function for route in ROUTES} | {PAGES.function}))


def is_page(path: str) -> bool:
    """Return whether the front end answers a path."""
    return f"{path}/" != API_PREFIX and not path.startswith(API_PREFIX)


def match(method: str, path: str) -> Match | MethodMismatch | None:
    """Find the route of a request: the first that matches, the allowed methods if only the path matches, or None.

    Args:
        method: HTTP method, in capitals.
        path: decoded path, without the query.
    """
    if is_page(path):
        return Match(PAGES, {}) if method in PAGES.methods else MethodMismatch(PAGES.function, PAGES.methods)
    matching = [(route, found) for route in ROUTES if (found := route.params(path)) is not None]
    # A route without parameters wins: `validate-control-strategy` is not a run id.
    matching = [(route, found) for route, found in matching if not found] or matching
    for route, found in matching:
        if method in route.methods:
            return Match(route, found)
    if not matching:
        return None
    allow = sorted({allowed for route, _ in matching for allowed in route.methods})
    return MethodMismatch(matching[0][0].function, tuple(allow))
