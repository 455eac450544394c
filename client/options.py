"""The options and arguments that more than one command takes."""

from enum import StrEnum
from typing import Annotated, Final

import typer


class Strategy(StrEnum):
    """What a prediction is compared with."""

    SYNTHETIC_CONTROL = "synthetic_control"
    QUERY_AS_CONTROL = "query_as_control"


class Provider(StrEnum):
    """Who may propose a structure for the question."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE_GENAI = "google_genai"


class Status(StrEnum):
    """The states of a run."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


LOCAL: Final = "http://127.0.0.1:8080"

Url = Annotated[str, typer.Option(envvar="HAYSTACK_URL", help="The service's address, without /api/v1.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's own answer, one JSON document.")]
Question = Annotated[str, typer.Argument(metavar="QUESTION", help="The question, in plain words.")]
RunId = Annotated[str, typer.Argument(metavar="RUN_ID", help="The run; `last` is your newest one.")]
OfDataset = Annotated[str | None, typer.Option("--dataset", help="Only what this dataset has.")]
