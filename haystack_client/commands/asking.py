"""The commands that ask questions: submit and validate."""

from pathlib import Path
from uuid import uuid4

from haystack_client import progress, questions, show
from haystack_client.api import LOCAL_URL
from haystack_client.commands.options import (
    AsJson,
    CellTypes,
    ControlStrategy,
    IdempotencyKey,
    Label,
    LlmModel,
    LlmProvider,
    MaxIterations,
    NotifyEmail,
    NotifyWebhook,
    OneQuestion,
    Output,
    Perturbations,
    Question,
    QuestionFile,
    ScoreThreshold,
    Seed,
    Url,
    ValidateOnly,
    Watch,
)
from haystack_client.commands.session import exit_unless, follow, service, show_answer
from haystack_client.errors import Interrupted, RequestRefused, Unavailable
from haystack_client.operations import notify


def submit(
    question: OneQuestion = None,
    file: QuestionFile = None,
    cell_types: CellTypes = None,
    perturbations: Perturbations = None,
    output: Output = None,
    control_strategy: ControlStrategy = None,
    max_iterations: MaxIterations = None,
    score_threshold: ScoreThreshold = None,
    seed: Seed = None,
    llm_provider: LlmProvider = None,
    llm_model: LlmModel = None,
    validate_only: ValidateOnly = False,
    idempotency_key: IdempotencyKey = None,
    label: Label = None,
    notify_webhook: NotifyWebhook = None,
    notify_email: NotifyEmail = False,
    watch: Watch = False,
    url: Url = LOCAL_URL,
    as_json: AsJson = False,
) -> None:
    """Submit a question as a new run, or many questions; for many, wait and print a table in the end."""
    options: dict[str, object] = {
        "control_strategy": control_strategy,
        "max_iterations": max_iterations,
        "score_threshold": score_threshold,
        "random_seed": seed,
        "llm_provider": llm_provider,
        "llm_model": llm_model,
        "label": label,
        "notify": notify(notify_webhook, notify_email),
    }
    if question is None or file or cell_types or perturbations:
        if validate_only or idempotency_key:
            raise RequestRefused("--validate-only and --idempotency-key are for one QUESTION.")
        _submit_many(_many(question, file, cell_types, perturbations, options), output, url, as_json)
        return
    key = idempotency_key or uuid4().hex
    repeat = f"The run may have been accepted. To avoid a second run, repeat the command with --idempotency-key {key}"
    with service(url, as_json) as (client, terminal):
        try:
            run = client.submit(
                question,
                idempotency_key=key,
                validate_only=validate_only or None,
                **options,
            )
        except Unavailable as error:
            if error.retryable:
                error.details += (repeat,)
            raise
        except KeyboardInterrupt:
            raise Interrupted("Interrupted before the service responded.", repeat) from None
        if validate_only:
            show_answer(terminal, run, show.preview)
            exit_unless(run["would_run"])
        elif watch:
            show.accepted(terminal, run)
            follow(client, terminal, run["run_id"])
        else:
            show_answer(terminal, run, show.submitted)


def validate(
    question: Question,
    control_strategy: ControlStrategy = None,
    url: Url = LOCAL_URL,
    as_json: AsJson = False,
) -> None:
    """Show how the service reads a question, without running it."""
    with service(url, as_json) as (client, terminal):
        found = client.validate(question, control_strategy=control_strategy)
        show_answer(terminal, found, show.validation)
        exit_unless(found["interpretation"]["answerable"])


def _many(
    question: str | None,
    file: Path | None,
    cell_types: list[str] | None,
    perturbations: list[str] | None,
    options: dict[str, object],
) -> list[questions.Question]:
    grid = bool(cell_types or perturbations)
    if (question is not None) + (file is not None) + grid != 1:
        raise RequestRefused("Give one QUESTION, or --file, or --cell-types and --perturbations.")
    if file is not None:
        return questions.read(file, options)
    return questions.grid(cell_types or [], perturbations or [], options)


def _submit_many(asked: list[questions.Question], output: Path | None, url: str, as_json: bool) -> None:
    resume = (
        "Submitted runs continue. To continue: repeat the same command within 24 hours; no question runs twice.",
        "To see the runs: haystack list",
    )
    with service(url, as_json) as (client, terminal):
        try:
            answers = progress.ask_many(terminal, client, asked)
        except Unavailable as error:
            if error.retryable:
                error.details += resume
            raise
        except KeyboardInterrupt:
            raise Interrupted("Stopped waiting.", *resume) from None
        if output is not None:
            answers.to_csv(output)
        if as_json:
            terminal.document(answers.json)
        else:
            show.answers(terminal, answers)
        exit_unless(answers.complete)
