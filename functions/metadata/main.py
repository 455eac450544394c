"""GET /api/v1/metadata/{perturbations,cell-types,datasets} and /datasets/{dataset}: read the catalog."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared import wiring
from shared.catalog.plans import askable_cell_types, askable_perturbations
from shared.catalog.schemas import EntriesQuery, MetadataQuery
from shared.http import requests
from shared.http.endpoint import Call, endpoint
from shared.http.problems import UnknownPath
from shared.http.responses import json_response

T = TypeVar("T")


@endpoint("metadata")
async def handle(call: Call) -> Response:
    view = await wiring.container().catalog_cache.view()
    found: BaseModel | Sequence[BaseModel | str]
    links: dict[str, str] = {}
    match call.params:
        case {"dataset": name}:
            found = view.describe(name)
        case {"subject": "perturbations"}:
            asked = requests.parse_query(call.request, EntriesQuery)
            known = view.perturbations(asked.dataset) if asked.all else askable_perturbations(view, asked.dataset)
            found, links = page_of(known, asked, call.request)
        case {"subject": "cell-types"}:
            asked = requests.parse_query(call.request, EntriesQuery)
            types = view.cell_types(asked.dataset) if asked.all else askable_cell_types(view, asked.dataset)
            found, links = page_of(types, asked, call.request)
        case {"subject": "datasets"}:
            dataset = requests.parse_query(call.request, MetadataQuery).dataset
            found = view.dataset_names() if dataset is None else [view.dataset(dataset).name]
        case _:
            raise UnknownPath
    return json_response(call.request, found, Cache_Control="private, max-age=60", **links)


def page_of(found: Sequence[T], asked: EntriesQuery, request: Request) -> tuple[Sequence[T], dict[str, str]]:
    """Return a page of entries, and the header that points to the next page if there is one."""
    end = asked.page * asked.page_size
    if end >= len(found):
        return found[end - asked.page_size :], {}
    following = request.url.include_query_params(page=asked.page + 1).query
    return found[end - asked.page_size : end], {"Link": f'<{request.url.path}?{following}>; rel="next"'}
