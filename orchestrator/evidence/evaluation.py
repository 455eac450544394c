"""Evaluate a prediction: differential expression, enrichment in both collections of gene sets, grounding score."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from scipy import sparse

from orchestrator.config import JobConfig
from orchestrator.evidence.differential import Differential, compare
from orchestrator.evidence.enrichment import enrich
from orchestrator.evidence.gene_sets import expectations, hallmark, reactome
from orchestrator.evidence.grounding import Evidence, Grounding, Origin, ground
from orchestrator.evidence.inference import Response
from shared.catalog import reference
from shared.runs.records import PathwayChange

EVALUATION_STEPS: Final = 3


@dataclass(frozen=True)
class Evaluation:
    """The changes that a prediction shows, and how well they are grounded."""

    differential: Differential
    enrichment: list[PathwayChange]
    grounding: Grounding


@dataclass(frozen=True)
class Evaluator:
    """Evaluates the cells of any predictor as the answer to one question."""

    perturbation: str  # canonical name
    genes: Sequence[str]  # the columns of all cells
    query: sparse.csr_matrix  # raw counts of the query cells, cells × genes
    config: JobConfig

    def evaluate(
        self,
        perturbed: sparse.csr_matrix,
        control: sparse.csr_matrix,
        *,
        response: Response | None = None,
        p_value: float | None = None,
        origin: Origin = Origin.EXACT,
        seed: int,
        on_step: Callable[[], None] = lambda: None,
    ) -> Evaluation:
        """Evaluate cells against control cells, both as raw counts, cells × genes.

        Args:
            control: the predicted control cells, or the query cells.
            response: what a prediction rests on; None for measured cells.
            p_value: of the expected program against permuted treatment labels, if it is known.
            origin: the cells that the prediction was made from.
            on_step: called after each of `EVALUATION_STEPS` steps.
        """
        differential = compare(perturbed, control, self.genes, self.config, response)
        on_step()
        enrichment = [*enrich(differential, hallmark()), *enrich(differential, reactome())]
        on_step()
        enrichment.sort(key=lambda change: (-change.score, change.name))
        known = reference.known_perturbation(self.perturbation)
        evidence = Evidence(
            differential=differential,
            enrichment=enrichment,
            gene_sets=hallmark(),
            expectation=expectations().get(self.perturbation),
            receptors=known.receptors if known else (),
            query=self.query,
            origin=origin,
            p_value=p_value,
            perturbed_cells=None if response is None else response.perturbed_cells,
        )
        grounding = ground(evidence, self.config, seed=seed)
        on_step()
        return Evaluation(differential, enrichment, grounding)
