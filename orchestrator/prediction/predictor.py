"""The port `Predictor`: what a prediction is made from, and what it returns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy import sparse

from orchestrator.atlas.expression import Floats
from orchestrator.atlas.profiles import Profile
from orchestrator.prediction.transfer import TransferSettings


@dataclass(frozen=True)
class PromptCells:
    """Sampled cells of a prompt group: raw counts, cells × genes."""

    perturbed: sparse.csr_matrix
    control: sparse.csr_matrix | None  # of the same donor and cell type, if there are any
    reference: sparse.csr_matrix  # the matched controls, or else control cells of this cell type from all donors

    @property
    def baseline(self) -> sparse.csr_matrix:
        """What the perturbed cells are compared with: the matched controls, or else the reference."""
        return self.reference if self.control is None else self.control


@dataclass(frozen=True)
class PromptGroup:
    """A group of perturbed cells of one donor and cell type, with its controls: as profiles, and on demand as cells."""

    donor: str
    cell_type: str
    perturbed: Profile
    control: Profile | None  # of the same donor and cell type, if there are any
    reference: Profile  # control cells of this cell type from all donors, the origin of shifts
    cells: Callable[[int], PromptCells]  # reads at most so many cells of each kind
    donor_variance: Floats | None = None  # of control profiles between donors of this type; None with fewer than two
    control_donors: int = 1  # that the reference comes from

    @property
    def baseline(self) -> Profile:
        """What the perturbed cells are compared with: the matched controls, or else the reference."""
        return self.reference if self.control is None else self.control

    @cached_property
    def effect(self) -> Floats:
        """The change of log1p(counts per 10,000) of each gene."""
        return self.perturbed.expression - self.baseline.expression

    @cached_property
    def variance(self) -> Floats:
        """The variance of `effect`; infinite if the controls come from one other donor, whose own differences look like a response."""
        if self.control is not None:
            return self.noise
        between = np.full_like(self.noise, np.inf)
        if self.donor_variance is not None:
            between = self.donor_variance * (1.0 + 1.0 / self.control_donors)
        return self.noise + between

    @cached_property
    def noise(self) -> Floats:
        """The variance of `effect` from its cells alone."""
        return self.perturbed.variance + self.baseline.variance

    @property
    def sampling_variance(self) -> Floats:
        """The variance of `effect` as its cells show it; 0 without counts."""
        return self.perturbed.sampling_variance + self.baseline.sampling_variance

    @property
    def size(self) -> float:
        """The number of perturbed or baseline cells, whichever are fewer."""
        return min(self.perturbed.cells, self.baseline.cells)

    @classmethod
    def of(cls, donor: str, cell_type: str, cells: PromptCells) -> "PromptGroup":
        """Return a group that consists of these cells."""
        control = None if cells.control is None else Profile.of(cells.control)
        reference = Profile.of(cells.reference)
        return cls(donor, cell_type, Profile.of(cells.perturbed), control, reference, lambda _: cells)


@dataclass(frozen=True)
class Prediction:
    """Predicted cells, one per query cell: raw counts, cells × genes."""

    perturbed: sparse.csr_matrix
    control: sparse.csr_matrix | None  # predicted from the control prompts; None without matched controls


class Predictor(Protocol):
    """Makes predictions. All predictors are evaluated in the same way."""

    @property
    def name(self) -> str:
        """The name of the method."""

    @property
    def transfers(self) -> bool:
        """Whether it predicts the mean response of the prompts, so that leaving out what is known can test it."""

    def tuned(self, settings: TransferSettings) -> "Predictor":
        """Return the predictor with other settings, if it has any."""

    def predict(
        self, query: sparse.csr_matrix, prompts: Sequence[PromptGroup], *, genes: Sequence[str], seed: int
    ) -> Prediction:
        """Predict the query cells under the prompts' perturbation and, with matched controls, under the prompts' control.

        Args:
            query: raw counts of the query cells, cells × genes.
            prompts: at least one, with the genes of `query`.
            genes: gene symbols, in column order.
            seed: the same seed gives the same prediction.
        """

    def weights(self, query: Profile, prompts: Sequence[PromptGroup]) -> tuple[float, ...]:
        """Return the weight of each prompt group in a prediction; they sum to 1. Much cheaper than a prediction."""
