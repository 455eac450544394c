"""The first box of the report: how the question was read, what the answer does not take into account, and the cells it rests on."""

from orchestrator.outputs.words import listed, plural
from orchestrator.question.analysis import Question
from shared.catalog.interpretation import CaveatCode, Direction, Relation
from shared.resolver.caveats import cells

# What an ignored part of a question is.
PARTS = {
    CaveatCode.SECOND_CELL_TYPE: "second cell type",
    CaveatCode.PRETREATMENT: "pretreatment",
    CaveatCode.DOSE: "dose",
    CaveatCode.TIME: "time",
    CaveatCode.DISEASE: "disease",
    CaveatCode.DONOR_ATTRIBUTE: "donor",
    CaveatCode.TISSUE: "tissue",
    CaveatCode.UNKNOWN_WORDS: "words that the answer does not cover",
}
EFFECTS = {
    Direction.UP: "raise {}",
    Direction.DOWN: "lower {}",
    Direction.ANY: "change {}",
    Direction.UNCHANGED: "leave {} unchanged",
}
RELATIONS = {
    Relation.SUBTYPE: ", a subtype of {}",
    Relation.SUPERTYPE: ", a supertype of {}",
    Relation.RELATED: ", related to {}",
    Relation.EXACT: "",
}


def read_as(question: Question) -> str:
    """Return the question as it was read."""
    types, perturbation = plural(question.cell_type.name), question.perturbation.name
    if not question.interpretation.genes:
        return f"How do {types} respond to {perturbation}?"
    genes: dict[Direction, list[str]] = {}
    for gene in question.interpretation.genes:
        genes.setdefault(gene.direction, []).append(gene.symbol)
    effects = [EFFECTS[direction].format(listed(symbols)) for direction, symbols in genes.items()]
    return f"Does {perturbation} {listed(effects)} in {types}?"


def not_taken_into_account(question: Question) -> str:
    """Return the parts of the question that the answer ignores, each kind with its words; empty if there are none."""
    parts: dict[CaveatCode, list[str]] = {}
    for caveat in question.interpretation.caveats:
        if caveat.code.ignored:
            # No text: the question names no dose or time, and the atlas measured several.
            parts.setdefault(caveat.code, []).append(caveat.text or f"the other measured {caveat.code}s")
    return ", ".join(f"{PARTS[code]} ({', '.join(texts)})" for code, texts in parts.items())


def cells_used(question: Question) -> str:
    """Return the query cells, how they relate to the cell type of the question, and their number in the atlas."""
    used = question.query_type
    relation = RELATIONS[used.relation].format(question.cell_type.name)
    return f"{cells(used)}{relation}, {used.cells} control cell{'s' * (used.cells != 1)}"


def sentences(question: Question) -> list[str]:
    """Return what else limits the answer, a sentence each."""
    return [each.detail for each in question.interpretation.caveats if not each.code.ignored]
