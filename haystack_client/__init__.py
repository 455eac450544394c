"""Python client and command line (`haystack`) of the HAYSTACK run service.

Ask a question, wait for the answer, and download the result files:

    from haystack_client import Client

    with Client() as client:  # the service of HAYSTACK_URL; or Client("http://127.0.0.1:8080")
        run = client.ask("How would CD14 monocytes respond to IFN-gamma?")
        result = run.result()  # waits until the run is done
        print(result.answer)
        print("confidence:", result.confidence)
        for path in result.download("results"):
            print(path)

`result.genes` and `result.gene_sets` are pandas tables, `result.to_anndata()` returns the predicted cells, and a notebook displays
`result.report()`; `pip install .[notebook]` installs what they need. `AsyncClient` has the same methods, to be awaited.

The other methods return the JSON of the API, described by docs/openapi.yaml. Errors are those of `haystack_client.errors`.
"""

from haystack_client.answers import Answer, Answers
from haystack_client.api import Client
from haystack_client.asynchronous import AsyncClient
from haystack_client.errors import (
    HaystackError,
    NotFound,
    NotSignedIn,
    QuestionNotAnswerable,
    RequestRefused,
    RetryPolicy,
    TooManyRuns,
    Unavailable,
)
from haystack_client.identity import ServiceAccount
from haystack_client.results import AsyncResult, Report, Result
from haystack_client.runs import AsyncRun, Run

__all__ = [
    "Answer",
    "Answers",
    "AsyncClient",
    "AsyncResult",
    "AsyncRun",
    "Client",
    "HaystackError",
    "NotFound",
    "NotSignedIn",
    "QuestionNotAnswerable",
    "Report",
    "RequestRefused",
    "Result",
    "RetryPolicy",
    "Run",
    "ServiceAccount",
    "TooManyRuns",
    "Unavailable",
]
__version__ = "0.1.0"
