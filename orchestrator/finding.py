"""What a run tried and found, as the workflow hands it to the outputs and the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from platform import python_version

from orchestrator.config import JobConfig
from orchestrator.differential import Differential
from orchestrator.inference import Prediction
from orchestrator.loading import QueryCells
from orchestrator.prompts import Prompt
from orchestrator.query_analysis import Question
from shared.fields import ControlStrategy
from shared.runs.records import Iteration
from shared.runs.records import PathwayChange

LIBRARIES = ("anndata", "decoupler", "h5py", "numpy", "pandas", "scanpy", "scipy")


@dataclass(frozen=True)
class GroupUse:
    """A prompt group as it was used: its cells, its matched controls and its weight in the prediction."""

    donor: str
    cell_type: str
    perturbed_cells: int
    control_cells: int
    weight: float


@dataclass(frozen=True)
class Attempt:
    """One iteration, without its cells."""

    prompt: Prompt
    groups: tuple[GroupUse, ...]
    effective: ControlStrategy
    summary: Iteration


@dataclass(frozen=True)
class Trial:
    """One iteration with its prediction; only the best one is kept.

    `notes` are caveats of this iteration, such as a fall-back of the control strategy.
    """

    attempt: Attempt
    prediction: Prediction
    differential: Differential
    enrichment: Sequence[PathwayChange]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """All of a finished run: the best trial is what is delivered. `shuffled_score` is what its changes score on genes drawn at random."""

    run_id: str
    asked_at: datetime
    question: Question
    requested: ControlStrategy
    score_threshold: int
    max_iterations: int
    attempts: Sequence[Attempt]
    best: Trial
    shuffled_score: int
    query: QueryCells
    seed: int
    predictor: str
    config: JobConfig
    termination_reason: str

    @property
    def notes(self) -> list[str]:
        """The caveats, in plain words."""
        return [*self.question.notes, *self.best.notes]


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that numbers depend on."""
    return {"python": python_version()} | {name: version(name) for name in LIBRARIES}
