"""GET /api/v1/metadata/{perturbations,cell-types,datasets} and /datasets/{dataset}: what the catalog knows."""

from collections.abc import Sequence

from shared.http import startup

with startup.undisturbed():
    from pydantic import BaseModel
    from starlette.responses import Response

    from shared import wiring
    from shared.catalog.schemas import MetadataQuery
    from shared.http import requests
    from shared.http.endpoint import Call, endpoint
    from shared.http.problems import UnknownPath
    from shared.http.responses import answer


@endpoint("metadata", wiring.identity)
async def handle(call: Call) -> Response:
    wanted = requests.parse_query(call.request, MetadataQuery).dataset
    view = await wiring.catalog_cache().view()
    found: BaseModel | Sequence[BaseModel | str]
    match call.params:
        case {"dataset": name}:
            found = view.describe(name)
        case {"subject": "perturbations"}:
            found = view.perturbations(wanted)
        case {"subject": "cell-types"}:
            found = view.cell_types(wanted)
        case {"subject": "datasets"}:
            found = view.dataset_names() if wanted is None else [view.dataset(wanted).name]
        case _:
            raise UnknownPath
    return answer(call.request, found, Cache_Control="private, max-age=60")
