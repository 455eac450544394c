"""The sentences of the report: answer, methods, caveats, and the commands that repeat the run."""

import json
import shlex
from collections.abc import Sequence
from urllib.parse import quote

from orchestrator.evidence.enrichment import notable
from orchestrator.evidence.gene_sets import readable
from orchestrator.search.search import SearchResult
from shared.fields import ControlStrategy
from shared.runs.records import GeneChange

PART_NAMES = {
    "pathway_coherence": "Pathway coherence",
    "target_activation": "Target activation",
    "network_coherence": "Network coherence",
}
PART_QUESTIONS = {
    "pathway_coherence": "Do the expected pathways rise most?",
    "target_activation": "Are the receptors expressed, and do known responders rise?",
    "network_coherence": "Do the changed genes belong together?",
}
STRATEGIES = {
    "direct": "the requested perturbation in the requested cell type",
    "ontology": "the requested perturbation in the nearest cell types of the Cell Ontology",
    "mechanistic": "perturbations that share receptors, targets or family with the requested one",
    "donor": "the best cells under the requested perturbation, selected by donor",
}
COMPARISONS = {
    ControlStrategy.SYNTHETIC_CONTROL: "a second prediction made from matched control cells (synthetic control)",
    ControlStrategy.QUERY_AS_CONTROL: "the unchanged query cells (query as control)",
}
PREDICTORS = {
    "delta transfer": (
        "It measures the mean change of each group of prompt cells against control cells of the same type. It averages these changes, with "
        "more weight on groups whose control cells resemble the query cells, shrinks changes that counting noise alone explains, and "
        "applies the result to the query cells."
    )
}
GENE_PAGES = {
    "GeneCards": "https://www.genecards.org/cgi-bin/carddisp.pl?gene={}",
    "NCBI": "https://www.ncbi.nlm.nih.gov/gene/?term={}%5Bsym%5D+AND+human%5Borgn%5D",
    "Ensembl": "https://www.ensembl.org/Homo_sapiens/Gene/Summary?g={}",
}


def gene_pages(symbol: str) -> dict[str, str]:
    """Return pages about a human gene: site name to URL."""
    return {site: address.format(quote(symbol, safe="")) for site, address in GENE_PAGES.items()}


def answer(result: SearchResult) -> str:
    """Return the answer in one sentence, with the cell type in the user's own words."""
    question, best = result.question, result.best
    cell_type, perturbation = question.cell_type.matched_text, question.perturbation.name
    n_up = int((best.differential.is_de & (best.differential.log2_fold_change > 0)).sum())
    n_down = best.summary.num_de_genes - n_up
    changes = []
    if n_up:
        changes.append(f"raise {_genes(n_up, best.differential.top(5, up=True))}")
    if n_down:
        changes.append(f"lower {_genes(n_down, best.differential.top(3, up=False))}")
    sentence = f"In {cell_type}, {perturbation} is predicted to {' and to '.join(changes) or 'change no gene'}"
    rising = [change for change in notable(best.enrichment, result.config) if change.score > 0]
    if rising:
        sentence += f"; the gene set that rises most is {readable(rising[0].name)}"
    return sentence + "."


def methods(result: SearchResult) -> list[str]:
    """Return the steps of the run."""
    question, summary, config = result.question, result.best.summary, result.config
    strategy = summary.prompt.strategy
    return [
        f"Interpretation of the question: cell type {_matched(question.cell_type.matched_text, question.cell_type.name)}, "
        f"perturbation {_matched(question.perturbation.matched_text, question.perturbation.name)}.",
        f"Query cells are control cells of the atlas: {question.query_type.label}, at most {config.max_query_cells}, "
        "spread evenly over donors. Each of them gets a prediction.",
        f"Prompt cells are measured examples that the predictor learns from. The strategy “{strategy}” selects "
        f"{STRATEGIES.get(strategy, 'the cells that its rationale describes')}.",
        f"Predictor: {result.predictor}. {PREDICTORS.get(result.predictor, '')}".strip(),
        f"The predicted cells are compared with {COMPARISONS[summary.effective]} by a Wilcoxon rank-sum test for each gene "
        "(scanpy), with Benjamini-Hochberg adjusted p-values.",
        f"A gene is called changed at an adjusted p below {config.max_adjusted_p} and an absolute log2 fold change of at least "
        f"{config.min_log2_fold_change}.",
        "Gene sets are tested with a univariate linear model of the test statistics of all genes (decoupler); t belongs to its slope.",
        f"The search stops at a score of {result.run.score_threshold}, after {result.run.max_iterations} iterations in total, after "
        f"{config.plateau} without a better score, or when no untried prompt is left. The report shows the best iteration.",
    ]


def caveats(result: SearchResult) -> list[str]:
    """Return the limits of the result."""
    sentences = [
        "This is a prediction, not a measurement. It suggests what an experiment could test.",
        "The score measures agreement with prior knowledge about this perturbation. It is not a probability, and it does not measure the "
        "distance to a real experiment; unexpected biology scores low.",
        f"Baselines: “no change” calls no gene and scores 1; this prediction with shuffled gene names scores {result.shuffled_score}. "
        "“All cell types change alike” (the plain mean of all prompts) is strong for cytokines: it can score as high, and the score "
        "cannot distinguish it.",
        "Predicted cells are not independent samples, so the p-values rank genes; they do not predict what an experiment would find.",
        f"Only the {len(result.best.differential.genes)} genes that the atlas measures can be predicted; the response of a cell type "
        "that the atlas lacks is taken from related types.",
    ]
    if result.question.dataset.semi_synthetic:
        sentences.insert(
            0,
            "The atlas is semi-synthetic: its control cells are real, its perturbed cells are simulated from them. It demonstrates the "
            "service and is not evidence about biology.",
        )
    return sentences


def cli_command(result: SearchResult) -> str:
    """Return the command that asks the same question again."""
    options = {
        "--control-strategy": result.run.control_strategy.value,
        "--max-iterations": result.run.max_iterations,
        "--score-threshold": result.run.score_threshold,
        "--seed": result.seed,
    }
    words = [str(word) for option in options.items() for word in option]
    return shlex.join(["haystack", "submit", *words, "--watch", "--", result.question.text])


def curl_command(result: SearchResult) -> str:
    """Return the HTTP request that asks the same question again; `HAYSTACK_URL` is the address of the service."""
    body = {
        "query": result.question.text,
        "control_strategy": result.run.control_strategy.value,
        "max_iterations": result.run.max_iterations,
        "score_threshold": result.run.score_threshold,
        "random_seed": result.seed,
    }
    quoted = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f'curl "$HAYSTACK_URL/api/v1/runs" -H "Content-Type: application/json" -d {quoted}'


def _genes(number: int, top: Sequence[GeneChange]) -> str:
    """Return the number of genes with the top ones, or just the genes if these are all."""
    names = [gene.gene for gene in top]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    if number == len(names):
        return listed
    return f"{number} genes (most of all {listed})"


def _matched(text: str, name: str) -> str:
    return f"{name} (“{text}”)" if text != name else name
