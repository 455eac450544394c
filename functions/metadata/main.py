"""GET /api/v1/metadata/{perturbations,cell-types,datasets}: what the catalog knows."""

from starlette.responses import Response

from shared import wiring
from shared.http.endpoint import Call, endpoint
from shared.http.problems import UnknownPath
from shared.http.respond import answer


@endpoint("metadata", wiring.identity)
async def handle(call: Call) -> Response:
    view = await wiring.catalog_cache().view()
    dataset = call.request.query_params.get("dataset")
    match call.params["subject"]:
        case "perturbations":
            found = answer(call.request, view.perturbations(dataset), Cache_Control="private, max-age=60")
        case "cell-types":
            found = answer(call.request, view.cell_types(dataset), Cache_Control="private, max-age=60")
        case "datasets":
            names = view.dataset_names() if dataset is None else [view.dataset(dataset).name]
            found = answer(call.request, names, Cache_Control="private, max-age=60")
        case _:
            raise UnknownPath
    return found
