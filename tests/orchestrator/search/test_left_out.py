"""What is left out to test a prompt: donors, cell types or perturbations, whichever the atlas has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.atlas.atlas import Atlas
from orchestrator.config import JobConfig
from orchestrator.evidence.accuracy import HeldOut
from orchestrator.ingest.build import ingest
from orchestrator.prediction.delta_transfer import DeltaTransfer
from orchestrator.prediction.stack import StackPredictor
from orchestrator.prediction.transfer import TransferSettings
from orchestrator.question.analysis import Question, analyze
from orchestrator.search.cells import CellSource
from orchestrator.search.left_out import LeaveOneOut, PromptAccuracy
from orchestrator.search.prompts import Prompt, choose
from orchestrator.search.strategies import candidates
from shared.catalog.reference import datasets
from shared.catalog.view import CatalogView
from tests.support.orchestrator import small_atlas

Delivered = Callable[[Mapping[str, tuple[str, ...]]], tuple[Prompt, PromptAccuracy]]
TYPES = ("cDC", "B cells", "NK cells", "CD4 T cells")


@dataclass(frozen=True)
class Asked:
    """A question about CD14 monocytes under IFN-beta, and what tests its prompts."""

    question: Question
    prompts: Sequence[Prompt]
    left_out: LeaveOneOut

    def accuracies(self, *, strategy: str, groups: int | None = None) -> list[PromptAccuracy]:
        """Return the accuracy of each prompt of a strategy, with so many groups if that is given."""
        return [
            self.left_out.accuracy(prompt)
            for prompt in self.prompts
            if prompt.strategy == strategy and groups in {None, len(prompt.groups)}
        ]


@pytest.fixture
def asked(tmp_path: Path) -> Callable[..., Asked]:
    """Return the question asked of an atlas with these conditions; options are those of `small_atlas.write`."""

    def make(
        conditions: Mapping[str, tuple[str, ...]],
        *,
        donors: Sequence[str] = ("D1", "D2"),
        responders: Mapping[str, Sequence[str]] | None = None,
    ) -> Asked:
        small_atlas.write(tmp_path / "small.h5ad", conditions, donors=donors, responders=responders)
        entry = ingest("small", tmp_path / "small.h5ad", tmp_path)
        question = analyze("How would CD14 monocytes respond to IFN-beta?", CatalogView(datasets(), [entry]))
        source = CellSource(Atlas(tmp_path / "small"), question.target, JobConfig(), 0)
        prompts = candidates(question.target, source.available)
        return Asked(question, prompts, LeaveOneOut(source, question, DeltaTransfer()))

    return make


@pytest.fixture
def delivered(asked: Callable[..., Asked]) -> Delivered:
    """Return the prompt for CD14 monocytes under IFN-beta from an atlas with these conditions, and its accuracy."""

    def make(conditions: Mapping[str, tuple[str, ...]]) -> tuple[Prompt, PromptAccuracy]:
        here = asked(conditions)
        cell_type = here.question.query_type.label
        prompt = choose(here.prompts, [], cell_type, lambda each: here.left_out.accuracy(each).estimate)
        assert prompt is not None
        return prompt, here.left_out.accuracy(prompt)

    return make


def test_a_measured_combination_is_tested_on_its_donors(delivered: Delivered) -> None:
    prompt, found = delivered({"CD14 Mono": ("IFN-beta",), "cDC": ("IFN-beta",)})
    assert prompt.strategy == "direct"
    assert found.expected is not None
    assert found.expected.held_out is HeldOut.DONORS
    assert [test.name for test in found.expected.tests] == ["D1", "D2"]
    assert found.expected.pearson.median > 0.7


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
    assert found.expected is not None
    assert found.expected.held_out is HeldOut.PERTURBATIONS
    assert [test.name for test in found.expected.tests] == ["IFN-alpha1", "IFN-gamma"]
    assert {test.cells for test in found.expected.tests} == {30}
    assert found.expected.pearson.median > 0.7


def test_related_perturbations_that_do_nothing_do_not_predict_each_other(asked: Callable[..., Asked]) -> None:
    """Regression: the noise of the controls that they share was taken for agreement, and r = 0.57 was expected."""
    conditions = {"CD14 Mono": ("IFN-alpha1", "IFN-gamma", "IFN-omega", "TNF-alpha")}
    (found,) = asked(conditions, responders={"CD14 Mono": ()}).accuracies(strategy="mechanistic")
    assert found.expected is not None
    assert found.expected.pearson.median < 0.2


def test_with_one_donor_a_related_perturbation_cannot_be_tested_in_the_same_cells(asked: Callable[..., Asked]) -> None:
    conditions = {"CD14 Mono": ("IFN-alpha1", "IFN-gamma", "IFN-omega")}
    (found,) = asked(conditions, donors=("D1",)).accuracies(strategy="mechanistic")
    assert (found.expected, found.estimate) == (None, None)
    assert "the accuracy of this prediction is unknown" in found.note


def test_one_donor_of_a_measured_combination_cannot_be_left_out(asked: Callable[..., Asked]) -> None:
    (alone,) = asked({"CD14 Mono": ("IFN-beta",)}, donors=("D1",)).accuracies(strategy="direct")
    assert alone.expected is None
    assert "Only one donor" in alone.note
    # Without any other donor, it is as accurate as it is reliable.
    assert alone.estimate is not None
    assert 0.7 < alone.estimate < 1


def test_one_donor_of_several_is_not_compared_with_all_of_them(asked: Callable[..., Asked]) -> None:
    of_one = asked({"CD14 Mono": ("IFN-beta",)}).accuracies(strategy="donor", groups=1)
    assert len(of_one) == 2
    assert [(each.expected, each.estimate) for each in of_one] == [(None, None)] * 2


def test_one_measured_donor_with_other_types_is_tested_on_those(asked: Callable[..., Asked]) -> None:
    conditions = dict.fromkeys(("CD14 Mono", "cDC", "B cells"), ("IFN-beta",))
    mixes = asked(conditions, donors=("D1",)).accuracies(strategy="ontology", groups=3)
    assert len(mixes) == 1
    assert mixes[0].expected is not None
    assert mixes[0].expected.held_out is HeldOut.CELL_TYPES
    # With two known types each is predicted from the other, and there is nothing to choose.
    assert mixes[0].settings == TransferSettings()


def test_responses_that_only_similar_types_share_are_transferred_over_a_shorter_distance(
    asked: Callable[..., Asked],
) -> None:
    others = [gene for gene in small_atlas.GENES if gene not in {*small_atlas.RESPONDERS, "IFNAR1", "IFNAR2"}]
    myeloid, lymphoid = others[:60], others[60:120]
    responders = {"cDC": myeloid, "pDC": myeloid, "B cells": lymphoid, "T cells": lymphoid}
    here = asked({"CD14 Mono": (), **dict.fromkeys(responders, ("IFN-beta",))}, responders=responders)
    lengths = {each.settings.length for each in here.accuracies(strategy="ontology", groups=8)}
    assert lengths == {0.5}
    # From one type alone, the distance makes no difference.
    assert {each.settings.length for each in here.accuracies(strategy="ontology", groups=2)} == {0.7}


def test_types_that_do_not_respond_are_not_predicted_and_the_change_is_halved(asked: Callable[..., Asked]) -> None:
    types = ("cDC", "B cells", "NK cells")
    conditions = {"CD14 Mono": (), **dict.fromkeys(types, ("IFN-beta",))}
    for found in asked(conditions, responders=dict.fromkeys(types, ())).accuracies(strategy="ontology"):
        assert found.expected is not None
        assert found.expected.pearson.median < 0.2
        assert found.settings.magnitude == 0.5


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
