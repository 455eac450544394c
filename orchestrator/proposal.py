"""A language model may propose how a question is to be read; the catalog decides, and the resolver stands wherever it does not.

The question is untrusted text. All that a proposal can do is to choose among names of the catalog: anything else is refused, and none of
the model's own words reach a result.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.query_analysis import NotUnderstood, Question, analyse
from shared.catalog.schemas import CellTypeInfo, MatchedTerm, PerturbationInfo
from shared.catalog.view import CatalogView
from shared.fields import ControlStrategy
from shared.logs import Severity, log
from shared.resolver import Resolution, resolve
from shared.runs.records import Run
from shared.fields import LlmProvider

DEFAULT_MODELS: Final = {
    LlmProvider.ANTHROPIC: "claude-haiku-4-5",
    LlmProvider.OPENAI: "gpt-5-mini",
    LlmProvider.GOOGLE_GENAI: "gemini-3.5-flash-lite",
}
"""Small models, for the task is small; a run may name another."""
KEYS: Final = {
    LlmProvider.ANTHROPIC: ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    LlmProvider.OPENAI: ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
    LlmProvider.GOOGLE_GENAI: ("GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
}
"""Where the environment has a provider's key and, if it is not the provider's own, its address: the names that their libraries read."""
LIMIT_SECONDS: Final = 20.0
"""A proposal that takes longer is not waited for."""

Info = TypeVar("Info", CellTypeInfo, PerturbationInfo)


class Structure(BaseModel):
    """What a language model is asked to fill in. The field descriptions are part of what it reads."""

    model_config = ConfigDict(extra="forbid")

    task_type: Literal["perturbation_response", "observation", "other"] = Field(
        description="perturbation_response: how cells respond to something; observation: cells as they are."
    )
    cell_type: str | None = Field(
        max_length=200, description="One name of cell_types, letter by letter; null if none fits."
    )
    perturbation: str | None = Field(
        max_length=200, description="One name of perturbations, letter by letter; null if none fits."
    )
    perturbation_type: Literal["cytokine", "compound", "gene", "other"] | None
    control_strategy: ControlStrategy


@dataclass(frozen=True)
class Names:
    """What a language model may choose from."""

    cell_types: list[str]
    perturbations: list[str]


@dataclass(frozen=True)
class Access:
    """A provider's model and how to reach it; `base_url` is None for the provider's own address."""

    provider: LlmProvider
    model: str
    key: str = field(repr=False)
    base_url: str | None

    @classmethod
    def of(cls, provider: LlmProvider, model: str | None, environment: Mapping[str, str]) -> "Access":
        """The access that the environment gives.

        Raises:
            Declined: there is no key, or the model's name is none.
        """
        key_name, url_name = KEYS[provider]
        key = environment.get(key_name, "").strip()
        if not key:
            raise Declined(f"{key_name} is not set")
        named = model or DEFAULT_MODELS[provider]
        # The name becomes a part of the address at some providers.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]*(/[A-Za-z0-9][A-Za-z0-9._:-]*)?", named):
            raise Declined("the model's name is none that a provider has")
        return cls(provider, named, key, environment.get(url_name, "").strip() or None)


class Declined(Exception):
    """A proposal that is not used; the message says why, as the end of a sentence, in words of this service only."""


async def understand(
    run: Run, view: CatalogView, environment: Mapping[str, str], *, limit: float = LIMIT_SECONDS
) -> Question:
    """Understand a run's question: by a language model's proposal where the run asks for one and it holds, else by the resolver.

    Args:
        run: the run.
        view: the catalog.
        environment: where the provider's key is.
        limit: seconds that a proposal may take.

    Raises:
        NotUnderstood: the resolver does not understand the question, and no proposal helped.
    """
    if run.llm_provider is None:
        return await asyncio.to_thread(analyse, run.query, view)
    read = await asyncio.to_thread(resolve, run.query, view)
    try:
        structure = await _asked(run, view, read, environment, limit)
        question = await asyncio.to_thread(analyse, run.query, view, checked(structure, view, read))
    except (Declined, NotUnderstood) as error:
        why = str(error) if isinstance(error, Declined) else "no ingested atlas can answer what it proposed"
        log(Severity.WARNING, "the resolver reads the question, not the language model", why=why)
        question = await asyncio.to_thread(analyse, run.query, view, read)
        note = f"The question was read by its names alone, though a language model was to propose: {why}."
        return replace(question, notes=(*question.notes, note))
    model = f"{run.llm_provider.value} {run.llm_model or DEFAULT_MODELS[run.llm_provider]}"
    log(
        Severity.INFO,
        "a language model's proposal is used",
        cell_type=question.cell_type.name,
        perturbation=question.perturbation.name,
        proposed_type=structure.perturbation_type,
        proposed_control_strategy=structure.control_strategy.value,
    )
    note = f"The question was read by a language model ({model}), which could choose among the catalog's names only."
    return replace(
        question,
        understood_by=f"language model ({model})",
        notes=(*question.notes, note, *_differences(read, question)),
    )


def checked(structure: Structure, view: CatalogView, read: Resolution) -> Resolution:
    """A proposal as what the question is taken for.

    Args:
        structure: the proposal.
        view: the catalog whose names count.
        read: what the resolver reads; where both agree, its term is kept, for it tells which words it was read from.

    Raises:
        Declined: the proposal is not about a perturbation, or a name of it is not in the catalog.
    """
    if structure.task_type != "perturbation_response":
        raise Declined("the language model took it for no question about a perturbation")
    cell_type = _agreed(structure.cell_type, read.cell_type) or _cell_type(structure.cell_type, view)
    perturbation = _agreed(structure.perturbation, read.perturbation) or _perturbation(structure.perturbation, view)
    return Resolution(cell_type, perturbation, observational=False, recognised=(), unrecognised=())


def _agreed(name: str | None, read: MatchedTerm | None) -> MatchedTerm | None:
    return read if read and _folded(name) == _folded(read.name) else None


def _cell_type(name: str | None, view: CatalogView) -> MatchedTerm:
    info = _known("cell type", name, view.cell_types())
    return MatchedTerm(
        name=info.name,
        matched_text=info.name,
        match="proposed",
        cell_ontology_id=info.cell_ontology_id,
        kind="cell_type",
    )


def _perturbation(name: str | None, view: CatalogView) -> MatchedTerm:
    info = _known("perturbation", name, view.perturbations())
    return MatchedTerm(name=info.name, matched_text=info.name, match="proposed", kind=info.type)


def _known(role: str, name: str | None, infos: Sequence[Info]) -> Info:
    wanted = _folded(name)
    if not wanted:
        raise Declined(f"the language model named no {role}")
    called = [info for info in infos if _folded(info.name) == wanted]
    found = called or [info for info in infos if wanted in map(_folded, info.synonyms)]
    if len(found) != 1:
        raise Declined(f"the language model named a {role} that the catalog does not have")
    return found[0]


def _folded(name: str | None) -> str:
    return (name or "").strip().casefold()


async def _asked(
    run: Run, view: CatalogView, read: Resolution, environment: Mapping[str, str], limit: float
) -> Structure:
    """The provider's answer, whatever goes wrong being a reason to decline it."""
    assert run.llm_provider is not None
    access = Access.of(run.llm_provider, run.llm_model, environment)
    names = Names(
        cell_types=_distinct([each.name for each in view.cell_types()], read.cell_type),
        perturbations=_distinct([each.name for each in view.perturbations()], read.perturbation),
    )
    try:
        # Loading the libraries takes seconds and is no part of the limit: it ends of itself.
        request = await asyncio.to_thread(import_module, "orchestrator.proposal_request")
        model = await asyncio.to_thread(request.model_of, access)
        async with asyncio.timeout(limit):
            answer: Structure = await request.ask(model, Structure, run.query, names)
            return answer
    except ImportError as error:
        raise Declined("the libraries for language models are not installed") from error
    except TimeoutError as error:
        raise Declined(f"the language model did not answer within {limit:g} seconds") from error
    except Exception as error:  # whatever a provider or its library does, the resolver is there
        log(Severity.WARNING, "asking the language model failed", kind=type(error).__name__, detail=str(error)[:500])
        raise Declined("the language model gave no usable answer") from error


def _distinct(names: list[str], read: MatchedTerm | None) -> list[str]:
    return sorted({*names, *([read.name] if read else [])})


def _differences(read: Resolution, question: Question) -> list[str]:
    """Where the proposal and the resolver read differently, as sentences."""
    pairs = ((read.cell_type, question.cell_type), (read.perturbation, question.perturbation))
    return [
        f'By its names alone, "{mine.matched_text}" would be {mine.name}; the language model read {taken.name}.'
        for mine, taken in pairs
        if mine and mine.name != taken.name
    ]
