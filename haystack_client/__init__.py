"""Python client and command line (`haystack`) of the HAYSTACK run service.

Ask a question, wait for the answer, and download the result files:

    from haystack_client import Client

    with Client.from_environment() as client:  # or Client("http://127.0.0.1:8080")
        run = client.submit("How would CD14 monocytes respond to IFN-gamma?")
        run = client.wait(run["run_id"])
        if run["status"] == "completed":
            result = client.result(run["run_id"])
            print("grounding score:", result["grounding_score"])
            for file in result["files"]:
                print(client.download(file, "results"))

Methods return the JSON of the API, described by docs/openapi.yaml, and raise the errors of `haystack_client.errors`.
"""

from haystack_client.api import Client
from haystack_client.errors import (
    HaystackError,
    NotFound,
    NotSignedIn,
    QuestionNotAnswerable,
    RequestRefused,
    RetryPolicy,
    Unavailable,
)
from haystack_client.identity import ServiceAccount

__all__ = [
    "Client",
    "HaystackError",
    "NotFound",
    "NotSignedIn",
    "QuestionNotAnswerable",
    "RequestRefused",
    "RetryPolicy",
    "ServiceAccount",
    "Unavailable",
]
__version__ = "0.1.0"
