"""The wire models of a question that is checked before it is run, field by field as the contract has them."""

from shared.fields import ControlStrategy, Model, Query


class ControlStrategyValidationRequest(Model):
    """A question whose control strategy is to be checked before it is run."""

    query: Query
    control_strategy: ControlStrategy = ControlStrategy.SYNTHETIC_CONTROL


class MatchedTerm(Model):
    """What a piece of the question was taken for.

    `matched_text` is the piece as it was written; `match` tells how it matched (exact, synonym, ontology, fuzzy).
    """

    name: str
    matched_text: str
    match: str
    cell_ontology_id: str | None = None
    kind: str | None = None
    candidates: list[str] = []


class ControlStrategyValidation(Model):
    """Whether a synthetic control can be had for a question, and what the question was taken for."""

    synthetic_control_available: bool
    control_cells_found: int
    control_donors: list[str]
    control_conditions: list[str]
    recommendation: ControlStrategy
    warning: str | None
    cell_type: MatchedTerm | None
    perturbation: MatchedTerm | None
    datasets: list[str]
