"""Find the condition of an ingested atlas that is exactly what a question describes: a combination, a knockout.

Such a condition is an ordinary perturbation, whatever words describe it. A condition answers for all that it names together, never for
one of its members.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice, pairwise, product
from types import MappingProxyType
from typing import Final, NamedTuple

from shared.catalog.entries import ConditionEntry
from shared.catalog.interpretation import CaveatCode
from shared.catalog.normalize import compact
from shared.catalog.schemas import MatchedTerm
from shared.catalog.view import CatalogView
from shared.resolver.agents import Agent
from shared.resolver.causes import Causes, Relation
from shared.resolver.genes import gene_symbols
from shared.resolver.guides import Modality, targets_of
from shared.resolver.labels import COMBINATION, GENE, condition_entry
from shared.resolver.manipulations import Manipulation, manipulation_of
from shared.resolver.resolve import Found

_CODES: Final = MappingProxyType(
    {
        Modality.KNOCKOUT: CaveatCode.KNOCKOUT,
        Modality.KNOCKDOWN: CaveatCode.KNOCKDOWN,
        Modality.OVEREXPRESSION: CaveatCode.OVEREXPRESSION,
    }
)
_MANIPULATIONS: Final = frozenset({*_CODES.values(), CaveatCode.INHIBITION})
_CHOICE: Final = frozenset({"or", "versus", "vs", "than"})
_JOINING: Final = frozenset({"and", "plus", "both", "with", "together", "combined", "in", "combination"})
_AND: Final = frozenset({"and", "plus", "both", "with"})
_SIGNS: Final = frozenset({"+", "&", "/", ","})
# A question can name many things with several meanings each.
_MOST_READINGS: Final = 64
# What a condition does, in a form that ignores order: the code of a manipulation ("" for adding things) and the names concerned.
Key = tuple[str, frozenset[str]]


def atlas_condition(
    found: Found, causes: Causes, manipulations: Sequence[Manipulation], view: CatalogView
) -> MatchedTerm | None:
    """Return the perturbation of an ingested atlas that is what the question combines or manipulates, or None."""
    combined = causes.asked if causes.relation is Relation.COMBINED and not manipulations else ()
    genes = [
        targets_of(piece, is_screen=bool(manipulations)) for piece in (_piece(agent, found) for agent in causes.asked)
    ]
    joined = _joined_genes(causes.asked, manipulations, found) if manipulations else []
    more = [found.question.words[index].text for index in joined]
    if causes.asked and all(genes):
        keys = _manipulated(manipulations, [*more, *(gene for each in genes if each for gene in each.genes)], found)
    elif combined:
        keys = _combinations(combined, found)
    elif manipulations and not causes.asked:
        keys = _manipulated(manipulations, more, found)
    elif manipulations and _are_joined(causes.asked, manipulations, found):
        keys = _manipulated_and_treated(manipulations, causes.asked, found)
    else:
        return None
    spans = [*((each.start, each.end) for each in causes.asked), *((each.start, each.end) for each in manipulations)]
    spans += [(index, index + 1) for index in joined]
    start, end = min(first for first, _ in spans), max(last for _, last in spans)
    if _CHOICE.intersection(word.key for word in found.question.words[start:end]):
        return None
    measured = _measured(view)
    condition = next((measured[key] for key in islice(keys, _MOST_READINGS) if key in measured), None)
    if condition is None or condition.perturbation is None:
        return None
    return MatchedTerm(
        name=condition.agent or condition.perturbation,
        matched_text=found.question.piece(start, end),
        match="synonym",
        kind=condition.kind,
    )


class Apart(NamedTuple):
    """What a question combines of which the atlases have every manipulation, but not as the question asks for it."""

    text: str
    names: list[str]
    together: str | None  # the condition of an atlas with all of it, compared with cells without any


def measured_apart(
    found: Found, causes: Causes, manipulations: Sequence[Manipulation], view: CatalogView
) -> Apart | None:
    """Return what a question combines, or None if it combines nothing or names a manipulation that no atlas has."""
    if not manipulations:
        return None
    treated = [
        agent for agent in causes.asked if agent.is_known or not targets_of(_piece(agent, found), is_screen=True)
    ]
    genes = [targets_of(_piece(agent, found), is_screen=True) for agent in causes.asked if agent not in treated]
    joined = _joined_genes(causes.asked, manipulations, found)
    targets = [found.question.words[index].text for index in joined]
    targets += [gene for each in genes if each for gene in each.genes]
    code, names = next(_manipulated(manipulations, targets, found), ("", frozenset[str]()))
    measured = _measured(view)
    alone = [measured.get((code, frozenset({name}))) for name in sorted(names)]
    known = [each.agent or each.perturbation or each.label for each in alone if each is not None]
    if not known or len(known) < len(alone) or len(known) + len(treated) < 2:
        return None
    spans = [
        *((each.start, each.end) for each in causes.asked),
        *((each.start, each.end) for each in manipulations),
        *((each, each + 1) for each in joined),
    ]
    keys = islice(_manipulated_and_treated(manipulations, treated, found), _MOST_READINGS)
    together = next((measured[key].perturbation for key in keys if key in measured), None)
    text = found.question.piece(min(first for first, _ in spans), max(last for _, last in spans))
    return Apart(
        text, [*known, *(each.means[0] if each.is_known else _piece(each, found) for each in treated)], together
    )


@lru_cache(maxsize=4)
def _measured(view: CatalogView) -> dict[Key, ConditionEntry]:
    """Return the conditions of all ingested atlases that combine or manipulate something, by what they do; the first of equal ones."""
    found: dict[Key, ConditionEntry] = {}
    for entry in view.ingested:
        for condition in entry.conditions:
            if not condition.is_control and condition.perturbation is not None:
                for key in _keys_of(condition):
                    found.setdefault(key, condition)
    return found


def _keys_of(condition: ConditionEntry) -> Iterator[Key]:
    # Atlases from before conditions had members have only the label.
    read = condition if condition.members else condition_entry(condition.label)
    if read.kind == GENE and read.members:
        action = next(
            (code for name, code in _CODES.items() if (read.perturbation or "").endswith(name)), CaveatCode.KNOCKOUT
        )
        yield action, frozenset(map(compact, read.members))
    elif read.kind == COMBINATION:
        yield "", frozenset(map(compact, read.members))
    elif (
        condition.kind not in {"cytokine", "compound"} and (code := manipulation_of(condition.label)) in _MANIPULATIONS
    ):
        yield code, frozenset({_without_action(condition.label)})


def _without_action(label: str) -> str:
    """Return what the words of a label say was manipulated: the TNF of "anti-TNF"."""
    key = compact(label)
    for action in ("anti", "inhibitor", "inhibition", "blockade", "blocking", "antibody"):
        key = key.removeprefix(action).removesuffix(action)
    return key


def _combinations(combined: Sequence[Agent], found: Found) -> Iterator[Key]:
    """Yield what the agents of a question may mean together."""
    meanings = [
        [*map(compact, agent.means), compact(found.question.piece(agent.start, agent.end))] for agent in combined
    ]
    for names in product(*meanings):
        if len(set(names)) == len(combined):
            yield "", frozenset(names)


def _are_joined(asked: Sequence[Agent], manipulations: Sequence[Manipulation], found: Found) -> bool:
    """Return whether a question adds a perturbation and a manipulation to the same cells: "KLF1 knockout plus IFN-beta".

    "KLF1 knockout cells under IFN-beta" asks for another comparison, with KLF1 knockout cells.
    """
    spans = sorted([*((each.start, each.end) for each in asked), *((each.start, each.end) for each in manipulations)])
    between = [found.question.words[end:start] for (_, end), (start, _) in pairwise(spans)]
    return all(
        words and {word.key for word in words} <= _JOINING and _AND.intersection(word.key for word in words)
        for words in between
    ) or all(
        not words and found.question.gap(start).strip() in _SIGNS
        for words, (start, _) in zip(between, spans[1:], strict=True)
    )


def _manipulated_and_treated(
    manipulations: Sequence[Manipulation], asked: Sequence[Agent], found: Found
) -> Iterator[Key]:
    """Yield what the manipulations of a question and its agents may mean together."""
    for code, genes in _manipulated(manipulations, (), found):
        action = next((name for name, each in _CODES.items() if each is code), None)
        if action is None:
            return
        targets = {compact(f"{gene} {action}") for gene in genes}
        for _, names in _combinations(asked, found):
            yield "", frozenset({*targets, *names})


def _piece(agent: Agent, found: Found) -> str:
    return found.question.piece(agent.start, agent.end)


def _joined_genes(asked: Sequence[Agent], manipulations: Sequence[Manipulation], found: Found) -> list[int]:
    """Return the words of genes that stand beside a target as a further one: KLF1 in "KLF1 and CEBPA knockout"."""
    words = found.question.words
    taken = {index for each in asked for index in range(each.start, each.end)}
    taken |= {index for each in manipulations for index in each.targets}
    no_genes = {index for cells in found.cells for index in cells.span}
    joined: list[int] = []
    places = sorted(taken)
    while places:
        place = places.pop()
        for step in (-1, 1):
            index = place + step
            while 0 <= index < len(words) and words[index].key in _AND:
                index += step
            if not 0 <= index < len(words) or index in taken | no_genes or words[index].text not in gene_symbols():
                continue
            if abs(index - place) > 1 or found.question.gap(max(index, place)).strip() in _SIGNS:
                taken.add(index)
                joined.append(index)
                places.append(index)
    return sorted(joined)


def _manipulated(manipulations: Sequence[Manipulation], genes: Sequence[str], found: Found) -> Iterator[Key]:
    """Yield what was done to the targets of a question and to further genes, if it is the same for all."""
    code = manipulations[0].code if manipulations else CaveatCode.KNOCKOUT
    if code not in _MANIPULATIONS or any(each.code is not code for each in manipulations):
        return
    names = {compact(gene) for gene in genes}
    for each in manipulations:
        runs: list[list[str]] = []
        last = -1
        for index in sorted(each.targets):
            text = found.question.words[index].text
            # Two genes side by side are two targets, the words of one name are one.
            if index == last + 1 and runs and not (text in gene_symbols() and runs[-1][-1] in gene_symbols()):
                runs[-1].append(text)
            else:
                runs.append([text])
            last = index
        names |= {compact(" ".join(words)) for words in runs}
    if names:
        yield code, frozenset(names)
