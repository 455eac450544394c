"""Let a language model propose the interpretation of a question; the catalog validates it, and the resolver is the fallback.

The question is untrusted text. A proposal can only choose among names of the catalog, or say by a code why the question cannot be
answered: anything else is rejected, and none of the model's own words reach a result. What the text says besides the names (a knockout,
an inhibitor, a dose) remains: a proposal removes no caveat about it.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from orchestrator.question.analysis import Question, question_of
from shared.catalog.interpretation import BLOCKING, CaveatCode
from shared.catalog.schemas import CellTypeInfo, MatchedTerm, PerturbationInfo
from shared.catalog.view import CatalogView
from shared.errors import SettingsInvalid
from shared.fields import ControlStrategy, LlmProvider
from shared.logs import Severity, log
from shared.resolver import Resolution
from shared.resolver.caveats import caveat
from shared.resolver.interpretation import Reading, read
from shared.runs.records import Run
from shared.settings import LLM_KEYS

# Small models for a small task; a run may name another.
DEFAULT_MODELS: Final = {
    LlmProvider.ANTHROPIC: "claude-haiku-4-5",
    LlmProvider.OPENAI: "gpt-5-mini",
    LlmProvider.GOOGLE_GENAI: "gemini-3.5-flash-lite",
}
# The environment variable of each provider's address (optional), with the name that the provider's library reads.
ADDRESSES: Final = {
    LlmProvider.ANTHROPIC: "ANTHROPIC_BASE_URL",
    LlmProvider.OPENAI: "OPENAI_BASE_URL",
    LlmProvider.GOOGLE_GENAI: "GOOGLE_GEMINI_BASE_URL",
}
TIMEOUT_SECONDS: Final = 20.0
# What a language model reads in a question that it calls unanswerable.
READ_AS: Final[Mapping[CaveatCode, str]] = {
    CaveatCode.INHIBITION: "about an inhibitor, an antagonist or a blockade",
    CaveatCode.KNOCKOUT: "about a knockout",
    CaveatCode.KNOCKDOWN: "about a knockdown",
    CaveatCode.OVEREXPRESSION: "about an overexpressed gene",
    CaveatCode.ABSENCE: "about the absence of a perturbation",
    CaveatCode.COMBINATION: "about several perturbations at once",
    CaveatCode.SPECIES: "about another species than that of the atlases",
    CaveatCode.AMBIGUOUS_PERTURBATION: "about a perturbation that may be one of several",
    CaveatCode.UNKNOWN_PERTURBATION: "about a perturbation that no ingested atlas contains",
    CaveatCode.UNAVAILABLE_CELL_TYPE: "about a cell type that no ingested atlas contains",
    CaveatCode.NO_PERTURBATION: "without a perturbation",
    CaveatCode.NO_CELL_TYPE: "without a cell type",
}

Info = TypeVar("Info", CellTypeInfo, PerturbationInfo)


class Proposal(BaseModel):
    """What a language model fills in. The field descriptions are part of its instructions."""

    model_config = ConfigDict(extra="forbid")

    task_type: Literal["perturbation_response", "observation", "other"] = Field(
        description="perturbation_response: how cells respond to something; observation: cells as they are."
    )
    cell_type: str | None = Field(
        max_length=200, description="One name of cell_types, spelled exactly; null if none fits."
    )
    perturbation: str | None = Field(
        max_length=200, description="One name of perturbations, spelled exactly; null if none fits."
    )
    perturbation_type: Literal["cytokine", "compound", "gene", "other"] | None
    control_strategy: ControlStrategy
    cannot_answer: CaveatCode | None = Field(
        description="Why cells under one of perturbations cannot answer the question, one of: "
        f"{', '.join(sorted(BLOCKING))}. Null if they can; also null if a name of perturbations is itself that condition.",
    )

    @field_validator("cannot_answer")
    @classmethod
    def _blocks(cls, code: CaveatCode | None) -> CaveatCode | None:
        if code is not None and not code.blocking:
            raise ValueError("this does not prevent an answer")
        return code


class ProposalRejected(Exception):
    """A proposal that is not used; the message is the reason as a clause, in words of this service only."""


@dataclass(frozen=True)
class Access:
    """A provider's model and how to reach it; `base_url` is None for the provider's own address."""

    provider: LlmProvider
    model: str
    key: str = field(repr=False)
    base_url: str | None

    @classmethod
    def from_env(cls, provider: LlmProvider, model: str | None, environment: Mapping[str, str]) -> "Access":
        """Return the access that the environment configures.

        Raises:
            ProposalRejected: there is no key, or the model's name is invalid.
        """
        key = environment.get(LLM_KEYS[provider], "").strip()
        if not key:
            raise ProposalRejected(f"{LLM_KEYS[provider]} is not set")
        name = model or DEFAULT_MODELS[provider]
        # Some providers put the name into the URL.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]*(/[A-Za-z0-9][A-Za-z0-9._:-]*)?", name):
            raise ProposalRejected("the name of the model is invalid")
        return cls(provider, name, key, environment.get(ADDRESSES[provider], "").strip() or None)


async def understand(
    run: Run, view: CatalogView, environment: Mapping[str, str], *, timeout_seconds: float = TIMEOUT_SECONDS
) -> Question:
    """Interpret a run's question by a valid proposal of a language model if the run requests one, else by the resolver.

    Raises:
        NotUnderstood: the question cannot be answered as it was read; the message repeats the reasons.
        SettingsInvalid: there is a key for the language model, but no client.
    """
    reading = await asyncio.to_thread(read, run.query, view)
    if run.llm_provider is None:
        return question_of(run.query, reading, view)
    try:
        proposal = await _propose(run, view, reading.resolution, environment, timeout_seconds)
        proposed = await asyncio.to_thread(_proposed, run.query, proposal, view, reading)
    except ProposalRejected as error:
        log(Severity.WARNING, "the resolver interprets the question instead of the language model", why=str(error))
        question = question_of(run.query, reading, view)
        note = f"The interpretation by a language model was not used: {error}. The deterministic resolver read the question."
        return replace(question, remarks=(note,))
    model = f"{run.llm_provider.value} {run.llm_model or DEFAULT_MODELS[run.llm_provider]}"
    log(
        Severity.INFO,
        "the language model's proposal is used",
        answerable=proposed.interpretation.answerable,
        cell_type=proposed.resolution.cell_type and proposed.resolution.cell_type.name,
        perturbation=proposed.resolution.perturbation and proposed.resolution.perturbation.name,
        proposed_type=proposal.perturbation_type,
        proposed_control_strategy=proposal.control_strategy.value,
        cannot_answer=proposal.cannot_answer,
    )
    question = question_of(run.query, proposed, view)
    note = f"The question was read by a language model ({model}), which could only choose names from the catalog."
    return replace(
        question,
        understood_by=f"language model ({model})",
        remarks=(note, *_differences(reading, proposed)),
    )


def _proposed(query: str, proposal: Proposal, view: CatalogView, reading: Reading) -> Reading:
    """Return the reading by a proposal; it need not be answerable.

    Raises:
        ProposalRejected: the proposal is not usable, or it names what no atlas has although the resolver's reading can be answered.
    """
    if proposal.cannot_answer is not None:
        return _blocked(reading, proposal.cannot_answer)
    proposed = read(query, view, validated(proposal, view, reading.resolution))
    if reading.interpretation.answerable and not proposed.interpretation.answerable:
        raise ProposalRejected("no ingested atlas can answer the proposed question")
    return proposed


def _blocked(reading: Reading, code: CaveatCode) -> Reading:
    """Return the resolver's reading with a blocking caveat that a language model found, which comes first."""
    detail = f"The language model reads a question {READ_AS[code]}, so it cannot be answered."
    found, known = caveat(code, "", detail), reading.interpretation
    changes: dict[str, object] = {
        "answerable": False,
        "dataset": None,
        "caveats": known.caveats if known.has(code) else [found, *known.caveats],
    }
    if known.cell_type:
        changes["cell_type"] = known.cell_type.model_copy(update={"used": None})
    if known.perturbation:
        changes["perturbation"] = known.perturbation.model_copy(update={"evidence": None, "used": None})
    return Reading(known.model_copy(update=changes), reading.resolution, None)


