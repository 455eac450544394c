"""Find the state in which a question says the cells are, if no atlas distinguishes it: "activated", "stem-like", "late-stage"."""

from typing import Final

from shared.resolver.cues import is_cue
from shared.resolver.parse import Parsed
from shared.resolver.subsets import subset

_STATES_BEFORE: Final = frozenset(
    {
        "activated", "stimulated", "exhausted", "senescent", "anergic", "dysfunctional", "proliferating", "dividing", "apoptotic", "dying",
        "differentiated", "infected", "transformed", "engineered", "transduced", "transfected", "necrotic", "stressed", "fixed", "frozen",
        "weak", "weakened", "impaired", "resistant", "refractory", "susceptible", "unstable", "irradiated", "killed", "adapted", "poor",
        "clonal", "polyclonal", "proinflammatory", "antiinflammatory", "glycolytic", "proliferative", "phagocytic", "large",
        "small", "dead", "tired",
    }
)  # fmt: skip
# What is done to cells of every experiment.
_USUAL: Final = frozenset(
    {
        "cultured", "derived", "treated", "exposed", "untreated", "unexposed", "unstimulated", "isolated", "maintained", "generated",
        "washed", "rinsed", "rested",
    }
)  # fmt: skip
# Words tied to another one that say how cells were got, not how they are: "wild-type", "patient-derived", "FACS-sorted".
_USUAL_TIED: Final = _USUAL | {
    "sorted", "purified", "enriched", "selected", "matched", "type", "vivo", "vitro", "cell", "cells", "donor", "state", "blood", "control",
    "stimulated", "specific", "free", "depleted", "collected", "obtained", "sourced", "drawn", "separated", "seeded", "plated", "grown",
    "thawed", "passage", "level", "associated", "resident", "infiltrating", "circulating", "lineage", "family",
    "characterized", "known", "defined", "preserved", "use",
}  # fmt: skip
# "I stimulated B cells with IFN-alpha" says what was done, not what the cells were before.
_DOING: Final = frozenset(
    {"i", "we", "they", "he", "she", "you", "have", "has", "had", "ve", "just", "who", "d", "to", "lab"}
)


def state_before(parsed: Parsed) -> str:
    """Return the state that stands before the cells and is no part of their name: "activated T cells"; empty if there is none."""
    subjects = parsed.found.subjects
    if not subjects or not subjects[0].start:
        return ""
    last = subjects[0].start - 1
    is_treatment = any(agent.end == last for agent in parsed.agents)  # "IFN-gamma-stimulated monocytes"
    if is_treatment or last in subset(parsed):
        return ""
    if tied := tied_state(parsed):
        return parsed.found.question.piece(tied.start, tied.stop)
    return parsed.found.question.words[last].text if _is_state(parsed, last) else ""


def tied_state(parsed: Parsed) -> range:
    """Return the words tied by hyphens that name a state ("stem-like", "pro-inflammatory"); an empty range without one."""
    question, subjects = parsed.found.question, parsed.found.subjects
    if not subjects or not subjects[0].start:
        return range(0)
    last = first = subjects[0].start - 1
    while first > 0 and question.gap(first) == "-":
        first -= 1
    word, span = question.words[last], range(first, last + 1)
    is_state = first < last and question.gap(last + 1) == " " and word.key not in _USUAL_TIED
    if not is_state or not word.text.isalpha() or word.text.isupper() or last in subset(parsed):
        return range(0)
    read = [*parsed.causes.earlier, *(range(each.start, each.end) for each in parsed.manipulations)]
    read += [*(agent.span for agent in parsed.agents), *(term.span for term in parsed.terms)]
    if word.key != "like":  # "DC-like monocytes"
        read += [cells.span for cells in parsed.found.cells]
    return span if all(set(span).isdisjoint(each) for each in read) else range(0)


def _is_state(parsed: Parsed, index: int) -> bool:
    """Return whether the word before cells names a state: also what was done to them, if nothing else reads it ("primed NK cells")."""
    words = parsed.found.question.words
    key = words[index].key
    if key.endswith("ed") and index and words[index - 1].key in _DOING:
        return False
    if key in _STATES_BEFORE:
        return True
    read = [*parsed.causes.earlier, *(range(each.start, each.end) for each in parsed.manipulations)]
    was_done = is_cue(key) and key.endswith(("ed", "ive", "ant")) and key not in _USUAL
    return was_done and not any(index in span for span in read)
