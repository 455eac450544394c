"""Runs whose target combination was never measured, the usual case: the answer uses the nearest data, and says so."""

import json
from collections.abc import Callable

import anndata as ad
import pytest

from orchestrator.evidence.grounding import RELATED_LIMIT
from orchestrator.main import Exit, run_job
from orchestrator.question.analysis import NotUnderstood, analyze
from shared.catalog.interpretation import CaveatCode
from shared.catalog.schemas import ControlStrategyValidationRequest
from shared.fields import ControlStrategy
from shared.resolver.validation import validate
from tests.support.catalogs import small_view
from tests.support.orchestrator.world import World

AnswerFrom = Callable[..., World]


async def test_a_missing_combination_is_transferred_from_other_types(answer_from: AnswerFrom) -> None:
    here = answer_from({"CD14 Mono": (), "cDC": ("IFN-beta",), "B cells": ("IFN-beta",)})
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    assert here.score >= 7
    assert here.outcome.num_de_genes >= 50
    assert any("No CD14-positive monocytes under IFN-beta were used" in note for note in here.outcome.notes)
    (first, *_) = json.loads(here.file("log.json").read_text())["iterations"]
    assert first["strategy"] == "ontology"
    assert {group["cell_type"] for group in first["prompt"]} == {"cDC", "B cells"}


async def test_a_perturbation_of_one_unrelated_type_is_transferred_from_it(
    answer_from: AnswerFrom,
) -> None:
    here = answer_from({"CD14 Mono": (), "Fibroblasts": ("IFN-beta",)}, max_iterations=1)
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    assert any("transferred from fibroblasts" in note for note in here.outcome.notes)
    assert here.score > 1


async def test_a_related_perturbation_gives_a_hypothesis_below_the_threshold(
    answer_from: AnswerFrom,
) -> None:
    here = answer_from({"CD14 Mono": ("IFN-alpha1",), "B cells": ("IFN-alpha1", "TNF-alpha")})
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    assert 1 < here.score <= RELATED_LIMIT
    assert not here.outcome.termination_reason.startswith("score_threshold")
    notes = " ".join(here.outcome.notes)
    assert "inferred from IFN-alpha1, which shares the receptors IFNAR1, IFNAR2" in notes
    assert "hypothesis" in notes
    assert {each.strategy for each in here.run.iterations} == {"mechanistic"}


async def test_a_close_variant_of_a_measured_perturbation_gives_at_most_low_confidence(answer_from: AnswerFrom) -> None:
    question = "How would CD14 monocytes respond to IFN-alpha2b?"
    here = answer_from({"CD14 Mono": ("IFN-alpha1",)}, question=question, max_iterations=1)
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    log = json.loads(here.file("log.json").read_text())
    assert log["interpretation"]["perturbation"]["evidence"] == "related_perturbation"
    assert 1 < here.score <= RELATED_LIMIT
    assert log["evidence"]["confidence"] in {"low", "none"}


async def test_a_measured_subtype_is_no_related_perturbation(answer_from: AnswerFrom) -> None:
    question = "How would CD14 monocytes respond to IFN-alpha1?"
    here = answer_from({"CD14 Mono": ("IFN-alpha1",)}, question=question, max_iterations=1)
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    log = json.loads(here.file("log.json").read_text())
    assert log["interpretation"]["perturbation"]["evidence"] == "measured_in_cell_type"
    assert here.score > RELATED_LIMIT


async def test_the_requested_perturbation_comes_before_a_related_one_in_the_target_type(
    answer_from: AnswerFrom,
) -> None:
    here = answer_from({"CD14 Mono": ("IFN-alpha1",), "cDC": ("IFN-beta",)}, score_threshold=10, max_iterations=4)
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    strategies = [each.strategy for each in here.run.iterations]
    assert strategies[0] == "ontology"
    assert "mechanistic" in strategies
    related = here.run.iterations[strategies.index("mechanistic")].score
    assert related is not None
    assert related <= RELATED_LIMIT
    assert here.outcome.termination_reason.split(":")[0] in {"no_new_prompt", "plateau", "max_iterations"}


async def test_the_headline_and_the_cells_name_the_perturbation_that_stood_in(answer_from: AnswerFrom) -> None:
    here = answer_from({"CD14 Mono": ("IFN-alpha1",)}, max_iterations=1)
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    log = json.loads(here.file("log.json").read_text())
    assert "IFN-alpha1 (used for IFN-beta) is predicted to raise" in log["answer"]
    assert log["interpretation"]["perturbation"]["used"] == "IFN-alpha1"
    cells = ad.read_h5ad(here.file("predictions.h5ad")).obs
    assert set(cells["perturbation"][cells["condition"] == "predicted"]) == {"IFN-alpha1"}


async def test_a_related_perturbation_from_other_types_says_both(answer_from: AnswerFrom) -> None:
    here = answer_from({"CD14 Mono": (), "B cells": ("IFN-alpha1",)}, max_iterations=1)
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    notes = " ".join(here.outcome.notes)
    assert "inferred from IFN-alpha1" in notes
    assert "No CD14-positive monocytes under IFN-alpha1 were used. The response was transferred from B cells" in notes


async def test_without_the_perturbation_or_a_related_one_the_run_fails_with_its_interpretation(
    answer_from: AnswerFrom,
) -> None:
    here = answer_from({"CD14 Mono": ("TNF-alpha",)}, control_strategy=ControlStrategy.QUERY_AS_CONTROL)
    assert await run_job(here.run_id, here.ports) is Exit.NOT_UNDERSTOOD
    assert here.run.error_message is not None
    assert here.run.interpretation is not None
    assert here.run.interpretation.reasons
    assert [reason for reason in here.run.interpretation.reasons if reason not in here.run.error_message] == []


@pytest.mark.parametrize("perturbation", ["IFN-omega", "IL-13", "TNF", "dasatinib", "IFN-gamma"])
def test_validation_predicts_whether_the_job_uses_a_related_perturbation(perturbation: str) -> None:
    view, question = small_view(), f"How would CD14 monocytes respond to {perturbation}?"
    validation = validate(ControlStrategyValidationRequest(query=question), view)
    try:
        understood = analyze(question, view)
    except NotUnderstood:
        assert validation.datasets == []
    else:
        assert validation.datasets == [understood.dataset.name]
        assert validation.interpretation == understood.interpretation
        assert understood.interpretation.has(CaveatCode.RELATED_PERTURBATION) is (not understood.target.conditions)
