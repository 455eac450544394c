"""What is left out to test a prompt: donors, cell types or perturbations, whichever the atlas has."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orchestrator.atlas.atlas import Atlas
from orchestrator.config import JobConfig
from orchestrator.evidence.accuracy import HeldOut
from orchestrator.ingest.build import ingest
from orchestrator.prediction.delta_transfer import DeltaTransfer
from orchestrator.prediction.stack import StackPredictor
from orchestrator.question.analysis import analyze
from orchestrator.search.cells import CellSource
from orchestrator.search.left_out import LeaveOneOut, PromptAccuracy
from orchestrator.search.prompts import Prompt, choose
from orchestrator.search.strategies import candidates
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView
from tests.support.orchestrator import small_atlas

Delivered = Callable[[Mapping[str, tuple[str, ...]]], tuple[Prompt, PromptAccuracy]]
TYPES = ("cDC", "B cells", "NK cells", "CD4 T cells")


@pytest.fixture
def delivered(tmp_path: Path) -> Delivered:
    """Return the prompt for CD14 monocytes under IFN-beta from an atlas with these conditions, and its accuracy."""

    def make(conditions: Mapping[str, tuple[str, ...]]) -> tuple[Prompt, PromptAccuracy]:
        small_atlas.write(tmp_path / "small.h5ad", conditions)
        entry = ingest("small", tmp_path / "small.h5ad", tmp_path)
        question = analyze("How would CD14 monocytes respond to IFN-beta?", CatalogView(datasets(), [entry]))
        source = CellSource(Atlas(tmp_path / "small"), question.target, JobConfig(), 0)
        left_out = LeaveOneOut(source, question, DeltaTransfer())
        prompt = choose(
            candidates(question.target, source.available),
            [],
            question.query_type.label,
            lambda each: left_out.accuracy(each).estimate,
        )
        assert prompt is not None
        return prompt, left_out.accuracy(prompt)

    return make


def test_a_measured_combination_is_tested_on_its_donors(delivered: Delivered) -> None:
    prompt, found = delivered({"CD14 Mono": ("IFN-beta",), "cDC": ("IFN-beta",)})
    assert prompt.strategy == "direct"
    assert found.expected is not None
    assert found.expected.held_out is HeldOut.DONORS
    assert [test.name for test in found.expected.tests] == ["D1", "D2"]
    assert found.expected.pearson.median > 0.8


def test_a_transferred_response_is_tested_on_the_other_cell_types(delivered: Delivered) -> None:
    prompt, found = delivered({"CD14 Mono": (), **dict.fromkeys(TYPES, ("IFN-beta",))})
    assert prompt.strategy == "ontology"
    assert found.expected is not None
    assert found.expected.held_out is HeldOut.CELL_TYPES
    assert {test.name for test in found.expected.tests} == set(TYPES)
    assert found.expected.pearson.median > 0.8
    assert found.expected.nearest_cell_type is not None


def test_with_one_other_cell_type_other_perturbations_are_left_out(delivered: Delivered) -> None:
    cytokines = ("TNF-alpha", "IL-6", "IL-2")
    _, found = delivered({"CD14 Mono": cytokines, "cDC": (*cytokines, "IFN-beta")})
    assert found.expected is not None
    assert found.expected.held_out is HeldOut.PERTURBATIONS
    assert {test.name for test in found.expected.tests} == set(cytokines)


def test_where_nothing_can_be_left_out_it_says_so(delivered: Delivered) -> None:
    _, found = delivered({"CD14 Mono": (), "cDC": ("IFN-beta",)})
    assert found.expected is None
    assert "the accuracy of this prediction is unknown" in found.note


def test_a_related_perturbation_is_tested_by_other_pairs_of_related_ones(delivered: Delivered) -> None:
    prompt, found = delivered({"CD14 Mono": ("IFN-alpha1", "IFN-gamma", "TNF-alpha", "IL-6")})
    assert prompt.related_only
    assert found.expected is None or found.expected.held_out is HeldOut.PERTURBATIONS


def test_a_predictor_without_a_mean_response_is_not_tested(tmp_path: Path) -> None:
    small_atlas.write(tmp_path / "small.h5ad", {"CD14 Mono": ("IFN-beta",)})
    entry = ingest("small", tmp_path / "small.h5ad", tmp_path)
    question = analyze("How would CD14 monocytes respond to IFN-beta?", CatalogView(datasets(), [entry]))
    source = CellSource(Atlas(tmp_path / "small"), question.target, JobConfig(), 0)
    (prompt, *_) = candidates(question.target, source.available)
    stack = StackPredictor(tmp_path, tmp_path, "python", {})
    found = LeaveOneOut(source, question, stack).accuracy(prompt)
    assert (found.expected, found.estimate) == (None, None)
    assert found.note
