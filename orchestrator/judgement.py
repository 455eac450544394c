"""From a prediction to its score: differential expression, enrichment in both collections of gene sets, grounding."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy import sparse

from orchestrator.config import JobConfig
from orchestrator.differential import Differential, compare
from orchestrator.enrichment import enrich
from orchestrator.evaluation import Evidence, Grounding, Origin, evaluate
from orchestrator.expectations import expectations, hallmark, reactome
from shared.catalog import reference
from shared.runs.records import PathwayChange


@dataclass(frozen=True)
class Judgement:
    """What a prediction shows, and how well that is grounded."""

    differential: Differential
    enrichment: list[PathwayChange]
    grounding: Grounding


@dataclass(frozen=True)
class Judge:
    """Judges any predictor's cells as the answer to one question.

    Attributes:
        perturbation: canonical name of the asked perturbation.
        genes: the columns of all cells.
        query: raw counts of the query cells, cells × genes.
        config: the thresholds.
    """

    perturbation: str
    genes: Sequence[str]
    query: sparse.csr_matrix
    config: JobConfig

    def judge(
        self, perturbed: sparse.csr_matrix, control: sparse.csr_matrix, *, origin: Origin = Origin.ASKED, seed: int
    ) -> Judgement:
        """Judge predicted cells beside the cells that they are compared with.

        Args:
            perturbed: raw counts, cells × genes.
            control: raw counts of the predicted control, or of the query cells.
            origin: what they were predicted from.
            seed: for what is drawn at random.
        """
        differential = compare(perturbed, control, self.genes, self.config)
        found = [*enrich(differential, hallmark()), *enrich(differential, reactome())]
        enrichment = sorted(found, key=lambda change: (-change.score, change.name))
        known = reference.perturbations().get(self.perturbation)
        evidence = Evidence(
            differential=differential,
            enrichment=enrichment,
            gene_sets=hallmark(),
            expectation=expectations().get(self.perturbation),
            receptors=known.receptors if known else (),
            query=self.query,
            origin=origin,
        )
        return Judgement(differential, enrichment, evaluate(evidence, self.config, seed=seed))
