"""What the report says in words: the answer, what was done, what to be careful about, and how to do it again."""

import json
import shlex
from collections.abc import Sequence
from urllib.parse import quote

from orchestrator.enrichment import notable
from orchestrator.expectations import readable
from orchestrator.finding import Finding
from shared.fields import ControlStrategy
from shared.runs.records import GeneChange

PART_NAMES = {
    "pathway_coherence": "Pathway coherence",
    "target_activation": "Target activation",
    "network_coherence": "Network coherence",
}
PART_QUESTIONS = {
    "pathway_coherence": "Do the expected pathways come first?",
    "target_activation": "Are the receptors expressed, and do known responders move?",
    "network_coherence": "Do the genes that move belong together?",
}
STRATEGIES = {
    "direct": "the asked perturbation in the asked cell type",
    "ontology": "the asked perturbation in the nearest cell types of the Cell Ontology",
    "mechanistic": "perturbations that share receptors, targets or family with the asked one",
    "donor": "the best cells of the asked perturbation, chosen by donor",
}
COMPARISONS = {
    ControlStrategy.SYNTHETIC_CONTROL: "a second prediction made from matched control cells (synthetic control)",
    ControlStrategy.QUERY_AS_CONTROL: "the query cells as they are (query as control)",
}
PREDICTORS = {
    "delta transfer": (
        "For each group of prompt cells, the mean change against control cells of the same type is taken. These changes are averaged, "
        "groups whose control cells resemble the query cells counting more; what counting noise alone explains is shrunk away, and the "
        "rest is moved onto the query cells."
    ),
}
GENE_PAGES = {
    "GeneCards": "https://www.genecards.org/cgi-bin/carddisp.pl?gene={}",
    "NCBI": "https://www.ncbi.nlm.nih.gov/gene/?term={}%5Bsym%5D+AND+human%5Borgn%5D",
    "Ensembl": "https://www.ensembl.org/Homo_sapiens/Gene/Summary?g={}",
}


def gene_pages(symbol: str) -> dict[str, str]:
    """Where to read about a human gene: the name of the site, and the address."""
    return {site: address.format(quote(symbol, safe="")) for site, address in GENE_PAGES.items()}


def answer(finding: Finding) -> str:
    """The answer in a sentence, for people; the cell type in the asker's own words."""
    question, best = finding.question, finding.best
    who, what = question.cell_type.matched_text, question.perturbation.name
    n_up = int((best.differential.is_de & (best.differential.log2_fold_change > 0)).sum())
    n_down = best.attempt.summary.num_de_genes - n_up
    moved = []
    if n_up:
        moved.append(f"raise {_genes(n_up, best.differential.top(5, up=True))}")
    if n_down:
        moved.append(f"lower {_genes(n_down, best.differential.top(3, up=False))}")
    sentence = f"In {who}, {what} is predicted to {' and to '.join(moved) or 'change no single gene'}"
    rising = [change for change in notable(best.enrichment, finding.config) if change.score > 0]
    if rising:
        sentence += f"; the gene set that rises most is {readable(rising[0].name)}"
    return sentence + "."


def methods(finding: Finding) -> list[str]:
    """What was done, step by step."""
    question, best, config = finding.question, finding.best, finding.config
    return [
        f"The question was read as: cell type {_matched(question.cell_type.matched_text, question.cell_type.name)}, "
        f"perturbation {_matched(question.perturbation.matched_text, question.perturbation.name)}.",
        f"Query cells are control cells of the atlas: {question.query_type.label}, at most {config.max_query_cells}, "
        "the donors as even as they can be. The prediction is made for each of them.",
        f"Prompt cells are real examples that the predictor learns from, chosen by strategy: “{best.attempt.prompt.strategy}” is "
        f"{STRATEGIES.get(best.attempt.prompt.strategy, 'told in its rationale')}.",
        f"Predictor: {finding.predictor}. {PREDICTORS.get(finding.predictor, '')}".strip(),
        f"The predicted cells are compared with {COMPARISONS[best.attempt.effective]} by a Wilcoxon rank-sum test for each gene "
        "(scanpy); p is adjusted by Benjamini-Hochberg.",
        f"A gene is called changed at an adjusted p below {config.max_adjusted_p} and an absolute log2 fold change of at least "
        f"{config.min_log2_fold_change}.",
        "Gene sets are tested by a univariate linear model on the test statistics of all genes (decoupler); t is the model's t-value.",
        f"Iterations stop when the score reaches {finding.score_threshold}, after {finding.max_iterations}, after {config.plateau} "
        "without a better score, or when no new prompt is left. The best one is shown.",
    ]


def caveats(finding: Finding) -> list[str]:
    """What to be careful about."""
    question, best = finding.question, finding.best
    told = [
        "This is a prediction, not a measurement. It proposes what an experiment could look for.",
        "The score tells how well the prediction agrees with what is known of this perturbation beforehand. It is no probability, and no "
        "measure of the distance to a real experiment; new biology that nobody expects scores low.",
        f"Baselines: “nothing changes” calls no gene and scores 1; this prediction with its gene names shuffled scores "
        f"{finding.shuffled_score}. “All cell types change alike” (the plain mean of all prompts) is strong for cytokines: it can "
        "score as high, and the score cannot tell it apart.",
        "Predicted cells are not independent samples, so the p-values rank genes; they do not promise that an experiment would find them.",
        f"Only the {len(best.differential.genes)} genes that the atlas measures can be predicted; the response of a type that the atlas "
        "lacks is borrowed from its neighbours.",
    ]
    if question.dataset.semi_synthetic:
        told.insert(
            0,
            "The atlas is semi-synthetic: its control cells are real, its perturbed cells are simulated from them. It shows how the "
            "service works; it is no evidence about biology.",
        )
    return told


def cli_command(finding: Finding) -> str:
    """The command line that asks the same question again."""
    options = {
        "--control-strategy": finding.requested.value,
        "--max-iterations": finding.max_iterations,
        "--score-threshold": finding.score_threshold,
        "--seed": finding.seed,
    }
    words = [str(word) for option in options.items() for word in option]
    return shlex.join(["haystack", "submit", *words, "--watch", "--", finding.question.text])


def curl_command(finding: Finding) -> str:
    """The HTTP request that asks the same question again; `HAYSTACK_URL` is where the service is."""
    body = {
        "query": finding.question.text,
        "control_strategy": finding.requested.value,
        "max_iterations": finding.max_iterations,
        "score_threshold": finding.score_threshold,
        "random_seed": finding.seed,
    }
    sent = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f'curl "$HAYSTACK_URL/api/v1/runs" -H "Content-Type: application/json" -d {sent}'


def _genes(number: int, foremost: Sequence[GeneChange]) -> str:
    """How many genes, and which: all, or those that move most."""
    names = [gene.gene for gene in foremost]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    if number == len(names):
        return listed
    return f"{number} genes (most of all {listed})"


def _matched(text: str, name: str) -> str:
    return f"“{text}” is {name}" if text != name else name
