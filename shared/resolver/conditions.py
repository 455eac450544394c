"""Find the condition of an ingested atlas that is exactly what a question describes: a combination, a knockout, a dose.

Such a condition is an ordinary perturbation, whatever words describe it.
"""

from collections.abc import Sequence

from shared.catalog.interpretation import CaveatCode
from shared.catalog.normalize import compact, split
from shared.catalog.schemas import MatchedTerm
from shared.catalog.view import CatalogView
from shared.resolver.agents import Agent
from shared.resolver.causes import Causes, Relation
from shared.resolver.manipulations import Manipulation, manipulation_of
from shared.resolver.perturbation_names import reference_names
from shared.resolver.resolve import Found

_JOINED = frozenset({"and", "plus", "with", "combo", "combination", "x", "n"})


def atlas_condition(
    found: Found, causes: Causes, manipulations: Sequence[Manipulation], view: CatalogView
) -> MatchedTerm | None:
    """Return the perturbation of an ingested atlas that is what the question combines or manipulates, or None."""
    combined = causes.asked if causes.relation is Relation.COMBINED and not manipulations else ()
    if not combined and len(manipulations) != 1:
        return None
    question = found.question
    for entry in view.ingested:
        for condition in entry.conditions:
            if condition.is_control or condition.perturbation is None:
                continue
            if combined:
                fits = _is_combination(condition.label, combined, found)
                start, end = combined[0].start, combined[-1].end
            else:
                fits = not causes.asked and _is_manipulation(condition.label, manipulations[0], found)
                start, end = manipulations[0].start, manipulations[0].end
            if fits:
                text = question.piece(start, end)
                return MatchedTerm(name=condition.perturbation, matched_text=text, match="synonym", kind=condition.kind)
    return None


def _is_combination(label: str, combined: Sequence[Agent], found: Found) -> bool:
    """Return whether a label names exactly these agents."""
    wanted = [
        {compact(name) for name in agent.means} | {compact(found.question.piece(agent.start, agent.end))}
        for agent in combined
    ]
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
        known = reference_names().find(key)
        if known:
            return end, {key, *(compact(name) for name in known.means)}
        if any(key in each for each in wanted):
            return end, {key}
    return 0, set()


def _is_manipulation(label: str, manipulation: Manipulation, found: Found) -> bool:
    """Return whether a label says the same was done to the same target: "STAT1_KO" for "knockout of STAT1"."""
    if manipulation.code not in {
        CaveatCode.KNOCKOUT,
        CaveatCode.KNOCKDOWN,
        CaveatCode.OVEREXPRESSION,
        CaveatCode.INHIBITION,
    }:
        return False
    targets = compact(" ".join(found.question.words[index].text for index in sorted(manipulation.targets)))
    keys = [word.key for word in split(label)]
    return bool(targets) and compact("".join(keys)).find(targets) >= 0 and manipulation_of(label) is manipulation.code
