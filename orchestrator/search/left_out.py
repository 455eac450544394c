"""Leave out what is known: what the atlas says about the accuracy of a prompt, before anything is predicted from it."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from orchestrator.atlas.atlas import Group
from orchestrator.atlas.expression import Floats
from orchestrator.evidence.accuracy import (
    ExpectedAccuracy,
    HeldOut,
    Known,
    chosen_magnitude,
    expected_accuracy,
    expected_reliability,
    mean_pearson,
    reliability_of,
    settings_grid,
)
from orchestrator.prediction.predictor import Predictor, PromptGroup
from orchestrator.prediction.transfer import (
    MAX_WEIGHT_CELLS,
    TransferSettings,
    group_weights,
    similarity,
    transferred,
    weights_of,
)
from orchestrator.question.analysis import Question
from orchestrator.search.cells import CellSource
from orchestrator.search.prompts import Prompt
from shared.catalog.plans import related_perturbations
from shared.catalog.view import perturbation_labels

# Other settings than the default must raise the mean correlation by more than this: a smaller gain is chance.
MIN_GAIN: Final = 0.005
MIN_KNOWN_TYPES: Final = 2
# With fewer known cell types, each is predicted from one other, and there is nothing to choose.
MIN_TYPES_TO_CHOOSE: Final = 3


@dataclass(frozen=True)
class PromptAccuracy:
    """What is known about the accuracy of a prompt."""

    expected: ExpectedAccuracy | None
    note: str  # why nothing is expected, as a sentence; empty otherwise
    settings: TransferSettings
    estimate: float | None  # correlation with the true response, by which prompts are ordered


class LeaveOneOut:
    """Tests prompts of one question on what its atlas knows; reads profiles only."""

    def __init__(self, source: CellSource, question: Question, predictor: Predictor) -> None:
        self._source = source
        self._question = question
        self._transfers = predictor.transfers
        self._own = question.query_type.label
        self._found: dict[tuple[Group, ...], PromptAccuracy] = {}
        self._tested: dict[object, tuple[list[Known], TransferSettings]] = {}

    def accuracy(self, prompt: Prompt) -> PromptAccuracy:
        """Return the expected accuracy of a prompt, or why there is none."""
        if prompt.groups not in self._found:
            self._found[prompt.groups] = self._accuracy(prompt)
        return self._found[prompt.groups]

    def _accuracy(self, prompt: Prompt) -> PromptAccuracy:
        default = TransferSettings()
        if not self._transfers:
            return PromptAccuracy(None, "This predictor is not tested on known responses.", default, None)
        groups = [self._source.group(group) for group in prompt.groups]
        types = {group.cell_type for group in groups}
        if not prompt.related_only and self._own in types:
            found = list(self._donors(groups))
            if len(found) > 1:
                return self._summary(HeldOut.DONORS, found, groups, default)
            if types == {self._own}:
                return self._measured_once(prompt, groups)
        if not prompt.related_only:
            known, settings = self._left_out_types(
                frozenset(group.condition for group in prompt.groups),
                frozenset(group.donor for group in groups),
                len(types - {self._own}),
            )
            if len(known) > 1:
                return self._summary(HeldOut.CELL_TYPES, known, groups, settings)
        found = list(self._perturbations(prompt, types - {self._own}))
        if len(found) > 1:
            return self._summary(HeldOut.PERTURBATIONS, found, groups, default)
        name = self._question.perturbation.name
        note = (
            f"The atlas has too few responses to {name} or to other perturbations in these cells to leave one out and predict it, so "
            "the accuracy of this prediction is unknown."
        )
        return PromptAccuracy(None, note, default, None)

    def _measured_once(self, prompt: Prompt, groups: Sequence[PromptGroup]) -> PromptAccuracy:
        own = _Response.of(self._own, groups)
        note = "Only one donor of this combination was used, so no donor can be left out and predicted."
        conditions = sorted({group.condition for group in prompt.groups})
        donors = {group.donor for group in self._source.available.perturbed(self._own, conditions)}
        # One donor of several is not comparable with all of them, which can be tested.
        estimate = float(np.sqrt(reliability_of(own.effect, own.sampling_variance))) if len(donors) == 1 else None
        return PromptAccuracy(None, note, TransferSettings(), estimate)

    def _summary(
        self, held_out: HeldOut, known: Sequence[Known], groups: Sequence[PromptGroup], settings: TransferSettings
    ) -> PromptAccuracy:
        def reliability() -> float:
            reference = self._source.reference(self._own)
            predicted = _predicted(reference.expression, groups, settings)
            return expected_reliability(predicted, 2 * reference.sampling_variance)

        expected = expected_accuracy(held_out, known, reliability)
        return PromptAccuracy(expected, "", settings, None if expected is None else expected.true_pearson)

    def _donors(self, groups: Sequence[PromptGroup]) -> Iterator[Known]:
        """Yield each donor's own response in the asked cell type, predicted from the other groups."""
        own = [group for group in groups if group.cell_type == self._own and group.control is not None]
        reference = self._source.reference(self._own).expression
        for left_out in sorted({group.donor for group in own}):
            truth = _Response.of(left_out, [group for group in own if group.donor == left_out])
            # Other cell types of this donor share its samples, and so its noise.
            rest = [group for group in groups if group.donor != left_out]
            others = [group.effect for group in own if group.donor != left_out]
            if rest and others:
                yield Known(
                    name=left_out,
                    cells=truth.cells,
                    effect=truth.effect,
                    variance=truth.sampling_variance,
                    predicted=_predicted(reference, rest, TransferSettings()),
                    mean_delta=np.mean(others, axis=0),
                    nearest=None,
                )

    def _responses(self, conditions: Collection[str], donors: Collection[str]) -> "list[_Response]":
        """Return the response of each other cell type to these conditions in these donors."""
        found = []
        for near in self._question.target.neighbors:
            groups = [
                self._source.group(group)
                for group in self._source.available.perturbed(near.cell_type, sorted(conditions))
                if group.donor in donors
            ]
            if groups:
                found.append(_Response.of(near.cell_type, groups))
        return found

    def _left_out_types(
        self, conditions: frozenset[str], donors: frozenset[str], n_types: int
    ) -> tuple[list[Known], TransferSettings]:
        """Leave out each other cell type, and choose the settings that predict these best. Many prompts share one answer."""
        key = conditions, donors, n_types
        if key not in self._tested:
            everyone = frozenset(self._question.dataset.donors)
            halves = [
                _Half(self._responses(conditions, known), self._responses(conditions, sources))
                for known, sources in _halves(everyone, donors)
            ]
            self._tested[key] = _predict_each(halves, n_types)
        return self._tested[key]

    def _perturbations(self, prompt: Prompt, types: Collection[str]) -> Iterator[Known]:
        """Yield the response of the asked cell type to each other perturbation, predicted in the same way."""
        dataset = self._question.dataset
        asked = self._question.agent
        # Another dose of the asked perturbation is no other perturbation.
        agents = {
            each.perturbation: each.agent or each.perturbation for each in dataset.conditions if each.perturbation
        }
        names = sorted(name for name, agent in agents.items() if agent != asked)
        measured = {name: self._matched(name) for name in names}
        known = {name: groups for name, groups in measured.items() if groups}
        reference = self._source.reference(self._own).expression
        for name, own in known.items():
            held: set[str] = set()
            if prompt.related_only:
                # Responses of one donor share its control cells, whose noise would look like agreement: half of the donors are predicted
                # from the others.
                held = set(sorted({group.donor for group in own})[::2])
            truth = _Response.of(name, [group for group in own if group.donor in held or not held])
            others = [
                [group for group in groups if group.donor not in held]
                for other_name, groups in known.items()
                if other_name != name
            ]
            rest = [_Response.of(name, groups).effect for groups in others if groups]
            source = self._stand_in(name, held) if prompt.related_only else self._groups_of(name, types)
            if source and rest:
                yield Known(
                    name=name,
                    cells=truth.cells,
                    effect=truth.effect,
                    variance=truth.sampling_variance,
                    predicted=_predicted(reference, source, TransferSettings()),
                    mean_delta=np.mean(rest, axis=0),
                    nearest=None,
                )

    def _stand_in(self, perturbation: str, held: Collection[str]) -> list[PromptGroup]:
        """Return the groups of the nearest related perturbation: of other donors in the asked cell type, or else of all other types."""
        dataset, types = self._question.dataset, [each.cell_type for each in self._question.target.neighbors]
        for related in related_perturbations(perturbation, dataset):
            if related.name != self._question.perturbation.name:
                own = [group for group in self._matched(related.name) if group.donor not in held]
                return own or self._groups_of(related.name, types)
        return []

    def _matched(self, perturbation: str) -> list[PromptGroup]:
        """Return the groups of the asked cell type with matched controls."""
        return [group for group in self._groups_of(perturbation, [self._own]) if group.control is not None]

    def _groups_of(self, perturbation: str, types: Collection[str]) -> list[PromptGroup]:
        labels = perturbation_labels(self._question.dataset, perturbation)
        return [
            self._source.group(group)
            for cell_type in sorted(types)
            for group in self._source.available.perturbed(cell_type, labels)
        ]


