"""Cytokines named by their receptor: "CD40 agonist", "stimulated via OX40", "ligand of c-Met", "IL-2 receptor agonist".

A receptor alone is not a perturbation; some word must say that it is activated.
"""

from collections.abc import Iterator
from functools import cache

from shared import data
from shared.catalog.normalize import compact, join
from shared.catalog.reference import perturbations as reference_perturbations
from shared.resolver.perturbation_names import PerturbationNames
from shared.resolver.question import Question

# Compact forms of receptors to the canonical names of their ligands, most common first; empty for a receptor to ignore.
ReceptorNames = dict[str, tuple[str, ...]]

_MOST_WORDS = 5
_ACTIVATION = ("agonis", "ligand", "ligation", "engag", "crosslink", "costimul", "stimul", "trigger", "activat", "superagonis")  # fmt: skip
_AGONIST_OF = frozenset(
    {"agonist", "agonists", "agonism", "ligand", "ligands", "ligation", "engagement", "activation", "stimulation"}
)
_LEADS = frozenset({"via", "through", "agonistic", "agonist", "activating", "stimulating"})
_ANTIBODY = frozenset({"antibody", "antibodies", "mab", "mabs", "ab", "receptor"})
_PLAIN_WORDS = frozenset({"met", "fas", "kit", "rank"})


@cache
def receptor_names() -> ReceptorNames:
    """Return the receptors of the reference data from the generated index."""
    return {key: tuple(means) for key, means in data.stored_index()["receptors"].items()}


def index_receptor_names() -> ReceptorNames:
    """Build the same index from the genes in the table of cytokines and, overriding them, from `receptor_names.tsv`."""
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
    """Yield each activated receptor of the question: its first word, the word after its last, and its ligands."""
    for start in range(len(question.words)):
        for end in range(start + 1, min(start + _MOST_WORDS, len(question.words)) + 1):
            if end - start > 1 and question.gap(end - 1).strip() not in {"", "-"}:
                break
            key, text = join(word.key for word in question.words[start:end]), question.piece(start, end)
            if text.endswith("L") and not perturbations.find(key) and (ligands := receptors.get(key[:-1])):
                yield start, end, ligands  # a receptor and an L: "CD95L", "c-KitL"
            if ligands := _ligands(key, text, receptors, perturbations):
                span = _activated(question, start, end)
                if span:
                    yield (*span, ligands)


def _ligands(key: str, text: str, receptors: ReceptorNames, perturbations: PerturbationNames) -> tuple[str, ...]:
    """Return the ligands of a receptor; "IL-2 receptor" and "IL-2R" have those of IL-2."""
    if key in _PLAIN_WORDS and not text[0].isupper():
        return ()
    if key in receptors:
        return receptors[key]
    for ending in ("receptor", "r"):
        cytokine = perturbations.find(key.removesuffix(ending)) if key.endswith(ending) else None
        if cytokine and all(perturbations.kind(name) == "cytokine" for name in cytokine.means):
            return cytokine.means
    return ()


def _activated(question: Question, start: int, end: int) -> tuple[int, int] | None:
    """Return the span of a receptor and the words that say that it is activated, or None if no word does."""
    words = [word.key for word in question.words]
    if question.is_marker(end) or words[start - 1 : start] in (
        ["lacking"],
        ["lack"],
        ["lacks"],
        ["without"],
        ["no"],
    ):
        return None
    if words[start - 1 : start] == ["anti"]:
        start -= 1
    after = _past_antibody(words, end)
    if after < len(words) and words[after].startswith(_ACTIVATION):
        return start, _past_antibody(words, after + 1)
    if start and words[start - 1] in _LEADS:
        return start - 1, after
    if start > 1 and words[start - 1] in {"of", "for", "at", "on", "to"} and words[start - 2] in _AGONIST_OF:
        return start - 2, after
    return None


def _past_antibody(words: list[str], index: int) -> int:
    while index < len(words) and words[index] in _ANTIBODY:
        index += 1
    return index
