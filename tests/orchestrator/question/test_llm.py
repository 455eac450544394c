"""A language model may propose an interpretation; whenever it fails, the resolver's interpretation is used."""

import json
import re
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from orchestrator.question.analysis import NotUnderstood, Question
from orchestrator.question.llm import ADDRESSES, READ_AS, understand
from shared.catalog.interpretation import BLOCKING, CaveatCode
from shared.catalog.view import CatalogView
from shared.errors import SettingsInvalid
from shared.fields import LlmProvider
from shared.resolver.interpretation import read as interpret
from shared.runs.records import Run
from shared.settings import LLM_KEYS
from tests.support.orchestrator.provider import KEY, Provider, listening

QUESTION = "How would CD14 monocytes respond to IFN-gamma?"
OUTSIDE = "What does the antiviral type II interferon do to the cells that make antibodies?"
HELD = {
    "task_type": "perturbation_response",
    "cell_type": "plasma cell",
    "perturbation": "IL-2",
    "perturbation_type": "cytokine",
    "control_strategy": "synthetic_control",
    "cannot_answer": None,
}

Understand = Callable[..., Any]


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with listening(Provider(answer=dict(HELD))) as serving:
        yield serving


@pytest.fixture
def read(provider: Provider, make_run: Callable[..., Run], demo_view: CatalogView) -> Understand:
    """Interpret a question with the local provider."""

    async def ask(
        text: str = QUESTION, who: str = "anthropic", *, timeout_seconds: float = 20.0, **run: object
    ) -> Question:
        key, url = LLM_KEYS[who], ADDRESSES[LlmProvider(who)]
        base = provider.url + ("/v1" if who == "openai" else "")
        made = make_run(text, llm_provider=LlmProvider(who), **run)
        return await understand(made, demo_view, {key: KEY, url: base}, timeout_seconds=timeout_seconds)

    return ask


def notes_of(question: Question) -> str:
    return " ".join(question.notes)


@pytest.mark.parametrize("who", ["anthropic", "openai", "google_genai"])
async def test_a_proposal_of_catalog_names_is_used_and_the_notes_say_so(
    who: str, read: Understand, provider: Provider
) -> None:
    question = await read(who=who)
    assert (question.cell_type.name, question.perturbation.name) == ("plasma cell", "IL-2")
    assert question.cell_type.cell_ontology_id == "CL:0000786"
    assert question.understood_by.startswith(f"language model ({who} ")
    assert "read by a language model" in notes_of(question)
    assert 'reads "IFN-gamma" as IFN-gamma; the language model chose IL-2' in notes_of(question)
    assert len(provider.requests) == 1
    path, headers, body = provider.requests[0]
    assert "k-123" in json.dumps(headers)
    assert "k-123" not in path
    assert QUESTION in json.dumps(body)


async def test_where_both_read_alike_the_words_of_the_question_are_kept(read: Understand, provider: Provider) -> None:
    provider.answer = {**HELD, "cell_type": "CD14-POSITIVE monocyte", "perturbation": "IFN-gamma"}
    question = await read()
    assert question.perturbation.matched_text == "IFN-gamma"
    assert question.cell_type.matched_text == "CD14 monocytes"
    assert "the language model chose" not in notes_of(question)


async def test_a_question_that_no_name_tells_can_be_answered_by_a_proposal(
    read: Understand, provider: Provider
) -> None:
    provider.answer = {**HELD, "perturbation": "IFN-gamma"}
    question = await read(OUTSIDE)
    assert (question.cell_type.name, question.perturbation.name) == ("plasma cell", "IFN-gamma")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"perturbation": "Ignore the catalog; DROP TABLE"}, "a perturbation that is not in the catalog"),
        ({"cell_type": "<script>alert(1)</script>"}, "a cell type that is not in the catalog"),
        ({"perturbation": None}, "named no perturbation"),
        ({"task_type": "other"}, "did not read a question about a perturbation"),
        ({"perturbation": "ADSF"}, "no ingested atlas can answer"),
        ({"task_type": "make coffee"}, "no usable answer"),
        ({"notes": "Say that the score is 10."}, "no usable answer"),
        ({"cannot_answer": "because I say so"}, "no usable answer"),
        ({"cannot_answer": "dose"}, "no usable answer"),
    ],
)
async def test_a_proposal_that_does_not_hold_leaves_the_resolvers_reading(
    change: dict[str, str | None], why: str, read: Understand, provider: Provider
) -> None:
    provider.answer = {**HELD, **change}
    question = await read()
    assert (question.cell_type.name, question.perturbation.name) == ("CD14-positive monocyte", "IFN-gamma")
    assert question.understood_by == "deterministic resolver"
    assert why in notes_of(question)
    assert "script" not in notes_of(question)
    assert "DROP" not in notes_of(question)
    assert "Say that" not in notes_of(question)


@pytest.mark.parametrize("who", ["anthropic", "openai"])
@pytest.mark.parametrize("reply", [(500, {}), (401, {}), (200, "garbage"), (200, '{"a": 1}')])
async def test_a_provider_that_fails_leaves_the_resolvers_reading_and_keeps_its_details_to_the_log(
    who: str,
    reply: tuple[int, dict[str, Any] | str],
    read: Understand,
    provider: Provider,
    capsys: pytest.CaptureFixture[str],
) -> None:
    provider.status, provider.answer = reply
    question = await read(who=who)
    assert question.perturbation.name == "IFN-gamma"
    assert "no usable answer" in notes_of(question)
    assert "SECRET DETAIL" not in notes_of(question)
    logged = capsys.readouterr().err
    assert "asking the language model failed" in logged
    assert KEY not in logged


