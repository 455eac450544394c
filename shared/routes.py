"""The route table: which function answers which method and path.

Standard library only, since everything reads it:
the functions' decorator, the local gateway, the load balancer's URL map and the OpenAPI document.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Route(NamedTuple):
    """One method and path.

    Attributes:
        function: the folder below `functions/` that answers.
        method: the HTTP method; HEAD goes where GET goes.
        template: the path, with `{name}` for one segment.
        summary: what it does, in a line.
        anonymous: whether it answers without knowing its caller.
        internal: whether it stays out of the user-facing load balancer.
    """

    function: str
    method: str
    template: str
    summary: str
    anonymous: bool = False
    internal: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that this route answers."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    def params(self, path: str) -> dict[str, str] | None:
        """The values of the path's parameters, or None for a path that does not fit; a trailing slash is accepted."""
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
    """A route that fits, with the values of its path parameters."""

    route: Route
    params: Mapping[str, str]


class MethodMismatch(NamedTuple):
    """A path of ours, asked with a method that it does not answer; `allow` lists those that it does."""

    function: str
    allow: tuple[str, ...]


ROUTES: Final = (
    Route("create", "POST", "/api/v1/runs", "Ask a question: submit a run"),
    Route("list", "GET", "/api/v1/runs", "List your runs, newest first"),
    Route("validate", "POST", "/api/v1/runs/validate-control-strategy", "Check a question and its control strategy"),
    Route("status", "GET", "/api/v1/runs/{run_id}", "See where a run stands"),
    Route("result", "GET", "/api/v1/runs/{run_id}/result", "Get the result of a completed run"),
    Route("cancel", "POST", "/api/v1/runs/{run_id}/cancel", "Cancel a run"),
    Route("metadata", "GET", "/api/v1/metadata/{subject}", "List what the catalog knows"),
    Route("metadata", "GET", "/api/v1/metadata/datasets/{dataset}", "See what a dataset holds"),
    Route("health", "GET", "/api/v1/health", "Whether the service is alive", anonymous=True),
    Route("health", "GET", "/api/v1/health/ready", "Whether the service can work", anonymous=True),
    Route("reconcile", "POST", "/api/v1/reconcile", "Take a Batch notification or sweep stale runs", internal=True),
)

DEFAULT_FUNCTION: Final = "health"
"""Answers what no route fits (with 404): the one that is never protected and never expensive."""

FUNCTIONS: Final = tuple(sorted({route.function for route in ROUTES}))


class FunctionSpec(NamedTuple):
    """How one function is deployed.

    Attributes:
        function: the folder below `functions/`.
        account: the service account that it runs as: `reader`, `submitter` or `signer`.
        memory_mib: memory of an instance.
        concurrency: requests that one instance takes at a time.
        max_instances: where growing stops, so that a flood costs little.
        timeout_seconds: how long a request may take; longer than the longest that the function itself waits for.
        warm_instances: instances that `--production` keeps ready; otherwise none are.
        reason: why these figures.
    """

    function: str
    account: str
    memory_mib: int
    concurrency: int
    max_instances: int
    timeout_seconds: int
    warm_instances: int
    reason: str


SPECS: Final[Mapping[str, FunctionSpec]] = {
    spec.function: spec
    for spec in (
        FunctionSpec("cancel", "submitter", 512, 40, 5, 60, 0, "rare; waits up to 25 s for Batch"),
        FunctionSpec("create", "submitter", 512, 40, 10, 60, 1, "a person waits; waits up to 25 s for Batch"),
        FunctionSpec("health", "reader", 512, 80, 3, 15, 0, "cheap; also takes the noise of unknown paths"),
        FunctionSpec("list", "reader", 512, 40, 10, 30, 1, "a page of up to 100 runs to encode; a person waits"),
        FunctionSpec("metadata", "reader", 512, 80, 5, 30, 0, "answers from memory, and clients may keep the answer"),
        FunctionSpec("reconcile", "submitter", 512, 8, 3, 300, 0, "no person waits; a sweep looks at many runs"),
        FunctionSpec("result", "signer", 512, 16, 10, 30, 0, "signs in threads, for up to 15 s"),
        FunctionSpec(
            "status", "reader", 512, 80, 20, 60, 1, "most requests; `?wait=` holds one for up to 30 s at no cost"
        ),
        FunctionSpec("validate", "reader", 512, 20, 5, 30, 0, "reads a question: processor time, not waiting"),
    )
}
"""One processor each: with less, Cloud Run allows no concurrency. The figures behind all of this: `docs/performance.md`."""

RUNTIME: Final[Mapping[str, str]] = {
    "DEBUG": "true",
    "FUNCTION_USE_ASGI": "true",
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
}
"""What every function's environment tells the libraries.

`DEBUG`: uvicorn alone, without gunicorn around it. That is all that this means to the framework for an asynchronous function: no answer and
no line tells more by it. Gunicorn starts workers and watches them, from a process of its own; here there is one worker, for one processor,
and Cloud Run watches it. `FUNCTION_USE_ASGI`: no Flask application, which nobody would call. `PYDANTIC_DISABLE_PLUGINS`: no search for
plugins in what every installed package says of itself.
"""


def match(method: str, path: str) -> Match | MethodMismatch | None:
    """Find who answers a request.

    Args:
        method: the HTTP method, in capitals.
        path: the decoded path, without the query.

    Returns:
        The first route of the table that fits; what the path allows where only the method does not fit; None for a path not ours.
    """
    fitting = [(route, found) for route in ROUTES if (found := route.params(path)) is not None]
    # A path that a route names in full is that route's alone: `validate-control-strategy` is no run id.
    fitting = [(route, found) for route, found in fitting if not found] or fitting
    for route, found in fitting:
        if method in route.methods:
            return Match(route, found)
    if not fitting:
        return None
    allow = sorted({allowed for route, _ in fitting for allowed in route.methods})
    return MethodMismatch(fitting[0][0].function, tuple(allow))
