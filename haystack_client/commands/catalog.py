"""The commands about the catalog: datasets, perturbations and cell types."""

from haystack_client import show
from haystack_client.api import LOCAL_URL
from haystack_client.commands.options import AsJson, Dataset, DatasetName, Everything, Url
from haystack_client.commands.session import service, show_answer


def datasets(
    name: DatasetName = None,
    url: Url = LOCAL_URL,
    as_json: AsJson = False,
) -> None:
    """List the datasets, or show the details of one."""
    with service(url, as_json) as (client, terminal):
        if name is None:
            show_answer(terminal, client.datasets(), show.datasets)
        else:
            show_answer(terminal, client.dataset(name), show.dataset)


def perturbations(
    dataset: Dataset = None, everything: Everything = False, url: Url = LOCAL_URL, as_json: AsJson = False
) -> None:
    """List the perturbations that you can ask about."""
    with service(url, as_json) as (client, terminal):
        found = client.perturbations(dataset, everything=everything)
        show_answer(terminal, found, show.perturbations)
        if not as_json:
            known = found if everything else client.perturbations(dataset, everything=True)
            show.count(terminal, len(found), len(known), "perturbations")


def cell_types(
    dataset: Dataset = None, everything: Everything = False, url: Url = LOCAL_URL, as_json: AsJson = False
) -> None:
    """List the cell types that you can ask about."""
    with service(url, as_json) as (client, terminal):
        found = client.cell_types(dataset, everything=everything)
        show_answer(terminal, found, show.cell_types)
        if not as_json:
            known = found if everything else client.cell_types(dataset, everything=True)
            show.count(terminal, len(found), len(known), "cell types")
