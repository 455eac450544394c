"""The command line `haystack`: its help, its commands, and its exit codes."""

import sys
from typing import Annotated, Final

from typer import Exit, Option, Typer, echo

from haystack_client import __version__, reading
from haystack_client.commands.access import token
from haystack_client.commands.asking import submit, validate
from haystack_client.commands.catalog import cell_types, datasets, perturbations
from haystack_client.commands.runs import (
    cancel,
    delete,
    list_runs,
    logs,
    open_report,
    result,
    retry,
    status,
    watch,
)
from haystack_client.errors import HaystackError, QuestionNotAnswerable
from haystack_client.terminal import Terminal

HELP: Final = """Ask HAYSTACK how cells respond to a perturbation, and download the results.

**Service:** set its address with `--url` or HAYSTACK_URL. A service behind Identity-Aware Proxy requires a token. Set
HAYSTACK_SERVICE_ACCOUNT to a service account that may use the service: each command then signs a token as this account,
for which you need roles/iam.serviceAccountTokenCreator on it. Or set HAYSTACK_TOKEN to a token of `haystack token`.

**Exit codes:**

- 0: success
- 1: the run failed or was cancelled (watch, submit --watch), the question cannot be answered (validate, submit --validate-only), or not all
  of many questions have an answer (submit --file, submit --cell-types)
- 2: the command or the request is invalid, or the service refuses it (submit: also a question that cannot be answered)
- 3: not found
- 4: not signed in
- 5: the service is unavailable, or a file did not arrive intact
- 130: interrupted

**Many questions:** `haystack submit --file questions.csv` asks all questions of a file, and prints one table in the end. The file
is a table (.csv, .tsv) with the column `query` and, if you like, columns of options (control_strategy, max_iterations,
score_threshold, random_seed, llm_provider, llm_model, label), or text with a question on each line.
`--cell-types "NK cells,B cells" --perturbations IL-2,TNF` asks about each pair. At the limit of active runs, the command waits.
Repeated within 24 hours, it continues.

With `--json`, standard output is the response of the API as one JSON document; `token` prints its own. It is empty for exit codes above 1.
"""

# In the order of `--help`; the name of a command is that of its function, unless it is given.
COMMANDS: Final = (
    (None, submit),
    (None, watch),
    (None, status),
    (None, result),
    ("list", list_runs),
    (None, cancel),
    (None, delete),
    (None, retry),
    ("open", open_report),
    (None, logs),
    (None, validate),
    (None, datasets),
    (None, perturbations),
    ("cell-types", cell_types),
    (None, token),
)

app = Typer(no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_enable=False)
for name, command in COMMANDS:
    app.command(name)(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        echo(f"haystack {__version__}")
        raise Exit


@app.callback(help=HELP)
def haystack(
    version: Annotated[
        bool, Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Accept the options that stand before a command."""


def main() -> None:
    """Run the command line, and print the error of a command that fails."""
    try:
        app()
    except QuestionNotAnswerable as error:
        reading.refusal(Terminal(for_program=True), error)  # on standard error
        sys.exit(error.exit_code)
    except HaystackError as error:
        Terminal().fail(error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
