"""The sentences of the report besides its answer: methods, caveats, and the commands that repeat the run."""

import json
import shlex
from collections.abc import Sequence
from urllib.parse import quote

import numpy as np

from orchestrator.evidence.permutation import MAX_P, PERMUTATIONS
from orchestrator.outputs.donors import described
from orchestrator.outputs.words import plural
from orchestrator.search.search import SearchResult
from shared.fields import ControlStrategy
from shared.runs.records import PathwayChange

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
    "direct": "cells of the query cells’ own type under {}",
    "ontology": "cells of the nearest types in the Cell Ontology under {}",
    "mechanistic": "cells under perturbations that share receptors, targets or family with {}",
    "donor": "the best cells under {}, by donor",
}
COMPARISONS = {
    ControlStrategy.SYNTHETIC_CONTROL: "a second prediction made from matched control cells (synthetic control)",
    ControlStrategy.QUERY_AS_CONTROL: "the unchanged query cells (query as control)",
}
PREDICTORS = {
    "delta transfer": (
        "It measures the mean change of each group of prompt cells against control cells of the same type. It averages these changes, with "
        "more weight on groups whose control cells resemble the query cells, shrinks changes that noise alone explains, and applies the "
        "result to the query cells. How fast weights fall with distance, and how large the change is, follow from leaving out what is "
        "known."
    )
}
# With fewer donors, nothing can be concluded about donors in general.
MIN_DONORS = 3
GENE_PAGES = {
    "GeneCards": "https://www.genecards.org/cgi-bin/carddisp.pl?gene={}",
    "NCBI": "https://www.ncbi.nlm.nih.gov/gene/?term={}%5Bsym%5D+AND+human%5Borgn%5D",
    "Ensembl": "https://www.ensembl.org/Homo_sapiens/Gene/Summary?g={}",
}


def gene_pages(symbol: str) -> dict[str, str]:
    """Return pages about a human gene: site name to URL."""
    return {site: address.format(quote(symbol, safe="")) for site, address in GENE_PAGES.items()}


def stopped(result: SearchResult) -> str:
    """Return why the search stopped, in a sentence."""
    code, _, reason = result.termination_reason.partition(": ")
    if code == "score_threshold":
        reason = f"the score of {result.best.summary.score} reached the threshold of {result.run.score_threshold}"
    return f"Stopped because {reason}."


def about_pathways(result: SearchResult, pathways: Sequence[PathwayChange]) -> str:
    """Return what limits the table of pathways, or why there is none; empty if nothing does."""
    best = result.best
    if pathways:
        if best.summary.num_de_genes:
            return ""
        return (
            "No gene is called changed. These gene sets shift only as a whole, by the test statistics of all their genes: take them as a "
            "hint."
        )
    if not np.any(best.differential.statistic):
        return "No gene was tested, so no gene set was."
    if not best.enrichment:
        return "No gene set has enough measured genes for a test."
    called = "" if best.summary.num_de_genes else "No gene is called changed. "
    return f"{called}No gene set has an adjusted p below {result.config.max_adjusted_p}."


def about_donors(result: SearchResult) -> str:
    """Return what the figure of donors shows, or why there is none."""
    donors = result.best.response.donors
    if len(donors) < 2:
        return f"The response was measured in one donor ({donors[0]}), so nothing can be said about other donors."
    if not result.best.summary.num_de_genes:
        return "No gene is called changed, so there is nothing to compare between donors."
    return (
        f"Called genes that change most. Each dot is the response measured in the prompt cells of one donor ({described(donors)}). "
        "The diamond is their weighted mean, the bar its 95% interval (±1.96 standard errors), which includes counting noise and, "
        "for a response carried over to another cell type, the spread of the prompt groups."
    )


def methods(result: SearchResult) -> list[str]:
    """Return the steps of the run."""
    question, summary, config = result.question, result.best.summary, result.config
    strategy = summary.prompt.strategy
    return [
        f"The question was read by: {question.understood_by}. The box at the top states how.",
        f"Query cells are {plural(question.query_type.name)} of the atlas in control conditions, at most {config.max_query_cells}, "
        "spread evenly over donors. Each of them gets a prediction.",
        f"Prompt cells are measured examples that the predictor learns from. The strategy “{strategy}” selects "
        f"{STRATEGIES.get(strategy, 'the cells that its rationale describes').format(question.perturbation.name)}.",
        f"Predictor: {result.predictor}. {PREDICTORS.get(result.predictor, '')}".strip(),
        f"The predicted cells are compared with {COMPARISONS[summary.effective]}. The uncertainty of each gene comes from "
        "the prompt cells and from how much donors and cell types differ, never from the number of predicted cells. "
        "P-values are adjusted by Benjamini-Hochberg.",
        f"A gene is called changed at an adjusted p below {config.max_adjusted_p} and an absolute log2 fold change of at least "
        f"{config.min_log2_fold_change}. p says whether it responds in the prompt cells. The fold change is that of predicted and control "
        f"cells, as scanpy computes it but with {config.pseudocount} added to both means.",
        "Gene sets are tested with a univariate linear model of the test statistics of all genes; t belongs to its slope.",
        "The prompt that is expected to be most accurate, by leaving out what is known, is used first and delivered. "
        f"Further prompts are tried until it succeeds, at most {config.plateau}, and {result.run.max_iterations} iterations in total. "
        f"A run succeeds with a score of {result.run.score_threshold} and p below {MAX_P}.",
    ]


def caveats(result: SearchResult) -> list[str]:
    """Return the limits of the result."""
    sentences = [
        "This is a prediction, not a measurement. It suggests what an experiment could test.",
        f"The score measures agreement with prior knowledge about {result.question.perturbation.name}. It is not a probability, and it "
        "does not measure the distance to a real experiment; unexpected biology scores low.",
        "“All cell types change alike” (the plain mean of the others, in the table of known responses) is strong for cytokines: it can "
        "score as high, and the score cannot distinguish it.",
        _sampling(result),
        f"Only the {len(result.best.differential.genes)} genes that the atlas measures can be predicted.",
    ]
    if result.question.dataset.semi_synthetic:
        sentences.insert(
            0,
            "The atlas is semi-synthetic: its control cells are real, its perturbed cells are simulated from them. It demonstrates the "
            "service and is not evidence about biology.",
        )
    return sentences


def significance(result: SearchResult) -> str:
    """Return how often shuffled treatment labels raise the expected program as much."""
    p_value = result.best.summary.p_value
    if p_value is None and not result.best.response.judgeable:
        return "Whether that is an accident cannot be judged: perturbed cells and controls come from different donors."
    if p_value is None:
        return "Whether that is an accident cannot be judged: no expected program is known or measured."
    number = f"{round(p_value * (PERMUTATIONS + 1))} of {PERMUTATIONS + 1}"
    labels = f"In {number} permutations of the treatment labels (the observed one included), "
    found = f"{labels}the expected program rises at least as much (p = {p_value:.3f})"
    return f"{found}." if p_value < MAX_P else f"{found}: this may be an accident, so the run is no success."


def _sampling(result: SearchResult) -> str:
    """Return what the p-values can and cannot show, by the number of donors and cell types that the response was measured in."""
    response = result.best.response
    if len(response.donors) < MIN_DONORS:
        few = "one donor" if len(response.donors) == 1 else f"{len(response.donors)} donors"
        return (
            f"The response was measured in {few}, so the p-values say how certain it is for these cells; "
            "whether other donors respond alike cannot be concluded."
        )
    return f"The p-values rest on the response of {len(response.donors)} donors; other cell types and laboratories may differ more."


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
