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
    "unknown_words": "words that the answer does not cover",
}
# Kinds of match that say less than that the question names the term.
UNSURE: Final = frozenset({"fuzzy", "related", "proposed"})
MEASURED: Final = {
    "measured_in_cell_type": "; {how} in {cells}",
    "measured_in_other_cell_types": "; {how} in other cell types",
    "related_perturbation": "",
}
CHANGES: Final = {"up": "increase", "down": "decrease", "any": "any change", "unchanged": "unchanged"}
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
    if not found["answerable"] and (ignored := _ignored(found)):
        terminal.prose(f"Also not taken into account: {ignored}")


def in_short(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """Print how the question of a result was read: first what narrows the answer, then the rest in one line."""
    for gap in _gaps(found):
        terminal.prose(gap, style="yellow")
    terminal.prose(f"read as: {'; '.join(_in_short(found))}")


def refusal(terminal: Terminal, error: QuestionNotAnswerable, *, command: str = ASK) -> None:
    """Print why the service refuses a question, and what to ask instead."""
    interpretation(terminal, error.interpretation, error.suggestions, command=command)


def _gaps(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what an answer does not take into account, then what narrows it otherwise."""
    if ignored := _ignored(found):
        yield f"not taken into account: {ignored}"
    yield from (caveat["detail"] for caveat in found["caveats"] if caveat["code"] not in IGNORED)
    perturbation, cell_type = found["perturbation"], found["cell_type"]
    if perturbation and cell_type and perturbation["evidence"] == "measured_in_other_cell_types":
        used = cell_type["used"]["label"]
        yield f"{perturbation['name']} is not measured in {used}; the answer is inferred from other cell types."


def _ignored(found: Mapping[str, Any]) -> str:
    """Return the parts of the question that are not taken into account, each kind with its words."""
    ignored: dict[str, list[str]] = {}
    for caveat in found["caveats"]:
        if (code := caveat["code"]) in IGNORED:
            # No text: the question names no dose or time, and the atlas measured several.
            text = caveat["text"] or (f"the other measured {code}s" if code in {"dose", "time"} else "")
            ignored.setdefault(IGNORED[code], []).extend([text] if text else [])
    return ", ".join(f"{what} ({', '.join(texts)})" if texts else what for what, texts in ignored.items())


def _in_short(found: Mapping[str, Any]) -> Iterator[str]:
    perturbation, cell_type = found["perturbation"], found["cell_type"]
    if perturbation and cell_type:
        used = perturbation["used"]
        instead = f" (answered by {used})" if used not in {None, perturbation["name"]} else ""
        yield f"{perturbation['name']}{instead} in {cell_type['name']}"
        if cell_type["used"]:
            yield _cells_used(cell_type)
    yield from _genes(found)


def _read(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was recognized in a question, and the cells that are used."""
    if term := found["cell_type"]:
        ontology_id = f" ({term['cell_ontology_id']})" if term["cell_ontology_id"] else ""
        yield f"cell type: {term['name']}{ontology_id}{_source(term)}"
        if used := term["used"]:
            yield f"{_cells_used(term)}; {used['cells']:,} control cells in {found['dataset']}"
    if term := found["perturbation"]:
        instead = f"; not measured, {term['used']} is used instead" if term["used"] not in {None, term["name"]} else ""
        yield f"perturbation: {term['name']}{_source(term)}{_observed(found)}{instead}"
    yield from _genes(found)


def _cells_used(term: Mapping[str, Any]) -> str:
    used = term["used"]
    name = f" ({used['name']})" if used["name"] not in {used["label"], term["name"]} else ""
    return f"cells used: {used['label']}{name}{RELATIONS.get(used['relation'], '')}"


def _observed(found: Mapping[str, Any]) -> str:
    """Return in which cells the response is known: measured, or simulated if the perturbed cells of the atlas are."""
    how = "simulated" if any(caveat["code"] == "semi_synthetic" for caveat in found["caveats"]) else "measured"
    used = (found["cell_type"] or {}).get("used")
    cells = used["label"] if used else "these cells"
    return MEASURED.get(found["perturbation"]["evidence"], "").format(how=how, cells=cells)


def _genes(found: Mapping[str, Any]) -> Iterator[str]:
    if genes := found["genes"]:
        listed = (f"{gene['symbol']} ({CHANGES.get(gene['direction'], gene['direction'])})" for gene in genes)
        yield f"gene{'s' * (len(genes) != 1)} asked about: {', '.join(listed)}"


def _source(term: Mapping[str, Any]) -> str:
    kind = f" ({term['match']} match)" if term["match"] in UNSURE else ""
    return f", from “{term['matched_text']}”{kind}"


def _quoted(question: str) -> str:
    """Quote a question for a shell; double quotes keep its apostrophes readable."""
    return shlex.quote(question) if SPECIAL & set(question) else f'"{question}"'
