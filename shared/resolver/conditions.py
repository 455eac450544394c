"""Find the condition of an ingested atlas that is exactly what a question describes: a combination, a knockout, a dose.

Such a condition is an ordinary perturbation, whatever words describe it.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache

from shared.catalog.entries import ConditionEntry
from shared.catalog.interpretation import CaveatCode
from shared.catalog.normalize import compact, split
from shared.catalog.schemas import MatchedTerm
from shared.catalog.view import CatalogView
from shared.resolver.causes import Causes, Relation
from shared.resolver.manipulations import Manipulation, manipulation_of
from shared.resolver.perturbation_names import reference_names
from shared.resolver.resolve import Found

_JOINED = frozenset({"and", "plus", "with", "combo", "combination", "x", "n"})
_MANIPULATIONS = frozenset(
    {CaveatCode.KNOCKOUT, CaveatCode.KNOCKDOWN, CaveatCode.OVEREXPRESSION, CaveatCode.INHIBITION}
)
# Labels with more words are sentences, not combinations.
_MOST_WORDS = 24


def atlas_condition(
    found: Found, causes: Causes, manipulations: Sequence[Manipulation], view: CatalogView
) -> MatchedTerm | None:
    """Return the perturbation of an ingested atlas that is what the question combines or manipulates, or None."""
    combined = causes.asked if causes.relation is Relation.COMBINED and not manipulations else ()
    if not combined and len(manipulations) != 1:
        return None
    question, labels = found.question, _labels(view)
    if combined:
        start, end = combined[0].start, combined[-1].end
        wanted = [
            {compact(name) for name in agent.means} | {compact(question.piece(agent.start, agent.end))}
            for agent in combined
        ]
        fits = (each for each in labels.with_all(wanted) if _is_combination(each.label, wanted))
    else:
        start, end = manipulations[0].start, manipulations[0].end
        manipulated = () if causes.asked else _manipulated(labels.conditions, manipulations[0], found)
        fits = (each for each in manipulated)
    condition = next(fits, None)
    if condition is None or condition.perturbation is None:
        return None
    text = question.piece(start, end)
    return MatchedTerm(name=condition.perturbation, matched_text=text, match="synonym", kind=condition.kind)


class _Labels:
    """The conditions of ingested atlases, without controls, and those of several words by the names in their labels."""

    def __init__(self, view: CatalogView) -> None:
        every = (each for entry in view.ingested for each in entry.conditions)
        found = [each for each in every if not each.is_control and each.perturbation is not None]
        self.conditions = [(compact("".join(word.key for word in split(each.label))), each) for each in found]

    @cached_property
    def _by_form(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {}
        for place, (_, condition) in enumerate(self.conditions):
            keys = [word.key for word in split(condition.label)]
            if 1 < len(keys) <= _MOST_WORDS:
                for start in range(len(keys)):
                    for end in range(start + 1, len(keys) + 1):
                        for form in _forms(compact(" ".join(keys[start:end]))):
                            found.setdefault(form, set()).add(place)
        return found

    def with_all(self, wanted: Sequence[set[str]]) -> Iterator[ConditionEntry]:
        """Yield the conditions whose label has, for each of these names, one of its compact forms."""
        places = [set().union(*(self._by_form.get(form, ()) for form in forms)) for forms in wanted]
        yield from (self.conditions[place][1] for place in sorted(set.intersection(*places)))


@lru_cache(maxsize=4)
def _labels(view: CatalogView) -> _Labels:
    # An atlas may have 10,000 guides: reading each label anew for each question takes a tenth of a second.
    return _Labels(view)


def _forms(key: str) -> set[str]:
    """Return the compact forms of the names that a part of a label may mean."""
    known = reference_names().find(key)
    return {key, *(compact(name) for name in known.means)} if known else {key}


def _is_combination(label: str, wanted: Sequence[set[str]]) -> bool:
    """Return whether a label names exactly these agents, each given by its compact forms."""
    parts: list[set[str]] = []
    keys = [word.key for word in split(label)]
    while keys:
        if keys[0] in _JOINED:
            keys = keys[1:]
            continue
        length, part = _first_part(keys, wanted)
        if not length:
            return False
        parts.append(part)
        keys = keys[length:]
    return len(parts) == len(wanted) > 1 and all(any(part & each for part in parts) for each in wanted)


def _first_part(keys: Sequence[str], wanted: Sequence[set[str]]) -> tuple[int, set[str]]:
    """Return the longest name at the start of a label: its number of words (0 if there is none) and its compact forms."""
    for end in range(len(keys), 0, -1):
        key = compact(" ".join(keys[:end]))
        if reference_names().find(key):
            return end, _forms(key)
        if any(key in each for each in wanted):
            return end, {key}
    return 0, set()


def _manipulated(
    labels: Iterable[tuple[str, ConditionEntry]], manipulation: Manipulation, found: Found
) -> Iterator[ConditionEntry]:
    """Yield the conditions whose label says the same was done to the same target: "STAT1_KO" for "knockout of STAT1"."""
    if manipulation.code not in _MANIPULATIONS:
        return
    targets = compact(" ".join(found.question.words[index].text for index in sorted(manipulation.targets)))
    for key, condition in labels:
        if targets and targets in key and manipulation_of(condition.label) is manipulation.code:
            yield condition