def validated(proposal: Proposal, view: CatalogView, resolution: Resolution) -> Resolution:
    """Return a proposal as an interpretation. Where the resolver agrees, its term is used, because it names the matched words.

    Raises:
        ProposalRejected: the proposal is not about a perturbation, or one of its names is not in the catalog.
    """
    if proposal.task_type != "perturbation_response":
        raise ProposalRejected("the language model did not read a question about a perturbation")
    cell_type = _agreed(proposal.cell_type, resolution.cell_type) or _cell_type(proposal.cell_type, view)
    perturbation = _agreed(proposal.perturbation, resolution.perturbation) or _perturbation(proposal.perturbation, view)
    return Resolution(cell_type, perturbation, observational=False, recognized=(), unrecognized=())


def _agreed(name: str | None, term: MatchedTerm | None) -> MatchedTerm | None:
    return term if term and _folded(name) == _folded(term.name) else None


def _cell_type(name: str | None, view: CatalogView) -> MatchedTerm:
    info = _lookup("cell type", name, view.cell_types())
    return MatchedTerm(
        name=info.name,
        matched_text=info.name,
        match="proposed",
        cell_ontology_id=info.cell_ontology_id,
        kind="cell_type",
    )


def _perturbation(name: str | None, view: CatalogView) -> MatchedTerm:
    info = _lookup("perturbation", name, view.perturbations())
    return MatchedTerm(name=info.name, matched_text=info.name, match="proposed", kind=info.type)