@dataclass(frozen=True)
class _Response:
    """A known response: the mean of the groups of one cell type, weighted by their cells."""

    name: str
    groups: Sequence[PromptGroup]
    effect: Floats
    variance: Floats
    sampling_variance: Floats  # as the cells show it; 0 without counts
    cells: int

    size: float  # cells that count for its weight

    @classmethod
    def of(cls, name: str, groups: Sequence[PromptGroup]) -> "_Response":
        sizes = np.minimum([group.size for group in groups], MAX_WEIGHT_CELLS)
        weights = sizes / sizes.sum()
        effect = weights @ np.stack([group.effect for group in groups])
        variance = weights**2 @ np.stack([group.noise for group in groups])
        sampling = weights**2 @ np.stack([group.sampling_variance for group in groups])
        cells = round(sum(group.perturbed.cells for group in groups))
        return cls(name, groups, effect, variance, sampling, cells, float(sizes.sum()))

    @cached_property
    def profile(self) -> Floats:
        """The control profile of the cell type."""
        return self.groups[0].reference.expression


@dataclass(frozen=True)
class _Half:
    """Responses of cell types in some donors, and those of other donors to predict them from."""

    known: Sequence[_Response]
    available: Sequence[_Response]


def _halves(everyone: frozenset[str], donors: frozenset[str]) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """Yield donors whose responses are known, and donors to predict them from: others, if there are any.

    Cell types of one donor share its samples. What makes these differ would look like a response that all types have.
    """
    if len(everyone) == 1:
        yield everyone, donors
        return
    ordered = sorted(donors)
    for sources in filter(None, (frozenset(ordered[::2]), frozenset(ordered[1::2]))):
        if everyone - sources:
            yield everyone - sources, sources


