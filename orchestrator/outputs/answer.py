"""The answer in sentences: for each gene that the question asks about, and for all genes. It names what was really used."""

from collections.abc import Iterator, Sequence

import numpy as np

from orchestrator.evidence.enrichment import notable
from orchestrator.evidence.gene_sets import readable
from orchestrator.evidence.permutation import MAX_P
from orchestrator.outputs.words import listed, p_value, plural, signed
from orchestrator.question.analysis import Question
from orchestrator.search.search import SearchResult
from shared.catalog.interpretation import AskedGene, Direction, Relation
from shared.fields import Answer
from shared.resolver.interpretation import FEW_CELLS
from shared.runs.records import GeneAnswer, GeneChange

MOVES = {True: "raise", False: "lower"}


def perturbation_used(result: SearchResult) -> str:
    """Return the catalog name of the perturbation of the prompt cells: of a related one if the answer is inferred from it."""
    prompt, question = result.best.summary.prompt, result.question
    if not prompt.related_only:
        return question.perturbation.name
    names = {each.label: each.perturbation or each.label for each in question.dataset.conditions}
    return ", ".join(sorted({names.get(group.condition, group.condition) for group in prompt.groups}))


def headline(result: SearchResult) -> list[str]:
    """Return the answer: a sentence for each gene that the question asks about, one about all genes, and why it cannot be judged, if so."""
    best = result.best
    n_up = int((best.differential.is_de & (best.differential.log2_fold_change > 0)).sum())
    n_down = best.summary.num_de_genes - n_up
    changes = []
    if n_up:
        changes.append(f"raise {_genes(n_up, best.differential.top(5, up=True))}")
    if n_down:
        changes.append(f"lower {_genes(n_down, best.differential.top(3, up=False))}")
    asked = [answer.text for answer in gene_answers(result)]
    place = "Overall" if asked else f"In {_place(result.question)}"
    if not changes:
        nothing = f"{place}, no gene is called changed under {_agent(result)}."
        return [*asked, nothing, *_little_power(result), *_not_judged(result)]
    sentence = f"{place}, {_agent(result)} is predicted to {' and to '.join(changes)}"
    rising = [change for change in notable(best.enrichment, result.config) if change.score > 0]
    if rising:
        sentence += f"; the gene set that rises most is {readable(rising[0].name)}"
    return [*asked, f"{sentence}.", *_not_judged(result)]


def gene_answers(result: SearchResult) -> list[GeneAnswer]:
    """Answer for each gene that the question asks about.

    `yes`: the gene is called changed in the direction that the question asks about, or in any if it asks about none. `no`: it is called
    changed in the other direction, or in any if the question asks whether it stays the same. Otherwise there is not enough evidence: that
    a gene is not called does not show that it stays the same.
    """
    return list(_gene_answers(result))


def _gene_answers(result: SearchResult) -> Iterator[GeneAnswer]:
    found = result.best.differential
    index = {gene: i for i, gene in enumerate(found.genes)}
    for asked in result.question.interpretation.genes:
        i = index.get(asked.symbol)
        if i is None:
            yield _undecided(asked, f"the atlas does not measure {asked.symbol}")
            continue
        change = round(float(found.log2_fold_change[i]), 4)
        where = f"in {_place(result.question)}"
        if not found.statistic[i]:
            cells = _place(result.question, "for")
            why = f"{asked.symbol} was not tested, because too few of the cells used ({cells}) express it"
            yield _undecided(asked, why, change)
            continue
        adjusted = float(found.adjusted_p[i])
        numbers = f"(log2 fold change {signed(change)}, adjusted p {p_value(adjusted)})"
        if not found.is_de[i]:
            why = f"the predicted change of {asked.symbol} {where} is too small or too uncertain to be called {numbers}"
            if asked.direction is Direction.UNCHANGED:
                why += "; this does not show that it stays the same"
            yield _undecided(asked, why, change, adjusted)
            continue
        rises = bool(np.sign(found.log2_fold_change[i]) > 0)
        as_asked = asked.direction in {Direction.ANY, Direction.UP if rises else Direction.DOWN}
        yield GeneAnswer(
            gene=asked.symbol,
            direction=asked.direction,
            answer=Answer.YES if as_asked else Answer.NO,
            log2_fold_change=change,
            adjusted_p_value=adjusted,
            text=f"{'Yes' if as_asked else 'No'}: {_agent(result)} is predicted to {MOVES[rises]} {asked.symbol} {where} {numbers}.",
        )


def _undecided(asked: AskedGene, why: str, change: float | None = None, adjusted: float | None = None) -> GeneAnswer:
    return GeneAnswer(
        gene=asked.symbol,
        direction=asked.direction,
        answer=Answer.NOT_ENOUGH_EVIDENCE,
        log2_fold_change=change,
        adjusted_p_value=adjusted,
        text=f"Not enough evidence: {why}.",
    )


def _little_power(result: SearchResult) -> Iterator[str]:
    """Yield why no gene is called, as far as the cells explain it."""
    best = result.best
    if not best.response.judgeable:
        yield "The perturbed cells and their controls come from different donors, so a response cannot be told from their differences."
    elif best.summary.p_value is not None and best.summary.p_value < MAX_P:
        yield f"The expected program rises as a whole (p = {best.summary.p_value:.3f}), but no single gene is certain."
    n_cells = len(result.query.rows)
    if n_cells < FEW_CELLS:
        yield f"There are only {n_cells} query cells."


def _not_judged(result: SearchResult) -> Iterator[str]:
    """Yield why the prediction cannot be judged, unless the sentence about donors says it."""
    best = result.best
    if best.summary.score is None and best.response.judgeable:
        yield f"This prediction cannot be judged: {best.summary.not_judged}."


def _place(question: Question, used_for: str = "used for") -> str:
    """Return the query cells, and the cell type of the question if they stand for it."""
    used = plural(question.query_type.name)
    if question.query_type.relation is Relation.EXACT:
        return used
    return f"{used}, {used_for} {plural(question.cell_type.name)}"


def _agent(result: SearchResult) -> str:
    """Return the perturbation, and the one of the question if it stands for that."""
    used, named = perturbation_used(result), result.question.perturbation
    # A close variant that the catalog does not have is known only by the words of the question.
    asked = named.matched_text if named.match == "related" else named.name
    return used if used == asked else f"{used} (used for {asked})"


def _genes(number: int, top: Sequence[GeneChange]) -> str:
    """Return the number of genes with the top ones, or just the genes if these are all."""
    names = [gene.gene for gene in top]
    return listed(names) if number == len(names) else f"{number} genes (most of all {listed(names)})"
