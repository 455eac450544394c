"""GET /api/v1/metadata/{perturbations,cell-types,datasets} and /datasets/{dataset}: read the catalog."""

from collections.abc import Sequence

from pydantic import BaseModel
from starlette.responses import Response

from shared import wiring
from shared.catalog.plans import askable_cell_types, askable_perturbations
from shared.catalog.schemas import EntriesQuery, MetadataQuery
from shared.http import requests
from shared.http.endpoint import Call, endpoint
from shared.http.problems import UnknownPath
from shared.http.responses import json_response


@endpoint("metadata")
async def handle(call: Call) -> Response:
    view = await wiring.container().catalog_cache.view()
    found: BaseModel | Sequence[BaseModel | str]
    match call.params:
        case {"dataset": name}:
            found = view.describe(name)
        case {"subject": "perturbations"}:
            asked = requests.parse_query(call.request, EntriesQuery)
            found = view.perturbations(asked.dataset) if asked.all else askable_perturbations(view, asked.dataset)
        case {"subject": "cell-types"}:
            asked = requests.parse_query(call.request, EntriesQuery)
            found = view.cell_types(asked.dataset) if asked.all else askable_cell_types(view, asked.dataset)
        case {"subject": "datasets"}:
            dataset = requests.parse_query(call.request, MetadataQuery).dataset
            found = view.dataset_names() if dataset is None else [view.dataset(dataset).name]
        case _:
            raise UnknownPath
    return json_response(call.request, found, Cache_Control="private, max-age=60")
