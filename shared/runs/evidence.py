"""How far a result can be trusted: expected accuracy, grounding and confidence, kept apart. Stored and sent in the same form."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from shared.fields import Model, Score


class Confidence(StrEnum):
    """How much the evidence supports an answer."""

    HIGH = "high"
    MODERATE = "moderate"
    LOW = "low"
    NONE = "none"


class Spread(Model):
    """A value over the known responses that were left out."""

    median: float = Field(description="Median.")
    low: float = Field(description="Lowest value.")
    high: float = Field(description="Highest value.")


class BaselineAccuracy(Model):
    """Accuracy of a simple method on the same known responses."""

    pearson: Spread = Field(description="Correlation with a measurement.")
    relative_squared_error: Spread = Field(description='Squared error relative to that of "no change".')


class Baselines(Model):
    """What any method must beat."""

    no_change: BaselineAccuracy = Field(description="Predict that nothing changes.")
    mean_delta: BaselineAccuracy = Field(description="Predict the mean of the other known responses.")
    nearest_cell_type: BaselineAccuracy | None = Field(
        description="Copy the response of the most similar cell type; null if cell types are not what was left out."
    )


class LeftOutResponse(Model):
    """A known response that was left out, and how well it was predicted."""

    name: str = Field(description="Cell type, donor or perturbation that was left out.")
    cells: int = Field(description="Number of perturbed cells that were measured.")
    pearson: float = Field(description="Correlation of the predicted with the measured change, over all genes.")
    relative_squared_error: float = Field(description='Squared error relative to that of "no change".')
    mean_delta_pearson: float = Field(description="Correlation of the mean of the other known responses.")
    nearest_pearson: float | None = Field(description="Correlation of the response of the most similar cell type.")


class ExpectedAccuracy(Model):
    """Accuracy of the same method on responses that are known, each left out in turn."""

    held_out: Literal["cell_types", "donors", "perturbations"] = Field(description="What was left out in turn.")
    n: int = Field(description="Number of known responses that were left out.")
    pearson: Spread = Field(
        description="Correlation of predicted and measured change that is expected for the asked cells, over all genes, if as many "
        "perturbed cells are measured as there are control cells."
    )
    relative_squared_error: Spread = Field(
        description='Squared error expected for the same measurement, relative to that of "no change".'
    )
    top50_overlap: Spread = Field(
        description="Share of the 50 genes that change most that were among the 50 predicted to change most."
    )
    direction: Spread = Field(
        description="Share of the 50 genes predicted to change most that changed in the predicted direction."
    )
    cell_type_specific: Spread = Field(
        description="Correlation after the mean of the other known responses is subtracted from both."
    )
    baselines: Baselines = Field(description="Accuracy of simple methods, expected for the same measurement.")
    left_out: list[LeftOutResponse] = Field(description="The known responses, as measured.")


class GroundingEvidence(Model):
    """Agreement with prior knowledge."""

    score: Score | None = Field(description="Grounding score; null if nothing could be judged.")
    p_value: float | None = Field(
        description="Share of permutations of the treatment labels in which the expected program rises at least as much; null if it "
        "cannot be judged."
    )
    permutations: int = Field(description="Number of permutations.")


class RunEvidence(Model):
    """How far a result can be trusted."""

    expected_accuracy: ExpectedAccuracy | None = Field(
        description="Accuracy on known responses; null if nothing can be left out."
    )
    expected_accuracy_note: str | None = Field(description="Why `expected_accuracy` is null; null otherwise.")
    grounding: GroundingEvidence = Field(description="Grounding score, and how it compares with permuted labels.")
    confidence: Confidence = Field(description="Confidence in the answer, by the rule in docs/science.md.")
    confidence_reason: str = Field(description="Reason for the confidence, in a sentence.")
    donors: int = Field(description="Number of donors whose response was used.")
    cell_types: int = Field(description="Number of cell types whose response was used.")
    cells: int = Field(description="Number of perturbed and control cells that the response rests on.")
