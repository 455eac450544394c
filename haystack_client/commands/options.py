"""The options and arguments that commands share, with their help."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from typer import Argument, Option

QUESTION_HELP: Final = "The question, in plain language."
STRATEGY_HELP: Final = (
    "`synthetic_control` (the default) compares with a predicted control, `query_as_control` with the query cells."
)
PROVIDER_HELP: Final = "Let a model of `anthropic`, `openai` or `google_genai` analyze the question."
KEY_HELP: Final = "Submitting the same question again with the same key returns the same run. Default: a new key."
STATE_HELP: Final = "Only runs in this state: pending, running, completed, failed or cancelled. Repeatable."
ACCOUNT_HELP: Final = "The service account that signs the token; it must be a member of the service."
FILE_HELP: Final = (
    "Ask all questions of a table (.csv, .tsv) with the column `query`, or of a text with one on each line."
)
CELL_TYPES_HELP: Final = (
    "Ask about each of these cell types and each of --perturbations; separated by commas, or repeated."
)
WEBHOOK_HELP: Final = "Let the service send a signed webhook to this address when the run ends."
OUTPUT_HELP: Final = "Also write the table of many questions to this CSV file."
LABEL_HELP: Final = "Name of your own for a group of runs; `haystack list --label` lists it."

Strategy = StrEnum("Strategy", ["SYNTHETIC_CONTROL", "QUERY_AS_CONTROL"])
Provider = StrEnum("Provider", ["ANTHROPIC", "OPENAI", "GOOGLE_GENAI"])
Status = StrEnum("Status", ["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"])

Url = Annotated[str, Option(envvar="HAYSTACK_URL", help="Address of the service, without /api/v1.")]
AsJson = Annotated[bool, Option("--json", help="Print the response of the API as one JSON document.")]
Question = Annotated[str, Argument(metavar="QUESTION", help=QUESTION_HELP)]
OneQuestion = Annotated[str | None, Argument(metavar="QUESTION", help=QUESTION_HELP)]
RunId = Annotated[str, Argument(metavar="RUN_ID", help="The id of the run, or `last` for your newest run.")]
ControlStrategy = Annotated[Strategy | None, Option(metavar="STRATEGY", help=STRATEGY_HELP)]
Dataset = Annotated[str | None, Option("--dataset", help="List only this dataset.")]
Everything = Annotated[bool, Option("--all", help="Also list those without enough cells in an ingested atlas.")]

# How to ask many questions.
QuestionFile = Annotated[Path | None, Option("--file", metavar="TABLE", help=FILE_HELP)]
CellTypes = Annotated[list[str] | None, Option(metavar="NAMES", help=CELL_TYPES_HELP)]
Perturbations = Annotated[list[str] | None, Option(metavar="NAMES", help="See --cell-types.")]
Output = Annotated[Path | None, Option(metavar="FILE", help=OUTPUT_HELP)]

# The options of a run.
MaxIterations = Annotated[int | None, Option(help="Maximum number of iterations (1 to 10).")]
ScoreThreshold = Annotated[int | None, Option(help="Stop when the score reaches this value (1 to 10).")]
Seed = Annotated[int | None, Option(help="Random seed, for reproducible results.")]
LlmProvider = Annotated[Provider | None, Option(metavar="PROVIDER", help=PROVIDER_HELP)]
LlmModel = Annotated[str | None, Option(help="The provider's model to use.")]
Label = Annotated[str | None, Option(help=LABEL_HELP)]
NotifyWebhook = Annotated[str | None, Option(metavar="URL", help=WEBHOOK_HELP)]
NotifyEmail = Annotated[bool, Option("--notify-email", help="Get an e-mail when the run ends.")]
ValidateOnly = Annotated[bool, Option("--validate-only", help="Show what would run, without running it.")]
IdempotencyKey = Annotated[str | None, Option(help=KEY_HELP)]
Watch = Annotated[bool, Option("--watch", "-w", help="Follow the run until it ends.")]

# The filters of a list.
States = Annotated[list[Status] | None, Option(metavar="STATE", help=STATE_HELP)]
OfLabel = Annotated[str | None, Option(help="Only runs with this label.")]
CreatedAfter = Annotated[str | None, Option(metavar="TIME", help="Only runs created after this time.")]
CreatedBefore = Annotated[str | None, Option(metavar="TIME", help="Only runs created before this time.")]
Limit = Annotated[int, Option(min=1, help="Maximum number of runs.")]
AllRuns = Annotated[bool, Option("--all", help="List all runs.")]

# The folders of downloads.
DownloadTo = Annotated[Path | None, Option(metavar="DIR", help="Download the result files to this folder.")]
ReportFolder = Annotated[Path, Option(metavar="DIR", help="Download the report to this folder.")]

Yes = Annotated[bool, Option("--yes", "-y", help="Delete without asking; a command without a terminal does not ask.")]
DatasetName = Annotated[str | None, Argument(metavar="NAME", help="Show the details of this dataset.")]
