"""Cytokines named by their receptor: "CD40 agonist", "stimulated via OX40", "ligand of c-Met", "IL-2 receptor agonist".

A receptor alone is no perturbation, only with a word that says that it is set off.
"""

from collections.abc import Iterator
from functools import cache

from shared import data
from shared.catalog.normalize import compact, join
from shared.catalog.reference import perturbations as reference_perturbations
from shared.resolver.cell_names import stored_index
from shared.resolver.perturbation_names import PerturbationNames
from shared.resolver.question import Question

ReceptorNames = dict[str, tuple[str, ...]]
"""Compact forms of receptors to the canonical names of their ligands, the commonest first; empty for one that is not to be taken."""

_MOST_WORDS = 5
_SET_OFF = (
    "agonis", "ligand", "ligation", "engag", "crosslink", "costimul", "stimul", "trigger", "activat", "superagonis",
)  # fmt: skip
_AGONIST_OF = frozenset(
    {"agonist", "agonists", "agonism", "ligand", "ligands", "ligation", "engagement", "activation", "stimulation"}
)
_LEADS = frozenset({"via", "through"})
_AGONISTIC = frozenset({"agonistic", "agonist", "activating", "stimulating"})
_ANTIBODY = frozenset({"antibody", "antibodies", "mab", "mabs", "ab", "receptor"})
_PLAIN_WORDS = frozenset({"met", "fas", "kit", "rank"})


@cache
def receptor_names() -> ReceptorNames:
    """The receptors of the facts, as they are stored."""
    return {key: tuple(means) for key, means in stored_index()["receptors"].items()}


def index_receptor_names() -> ReceptorNames:
    """The same made anew: of the genes in the table of cytokines, then of what `receptor_names.tsv` says."""
    names: ReceptorNames = {}
    for perturbation in reference_perturbations().values():
        for gene in perturbation.receptors:
            names[compact(gene)] = (*names.get(compact(gene), ()), perturbation.name)
    for row in data.table("receptor_names"):
        names[compact(row["name"])] = tuple(name for name in row["means"].split("|") if name)
    return names


def find_agonists(
    question: Question, receptors: ReceptorNames, perturbations: PerturbationNames
) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Each receptor of the question that something sets off: first word, the word behind the last, and its ligands."""
    for start in range(len(question.words)):
        for end in range(start + 1, min(start + _MOST_WORDS, len(question.words)) + 1):
            if end - start > 1 and question.gap(end - 1).strip() not in {"", "-"}:
                break
            if ligands := _short_ligand(question, start, end, receptors, perturbations):
                yield start, end, ligands
            means = _ligands(question, start, end, receptors, perturbations)
            span = _set_off(question, start, end) if means else None
            if span:
                yield (*span, means)


def _ligands(
    question: Question, start: int, end: int, receptors: ReceptorNames, perturbations: PerturbationNames
) -> tuple[str, ...]:
    """The ligands of the receptor that these words are; "IL-2 receptor" and "IL-2R" are those of IL-2."""
    key = join(word.key for word in question.words[start:end])
    if key in _PLAIN_WORDS and not question.piece(start, end)[0].isupper():
        return ()
    if key in receptors:
        return receptors[key]
    for ending in ("receptor", "r"):
        cytokine = perturbations.find(key.removesuffix(ending)) if key.endswith(ending) else None
        if cytokine and all(perturbations.kind(name) == "cytokine" for name in cytokine.means):
            return cytokine.means
    return ()


def _short_ligand(
    question: Question, start: int, end: int, receptors: ReceptorNames, perturbations: PerturbationNames
) -> tuple[str, ...]:
    """The ligand that is called by its receptor and an L: "CD95L", "c-KitL"."""
    key = join(word.key for word in question.words[start:end])
    known = () if not key.endswith("l") or perturbations.find(key) else receptors.get(key[:-1], ())
    return known if question.piece(start, end).endswith("L") else ()


def _set_off(question: Question, start: int, end: int) -> tuple[int, int] | None:
    """The words that say that a receptor is set off, with the receptor's own; None where none say it."""
    words = [word.key for word in question.words]
    if question.after(end) in {"+", "⁺"}:
        return None
    if words[start - 1 : start] == ["anti"]:
        start -= 1
    behind = end
    while behind < len(words) and words[behind] in _ANTIBODY:
        behind += 1
    if behind < len(words) and words[behind].startswith(_SET_OFF):
        behind += 1
        while behind < len(words) and words[behind] in _ANTIBODY:
            behind += 1
        return start, behind
    if start and (words[start - 1] in _LEADS or words[start - 1] in _AGONISTIC):
        return start - 1, behind
    if start > 1 and words[start - 1] in {"of", "for", "at", "on", "to"} and words[start - 2] in _AGONIST_OF:
        return start - 2, behind
    return None