def _lookup(role: str, name: str | None, infos: Sequence[Info]) -> Info:
    wanted = _folded(name)
    if not wanted:
        raise ProposalRejected(f"the language model named no {role}")
    by_name = [info for info in infos if _folded(info.name) == wanted]
    matches = by_name or [info for info in infos if wanted in map(_folded, info.synonyms)]
    if len(matches) != 1:
        raise ProposalRejected(f"the language model named a {role} that is not in the catalog")
    return matches[0]


def _folded(name: str | None) -> str:
    return (name or "").strip().casefold()


async def _propose(
    run: Run, view: CatalogView, resolution: Resolution, environment: Mapping[str, str], timeout_seconds: float
) -> Proposal:
    """Return the model's proposal; any failure of the provider rejects it.

    Raises:
        SettingsInvalid: the provider's client is not installed.
    """
    assert run.llm_provider is not None
    access = Access.from_env(run.llm_provider, run.llm_model, environment)
    message = {
        "question": run.query,
        "cell_types": _distinct([each.name for each in view.cell_types()], resolution.cell_type),
        "perturbations": _distinct([each.name for each in view.perturbations()], resolution.perturbation),
    }
    try:
        # Loading the libraries takes seconds; the timeout does not cover it.
        client = await asyncio.to_thread(import_module, "orchestrator.question.llm_client")
        model = await asyncio.to_thread(client.model_from, access)
        async with asyncio.timeout(timeout_seconds):
            proposal: Proposal = await client.ask(model, Proposal, message)
            return proposal
    except ImportError as error:  # an error of the operators, which a fallback would hide from them
        key = LLM_KEYS[access.provider]
        raise SettingsInvalid([f"{key} is set, but the clients of language models are not installed"]) from error
    except TimeoutError as error:
        raise ProposalRejected(f"the language model did not answer within {timeout_seconds:g} seconds") from error
    except Exception as error:  # whatever fails in a provider or its library, the resolver is the fallback
        detail = str(error).replace(access.key, "***")[:500]  # some providers quote a key that they refuse
        log(Severity.WARNING, "asking the language model failed", kind=type(error).__name__, detail=detail)
        raise ProposalRejected("the language model gave no usable answer") from error


def _distinct(names: list[str], term: MatchedTerm | None) -> list[str]:
    return sorted({*names, *([term.name] if term else [])})


def _differences(reading: Reading, proposed: Reading) -> list[str]:
    """Return sentences about what the language model and the resolver interpret differently."""
    pairs = (
        (reading.resolution.cell_type, proposed.resolution.cell_type),
        (reading.resolution.perturbation, proposed.resolution.perturbation),
    )
    return [
        *(
            f"The deterministic resolver would not answer this question: {each}"
            for each in reading.interpretation.reasons
        ),
        *(
            f'The deterministic resolver reads "{own.matched_text}" as {own.name}; the language model chose {chosen.name}.'
            for own, chosen in pairs
            if own and chosen and own.name != chosen.name
        ),
    ]
