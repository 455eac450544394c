"""Layout of how the service reads a question: what it cannot answer or does not take into account comes first."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from haystack_client.errors import QuestionNotAnswerable
from haystack_client.terminal import Terminal

ASK: Final = "haystack submit"
# Caveats that name a part of the question that the answer does not take into account, in the words of the report.
IGNORED: Final = {
    "second_cell_type": "second cell type",
    "pretreatment": "pretreatment",
    "dose": "dose",
    "time": "time",
    "disease": "disease",
    "donor_attribute": "donor",
    "tissue": "tissue",
    "unknown_words": "words that were not understood",
}
# Kinds of match that say less than that the question names the term.
UNSURE: Final = frozenset({"fuzzy", "related", "proposed"})
MEASURED: Final = {
    "measured_in_cell_type": "; measured in these cells",
    "measured_in_other_cell_types": "; measured in other cell types",
    "related_perturbation": "",
}
CHANGES: Final = {"up": "does it rise?", "down": "does it fall?", "any": "does it change?"}
RELATIONS: Final = {
    "exact": "",
    "subtype": ", a subtype of it",
    "supertype": ", a supertype of it",
    "related": ", related to it",
}
# Inside double quotes, a shell gives these characters a meaning.
SPECIAL: Final = frozenset('"$`\\!\n')


def interpretation(
    terminal: Terminal, found: Mapping[str, Any], suggestions: Sequence[str] = (), *, command: str = ASK
) -> None:
    """Print how a question was read: first why it cannot be answered and what is missing or ignored.

    Args:
        suggestions: questions that can be answered instead.
        command: the command that asks them.
    """
    if not found["answerable"]:
        terminal.line("cannot be answered:", "red")
        for caveat in found["caveats"]:
            if caveat["blocking"]:
                terminal.prose(caveat["detail"], indent=2, style="red")
    else:  # without an answer, there is nothing to narrow
        for gap in _gaps(found):
            terminal.prose(gap, style="yellow")
    for text in _read(found):
        terminal.prose(text)
    if suggestions:
        terminal.line("You could ask:")
        for question in suggestions:
            terminal.line(f"  {command} {_quoted(question)}")


def refusal(terminal: Terminal, error: QuestionNotAnswerable, *, command: str = ASK) -> None:
    """Print why the service refuses a question, and what to ask instead."""
    interpretation(terminal, error.interpretation, error.suggestions, command=command)


def _gaps(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what an answer does not take into account, then what narrows it otherwise."""
    ignored: dict[str, list[str]] = {}
    others = []
    for caveat in found["caveats"]:
        if caveat["code"] in IGNORED:
            ignored.setdefault(IGNORED[caveat["code"]], []).extend([caveat["text"]] if caveat["text"] else [])
        else:
            others.append(caveat["detail"])
    if ignored:
        listed = (f"{what} ({', '.join(texts)})" if texts else what for what, texts in ignored.items())
        yield f"not taken into account: {', '.join(listed)}"
    yield from others
    perturbation, cell_type = found["perturbation"], found["cell_type"]
    if perturbation and cell_type and perturbation["evidence"] == "measured_in_other_cell_types":
        used = cell_type["used"]["label"]
        yield f"{perturbation['name']} is not measured in {used}; the answer is inferred from other cell types."


def _read(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was recognized in a question, and the cells that are used."""
    if term := found["cell_type"]:
        ontology_id = f" ({term['cell_ontology_id']})" if term["cell_ontology_id"] else ""
        yield f"cell type: {term['name']}{ontology_id}{_source(term)}"
        if used := term["used"]:
            name = f" ({used['name']})" if used["name"] not in {used["label"], term["name"]} else ""
            cells = f"{used['cells']:,} control cells in {found['dataset']}"
            yield f"cells used: {used['label']}{name}{RELATIONS.get(used['relation'], '')}; {cells}"
    if term := found["perturbation"]:
        instead = f"; not measured, {term['used']} is used instead" if term["used"] not in {None, term["name"]} else ""
        yield f"perturbation: {term['name']}{_source(term)}{MEASURED.get(term['evidence'], '')}{instead}"
    if genes := found["genes"]:
        listed = (f"{gene['symbol']} ({CHANGES.get(gene['direction'], 'change unknown')})" for gene in genes)
        yield f"genes: {', '.join(listed)}"


def _source(term: Mapping[str, Any]) -> str:
    kind = f" ({term['match']} match)" if term["match"] in UNSURE else ""
    return f", from “{term['matched_text']}”{kind}"


def _quoted(question: str) -> str:
    """Quote a question for a shell; double quotes keep its apostrophes readable."""
    return shlex.quote(question) if SPECIAL & set(question) else f'"{question}"'
