"""Search results that can be trusted to a different degree, for tests of what the outputs say about that."""

from dataclasses import replace
from typing import assert_never

import numpy as np

from orchestrator.config import JobConfig
from orchestrator.evidence.accuracy import ExpectedAccuracy
from orchestrator.evidence.grounding import Evidence, ground
from orchestrator.prediction.transfer import TransferSettings
from orchestrator.search.left_out import PromptAccuracy
from orchestrator.search.search import SearchResult
from shared.runs.evidence import Confidence
from tests.support.orchestrator.search_results import make_expected, synthetic_result

NOTE = "Only one donor of this combination was used, so no donor can be left out and predicted."


def with_accuracy(result: SearchResult, expected: ExpectedAccuracy | None, note: str = "") -> SearchResult:
    """Return a result with this accuracy on known responses, or with a note why there is none."""
    estimate = None if expected is None else expected.true_pearson
    accuracy = PromptAccuracy(expected, note, TransferSettings(), estimate)
    return replace(result, best=replace(result.best, accuracy=accuracy))


def with_p_value(result: SearchResult, p_value: float | None) -> SearchResult:
    """Return a result whose expected program has this p against permuted labels."""
    return replace(result, best=replace(result.best, summary=replace(result.best.summary, p_value=p_value)))


def unknown_accuracy() -> SearchResult:
    """Return a result of which nothing could be left out."""
    return with_accuracy(synthetic_result(), None, NOTE)


def result_of(level: Confidence) -> SearchResult:
    """Return a result with this confidence."""
    found = synthetic_result()
    match level:
        case Confidence.HIGH:
            two = found.best.response
            effects = np.vstack([two.donor_effects, two.effect])
            three = replace(two, donors=("D1", "D2", "D3"), donor_effects=effects)
            return replace(found, best=replace(found.best, response=three))
        case Confidence.MODERATE:
            return with_accuracy(found, make_expected(0.5))
        case Confidence.LOW:
            return with_p_value(with_accuracy(found, make_expected(0.5)), 0.4)
        case Confidence.NONE:
            return with_p_value(with_accuracy(found, make_expected(0.1)), 0.4)
        case _:
            assert_never(level)


def unjudged(cells: int = 10) -> SearchResult:
    """Return a result of one iteration whose prompts have so few perturbed cells that its score cannot be judged."""
    result = synthetic_result(scores=(1,))
    evidence = Evidence(
        differential=result.best.differential,
        enrichment=(),
        gene_sets={},
        expectation=None,
        receptors=(),
        query=result.query.counts,
        perturbed_cells=cells,
    )
    found = ground(evidence, JobConfig(), seed=0)
    record = result.iterations[0].record.model_copy(update={"score": found.score, "components": found.parts})
    summary = replace(result.iterations[0], record=record, not_judged=found.not_judged, p_value=None)
    best = replace(result.best, summary=summary, notes=found.limits, limited=True)
    return replace(
        result,
        iterations=[summary],
        best=best,
        termination_reason="no_new_prompt: all prompts from the atlas were tried",
    )


def not_comparable() -> SearchResult:
    """Return a result whose perturbed cells and controls come from different donors."""
    result = with_p_value(synthetic_result(scores=(1,), changed=False), None)
    unknown = replace(result.best.response, standard_error=np.full_like(result.best.response.standard_error, np.inf))
    return replace(result, best=replace(result.best, response=unknown))
