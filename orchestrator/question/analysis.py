"""What a question asks of an atlas: the interpretation that everything shows, and the groups of cells that it stands for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.catalog.entries import DatasetEntry
from shared.catalog.interpretation import Interpretation, InterpretedCellType, InterpretedPerturbation, UsedCells
from shared.catalog.plans import QueryPlan, RelatedPerturbation, related_perturbations
from shared.catalog.view import CatalogView, control_labels, own_controls, perturbation_labels
from shared.resolver.interpretation import Reading, read
from shared.resolver.suggestions import suggest


class NotUnderstood(Exception):
    """A question that the ingested atlases cannot answer; the message tells the user why, in sentences."""

    def __init__(self, message: str, interpretation: Interpretation) -> None:
        super().__init__(message)
        self.interpretation = interpretation

    @classmethod
    def because(cls, reading: Reading, view: CatalogView) -> "NotUnderstood":
        """Return the error with the reasons of a reading, and one similar question that can be answered."""
        sentences = [*reading.interpretation.reasons, *(f"You can ask: {each}" for each in suggest(reading, view)[:1])]
        return cls(" ".join(sentences), reading.interpretation)


@dataclass(frozen=True)
class Neighbor:
    """A cell type of the atlas and its distance from the query cells' in Cell Ontology edges; None if they share no lineage."""

    cell_type: str
    distance: int | None


@dataclass(frozen=True)
class Target:
    """The combination of cell type and perturbation that prompts are sought for, by the atlas's labels."""

    query_type: str  # label of the cell type whose control cells are the query cells
    neighbors: tuple[Neighbor, ...]  # all other cell types of the atlas, nearest first
    perturbation: str  # catalog name of the perturbation that the question names
    conditions: tuple[str, ...]  # of that perturbation; empty if the atlas has only a related one
    controls: tuple[str, ...]  # of that perturbation
    related: tuple[RelatedPerturbation, ...] = ()  # perturbations with a similar mechanism, nearest first
    own_controls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by condition, if they do not share them

    def controls_of(self, condition: str) -> tuple[str, ...]:
        """Return the labels of the control conditions that a condition is compared with."""
        return self.own_controls.get(condition, self.controls)


@dataclass(frozen=True)
class Question:
    """A question that an atlas can answer."""

    text: str
    interpretation: Interpretation
    dataset: DatasetEntry
    target: Target
    understood_by: str = "deterministic resolver"
    remarks: tuple[str, ...] = ()  # about how it was understood, as sentences

    @property
    def cell_type(self) -> InterpretedCellType:
        """The cell type that the question names."""
        assert self.interpretation.cell_type is not None
        return self.interpretation.cell_type

    @property
    def query_type(self) -> UsedCells:
        """The cells of the atlas that answer the question."""
        assert self.cell_type.used is not None
        return self.cell_type.used

    @property
    def perturbation(self) -> InterpretedPerturbation:
        """The perturbation that the question names."""
        assert self.interpretation.perturbation is not None
        return self.interpretation.perturbation

    @property
    def agent(self) -> str:
        """The canonical name of the perturbation without the dose and the time, by which prior knowledge is found."""
        name = self.perturbation.name
        measured = self.dataset.counts.conditions.get(name)
        return (measured[0].agent if measured else None) or name

    def cell_name(self, label: str) -> str:
        """Return the Cell Ontology name of a cell type of the atlas, or its label without one."""
        names = {each.label: each.cell_ontology_label for each in self.dataset.cell_types}
        return names.get(label) or label

    @property
    def notes(self) -> list[str]:
        """What limits the answer and how the question was understood, as sentences."""
        return [*(caveat.detail for caveat in self.interpretation.caveats), *self.remarks]


def analyze(text: str, view: CatalogView) -> Question:
    """Interpret a question.

    Raises:
        NotUnderstood: it cannot be answered; the message repeats the reasons.
    """
    return question_of(text, read(text, view), view)


def question_of(text: str, reading: Reading, view: CatalogView) -> Question:
    """Return what a reading of a question asks of its atlas.

    Raises:
        NotUnderstood: the question cannot be answered; the message repeats the reasons.
    """
    plan, perturbation = reading.plan, reading.interpretation.perturbation
    if plan is None or perturbation is None:
        raise NotUnderstood.because(reading, view)
    return Question(text, reading.interpretation, plan.dataset, _target(plan, perturbation.name))


def _target(plan: QueryPlan, perturbation: str) -> Target:
    dataset, query = plan.dataset, plan.query.entry.label
    same_lineage = {query, *(each.entry.label for each in plan.others)}
    neighbors = [Neighbor(each.entry.label, each.distance) for each in plan.others]
    neighbors += [Neighbor(each.label, None) for each in dataset.cell_types if each.label not in same_lineage]
    return Target(
        query_type=query,
        neighbors=tuple(neighbors),
        perturbation=perturbation,
        conditions=tuple(perturbation_labels(dataset, perturbation)),
        controls=tuple(control_labels(dataset, plan.related.name if plan.related else perturbation)),
        own_controls=own_controls(dataset),
        # The interpretation names the perturbation that stands in: no other one may answer then.
        related=(plan.related,) if plan.related else related_perturbations(perturbation, dataset),
    )