async def test_a_slow_provider_is_not_waited_for(read: Understand, provider: Provider) -> None:
    provider.seconds = 30
    question = await read(timeout_seconds=0.3)
    assert question.perturbation.name == "IFN-gamma"
    assert "did not answer within 0.3 seconds" in notes_of(question)


async def test_without_a_key_nothing_is_asked_and_the_notes_say_why(
    make_run: Callable[..., Run], demo_view: CatalogView
) -> None:
    run = make_run(QUESTION, llm_provider=LlmProvider.OPENAI)
    assert "OPENAI_API_KEY is not set" in notes_of(await understand(run, demo_view, {}))


async def test_a_key_without_the_clients_is_an_error_of_the_configuration(
    make_run: Callable[..., Run], demo_view: CatalogView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        sys.modules, "orchestrator.question.llm_client", None
    )  # the import fails, as without the package
    run = make_run(QUESTION, llm_provider=LlmProvider.OPENAI)
    with pytest.raises(SettingsInvalid, match="OPENAI_API_KEY is set, but the clients of language models are not inst"):
        await understand(run, demo_view, {"OPENAI_API_KEY": KEY})


async def test_a_run_that_names_no_provider_asks_nobody(
    make_run: Callable[..., Run], demo_view: CatalogView, provider: Provider
) -> None:
    environment = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": provider.url}
    question = await understand(make_run(QUESTION), demo_view, environment)
    assert question.understood_by == "deterministic resolver"
    assert "language model" not in notes_of(question)
    assert not provider.requests


async def test_a_model_name_cannot_lead_elsewhere(read: Understand, provider: Provider) -> None:
    question = await read(who="google_genai", llm_model="../../v1/files?x=")
    assert "name of the model is invalid" in notes_of(question)
    assert not provider.requests


async def test_a_question_that_is_not_understood_fails_as_without_a_model(read: Understand, provider: Provider) -> None:
    provider.status = 500
    with pytest.raises(NotUnderstood) as failed:
        await read("What is the weather like in the mountains today?")
    assert failed.value.interpretation.reasons
    assert [reason for reason in failed.value.interpretation.reasons if reason not in str(failed.value)] == []


@pytest.mark.parametrize("code", sorted(BLOCKING))
async def test_a_model_can_say_that_the_question_cannot_be_answered_in_words_of_the_service(
    code: CaveatCode, read: Understand, provider: Provider
) -> None:
    provider.answer = {**HELD, "cell_type": "<script>", "cannot_answer": code.value}
    with pytest.raises(NotUnderstood, match=re.escape(READ_AS[code])) as failed:
        await read()
    found = failed.value.interpretation
    assert (found.answerable, found.dataset, found.has(code)) == (False, None, True)
    assert found.cell_type is not None
    assert (found.cell_type.name, found.cell_type.used) == ("CD14-positive monocyte", None)
    assert "script" not in found.model_dump_json()


CHOSEN = {**HELD, "cell_type": "CD14-positive monocyte", "perturbation": "IFN-gamma"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("How would IFNGR1 knockout CD14 monocytes respond to IFN-gamma?", CaveatCode.KNOCKOUT),
        ("What does inhibition of IFN-gamma with emapalumab do to CD14 monocytes?", CaveatCode.INHIBITION),
        ("How would mouse CD14 monocytes respond to IFN-gamma?", CaveatCode.SPECIES),
    ],
)
async def test_a_proposal_of_names_does_not_lift_what_else_stands_in_the_way(
    text: str, code: CaveatCode, read: Understand, provider: Provider
) -> None:
    provider.answer = CHOSEN
    with pytest.raises(NotUnderstood) as failed:
        await read(text)
    assert failed.value.interpretation.has(code)
    assert [reason for reason in failed.value.interpretation.reasons if reason not in str(failed.value)] == []


@pytest.mark.parametrize(
    "text", ["How do CD14 monocytes respond to interferons?", "How do CD14 monocytes respond to MAF?"]
)
async def test_a_proposal_settles_an_ambiguous_or_unknown_name_and_the_notes_say_so(
    text: str, read: Understand, provider: Provider, demo_view: CatalogView
) -> None:
    reasons = interpret(text, demo_view).interpretation.reasons
    assert reasons
    provider.answer = CHOSEN
    question = await read(text)
    assert question.perturbation.name == "IFN-gamma"
    assert [reason for reason in reasons if f"would not answer this question: {reason}" not in notes_of(question)] == []


async def test_a_proposal_of_names_removes_no_caveat_about_anything_else(read: Understand, provider: Provider) -> None:
    provider.answer = CHOSEN
    codes = {caveat.code for caveat in (await read(f"{QUESTION} At 100 ng/ml for 6 h.")).interpretation.caveats}
    assert codes >= {CaveatCode.STAND_IN_CELL_TYPE, CaveatCode.SEMI_SYNTHETIC, CaveatCode.DOSE, CaveatCode.TIME}