def _predict_each(halves: Sequence[_Half], n_types: int) -> tuple[list[Known], TransferSettings]:
    """Predict each cell type from at most `n_types` others, those most similar to it, with the best settings."""
    halves = [half for half in halves if min(len(half.known), len(half.available)) >= MIN_KNOWN_TYPES]
    if not halves:
        return [], TransferSettings()

    def tested(settings: TransferSettings) -> list[Known]:
        return [each for half in halves for each in _left_out(half, max(n_types, 1), settings)]

    tests = {settings: tested(settings) for settings in settings_grid()}
    settings = next(iter(tests))
    if len({each.name for each in tests[settings]}) < MIN_TYPES_TO_CHOOSE:
        return tests[settings], settings
    if n_types > 1:
        best = max(tests, key=lambda each: mean_pearson(tests[each]))
        if mean_pearson(tests[best]) > mean_pearson(tests[settings]) + MIN_GAIN:
            settings = best
    magnitude = chosen_magnitude(tests[settings])
    found = [replace(each, predicted=magnitude * each.predicted) for each in tests[settings]]
    return found, replace(settings, magnitude=magnitude)


def _nearest(truth: _Response, others: Sequence[_Response], n_types: int) -> list[tuple[float, _Response]]:
    """Return the `n_types` responses whose control profile is most similar, with the similarity."""
    if not others:
        return []
    alike = similarity(truth.profile, [each.profile for each in others])
    return [(float(alike[i]), others[i]) for i in np.argsort(-alike, kind="stable")[:n_types]]


def _left_out(half: _Half, n_types: int, settings: TransferSettings) -> Iterator[Known]:
    for truth in half.known:
        others = [each for each in half.available if each.name != truth.name]
        source = _nearest(truth, others, n_types)
        if not source:
            continue
        weights = weights_of(
            np.array([alike for alike, _ in source]), np.array([each.size for _, each in source]), settings
        )
        effects, noise = (np.stack([getattr(each, name) for _, each in source]) for name in ("effect", "variance"))
        yield Known(
            name=truth.name,
            cells=truth.cells,
            effect=truth.effect,
            variance=truth.sampling_variance,
            predicted=transferred(effects, noise, weights, settings),
            mean_delta=np.mean([each.effect for each in others], axis=0),
            nearest=source[0][1].effect,
        )


def _predicted(query: Floats, groups: Sequence[PromptGroup], settings: TransferSettings) -> Floats:
    weights = group_weights(
        query, [group.reference.expression for group in groups], [group.size for group in groups], settings
    )
    noise = np.stack([group.noise for group in groups])
    return transferred(np.stack([group.effect for group in groups]), noise, weights, settings)
