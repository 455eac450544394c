"""Find the perturbations that a question says the cells do not get: "without IL-2", "not treated with IFN-gamma", "TNF withdrawal"."""

from collections.abc import Iterator

from shared.resolver.agents import Agent
from shared.resolver.cues import AWAY, LOSS, WITHOUT
from shared.resolver.effects import is_effect
from shared.resolver.premises import is_asked_whether, is_supposed, is_unable
from shared.resolver.sentence import Sentence, starts

_REACH = 6
_LINKING = frozenset(
    {
        "of", "against", "to", "for", "the", "with", "towards", "a", "an", "l", "d", "le", "la", "les", "il", "de", "von", "del", "der",
        "by", "any", "from", "in", "added", "exogenous", "recombinant", "more", "longer", "further", "add", "adding", "give", "giving",
    }
)  # fmt: skip
# Words between a perturbation and the word that says that it is gone: "TNF signaling was removed".
_LINKING_AFTER = frozenset(
    {
        "is", "was", "are", "were", "being", "has", "had", "been", "gets", "signal", "signaling", "treatment", "stimulation", "then",
    }
)  # fmt: skip
_TREATED = (
    "treat", "expos", "stimul", "giv", "receiv", "incubat", "cultur", "add", "get", "got", "contact", "activat", "challeng", "pulsed",
    "see", "saw", "met", "encounter", "kept", "grown", "gave", "suppl", "provid", "dosed", "administ", "behandel", "trait", "tratad",
)  # fmt: skip
_TAKEN_AWAY = frozenset(
    {
        ("left", "out"),
        ("taken", "away"),
        ("taken", "out"),
        ("taken", "off"),
        ("run", "out"),
        ("runs", "out"),
        ("used", "up"),
    }
)
_ADDING = ("expos", "treat", "stimul", "add", "exogen", "recombin", "any")
_COMING = ("arriv", "coming", "flowing", "reaching")
_DEAF = frozenset({"naive", "deaf", "blind", "insensitive", "unresponsive", "refractory"})
_SENSING = ("sens", "detect", "see", "respon", "bind", "recogni", "react", "perceiv", "hear", "feel", "receiv")
_COMPARED = ("compar", "versus", "vs", "relative", "than", "unlike", "against", "respect", "baseline", "gegenuber")
_CONTRASTED = frozenset({"and", "or", "versus", "vs", "und", "et", "y", "oder", "ou", "o"})


def find_absences(sentence: Sentence) -> Iterator[tuple[range, range]]:
    """Yield the words that say that a perturbation is absent, with those that name it (none if the question names no perturbation)."""
    for agent in sentence.agents:
        # "LPS-free IL-2" is IL-2.
        is_asked = agent.is_known or len(sentence.agents) == 1
        span = _denial(sentence, agent) if agent.is_name and is_asked else None
        if span is not None:
            yield span, agent.span
    if sentence.any_acts():
        for index, key in enumerate(sentence.keys):  # "genes that depend on IL-2, and fall when it is taken away"
            if key == "it" and (span := _gone(sentence, index + 1)) is not None:
                yield range(index, span.stop), range(0)
        return
    for index in range(len(sentence.keys) - 1):
        is_treated = starts(sentence.after(index + 1, 1), ("stimulat", "treated", "exposed"))
        if is_treated and sentence.negates(index) and not _is_compared(sentence, index):
            yield range(index, index + 2), range(0)


def _denial(sentence: Sentence, agent: Agent) -> range | None:
    """Return the words that say that an agent is absent, or None."""
    for index in range(agent.start - 1, max(agent.start - _REACH, 0) - 1, -1):
        if sentence.breaks(index, agent.start) or sentence.agent(index):
            break
        if _denies(sentence, index, agent.start):
            is_contrast = _is_contrast(sentence, index) or _is_compared(sentence, index)
            first = index - (sentence.keys[index] == "o")
            return None if is_contrast else range(first, agent.start)
    others = (other for other in sentence.agents if other is not agent)
    if is_asked_whether(sentence, agent.span) and any(sentence.acts(other.start) for other in others):
        return None  # "Is IFNG missing after TGF-beta?"
    return _gone(sentence, agent.end)


def _gone(sentence: Sentence, end: int) -> range | None:
    """Return the words after a perturbation that say that it is gone: "TNF was removed", "IL-2-free medium"."""
    for place in range(end, min(end + 4, len(sentence.keys))):
        key = sentence.keys[place]
        is_medium = starts(sentence.after(place + 1, 1), ("medi", "condition", "culture"))
        is_free = key == "free" and (sentence.question.gap(end) == "-" or is_medium)
        is_left_out = tuple(sentence.after(place, 2)) in _TAKEN_AWAY
        is_denied = sentence.negates(place) or is_unable(sentence, place)
        is_not_given = is_denied and starts(sentence.after(place + 1, 1), _TREATED)
        is_not_given = is_not_given or (key.startswith("stop") and starts(sentence.after(place + 1, 1), _COMING))
        if is_left_out or is_not_given:
            return range(end, place + 2)
        if key.startswith(LOSS) or is_free:
            return None if is_effect(sentence, place) else range(end, place + 1)
        if key not in _LINKING_AFTER and key != "no":
            break
    return None


def _denies(sentence: Sentence, index: int, stop: int) -> bool:
    """Return whether the word at an index says that the agent at `stop` is absent."""
    key, between = sentence.keys[index], sentence.keys[index + 1 : stop]
    is_linked = _LINKING.issuperset(between)
    if _is_out_of_reach(sentence, index, between):
        return True
    if key in WITHOUT or (key == "o" and sentence.before(index, 1) == ["w"]):
        return all(word in _LINKING or word.startswith(_ADDING) for word in between)
    if sentence.negates(index):
        return starts(between, _TREATED)
    if key.startswith(LOSS):
        if between[-1:] in (["of"], ["from"]):  # "starving NK cells of IL-2"
            own = range(index + 1, stop)
            is_linked = all(sentence.is_cells(place) or sentence.keys[place] in _LINKING for place in own)
        return is_linked and not is_effect(sentence, index)
    if key in AWAY:
        return is_linked and not {"from", "of", "with", "by"}.isdisjoint(between)
    is_later = not between and starts(sentence.after(stop, 6), ("given", "added"))
    return key == "before" and (is_later or starts(between, _ADDING))


def _is_out_of_reach(sentence: Sentence, index: int, between: list[str]) -> bool:
    """Return whether the cells are said not to get or notice something: "ran out of IL-2", "deaf to IL-6", "cannot sense TNF"."""
    key = sentence.keys[index]
    if key == "out":
        return between[:1] == ["of"] and starts(sentence.before(index, 1), ("run", "ran"))
    if key in _DEAF:
        return between == ["to"] and not starts(sentence.before(index, 3), ("make", "render"))
    return is_unable(sentence, index) and starts(between, _SENSING) and is_supposed(sentence, index)


def _is_contrast(sentence: Sentence, index: int) -> bool:
    """Return whether the word is one side of a contrast: "with and without", "treated or not", "presence or absence"."""
    return not _CONTRASTED.isdisjoint([*sentence.before(index, 1), *sentence.after(index + 1, 1)])


def _is_compared(sentence: Sentence, index: int) -> bool:
    """Return whether the cells without the perturbation are what others are compared with."""
    return starts(sentence.before(index, _REACH), _COMPARED)
