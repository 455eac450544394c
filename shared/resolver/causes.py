"""Read which of the named treatments a question asks about, and how several relate: combined, in sequence, or as alternatives."""

from collections.abc import Sequence
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from shared.catalog.reference import perturbations as reference_perturbations
from shared.resolver.agents import Agent
from shared.resolver.cues import BEFOREHAND, BEFOREHAND_AFTER
from shared.resolver.gene_lists import LISTING, is_moving, listed_with_genes
from shared.resolver.question import Question
from shared.resolver.roles import Role

_REACH = 6  # words between two treatments that belong together
_THEN = frozenset(
    {
        "then", "followed", "before", "subsequently", "afterwards", "later", "dann", "danach", "puis", "ensuite", "luego", "despues",
    }
)  # fmt: skip
_AFTER = frozenset({"after", "following", "post", "nach", "apres"})
_GIVEN = (["after"], ["upon"], ["with"], ["under"], ["following"], ["by"])
_LINKS = frozenset(
    {
        "with", "by", "in", "to", "of", "for", "using", "the", "a", "an", "exposure", "exposed", "treatment", "treated", "stimulation",
        "stimulated", "overnight", "h", "hours", "hour", "days", "day", "recombinant", "human", "low", "high", "dose", "doses", "priming",
        "mit", "avec", "con", "presence", "pulse", "incubation", "been", "having", "were", "was", "on", "ng", "ml", "and",
    }
)  # fmt: skip
_ALTERNATIVES = frozenset(
    {
        "or", "versus", "vs", "than", "oder", "ou", "instead", "rather", "compared", "comparison", "unlike", "against", "relative",
    }
)  # fmt: skip
_COMPARING = (
    "compar", "differ", "distinguish", "discriminat", "contrast", "similar", "versus", "vs", "same", "vergleich", "unterschied",
    "unterscheid",
)  # fmt: skip
_JOINING = frozenset(
    {
        "and", "plus", "with", "together", "presence", "combination", "alongside", "combined", "und", "et", "y", "mit", "avec",
    }
)  # fmt: skip
_CULTURE = ("cultur", "maintain", "grown")
# "IFN-gamma-induced protein 10": such a word between a treatment and one of _PRODUCTS makes both one name.
_INDUCED = (
    "induc", "stimulat", "activat", "convert", "regulat", "relat", "like", "bind", "respons", "signature", "score",
)  # fmt: skip
_PRODUCTS = frozenset(
    {
        "protein", "proteins", "gene", "genes", "kinase", "enzyme", "factor", "factors", "element", "elements", "repeats", "signature",
        "signatures", "score", "scores", "program", "module", "transcripts",
    }
)  # fmt: skip
_PROTEINS = frozenset({"protein", "kinase", "enzyme", "factor"})
_WHAT = frozenset(
    {"what", "which", "who", "that", "cytokine", "cytokines", "factor", "signal", "drug", "was", "qui", "que"}
)
_CONTROLS = (
    "control", "regulat", "turn", "induc", "driv", "trigger", "caus", "stimulat", "activat", "suppress", "inhibit", "block", "increas",
    "rais", "produc", "make", "makes",
)  # fmt: skip
_ACTS_ON = (
    "inhibit", "block", "neutrali", "repress", "limit", "antagoni", "prevent", "counteract", "dampen", "silenc", "affect", "alter",
    "influenc", "modulat", "chang", "diminish", "elevat", "leave", "spare", "regulat", "trigger",
)  # fmt: skip
# Verbs of a perturbation that changes what another one does.
_MODULATING = (
    *_ACTS_ON, "reverse", "enhanc", "boost", "potentiat", "overcom", "overrid", "add", "change", "suppress", "increase", "reduce",
    "augment", "synerg", "blunt", "abolish", "attenuat", "amplif", "sensiti", "desensiti", "rescue", "improve", "weaken", "strengthen",
)  # fmt: skip
_GETTING = ("get", "got", "receiv", "giv", "gave", "add")


class Relation(Enum):
    """How several treatments of a question relate."""

    SINGLE = "single"
    COMBINED = "combined"
    ALTERNATIVE = "alternative"


class Causes(NamedTuple):
    """The treatments that a question asks about."""

    asked: tuple[Agent, ...]  # in order of the question; one, unless they are combined or alternatives
    relation: Relation
    earlier: tuple[range, ...]  # words of the treatments before the one that is asked about
    readouts: tuple[Agent, ...]  # products of the cells that the question asks about
    before: tuple[Agent, ...]  # the agents of these treatments
    aside: tuple[Agent, ...]  # named, but neither a cause nor a readout


def find_causes(
    question: Question, agents: Sequence[Agent], manipulated: frozenset[int], genes: Sequence[range]
) -> Causes:
    """Sort the agents of a question by what it says about them.

    Args:
        manipulated: indexes of words that name the target of a manipulation.
        genes: words of each gene, which cells make.
    """
    keys = [word.key for word in question.words]
    acting = [agent for agent in agents if manipulated.isdisjoint(agent.span)]
    known = [agent.span for agent in acting if agent.is_known]
    among = set(listed_with_genes(keys, known, genes))
    listed = [agent for agent in acting if agent.is_known and agent.span in among]
    listed += [agent for agent in acting if agent.is_known and is_moving(keys, agent.span, known)]
    acting = [agent for agent in acting if agent in listed or not _is_excluded(question, agent, acting)]
    return _Reader(question, acting, genes, listed).causes()


def _is_excluded(question: Question, agent: Agent, agents: Sequence[Agent]) -> bool:
    """Return whether another agent is what the question asks about instead: "IL-6 rather than TNF", "interferons such as IFN-beta"."""
    others = [other for other in agents if other is not agent and other.is_known]
    keys = [word.key for word in question.words]
    before = keys[max(0, agent.start - 2) : agent.start]
    is_denied = before in (["rather", "than"], ["instead", "of"]) or before[-1:] == ["not"]
    if is_denied and any(
        other.role is Role.READOUT and LISTING.issuperset(keys[other.end : agent.start])
        for other in others
        if other.end <= agent.start
    ):
        return False  # "raise IL1B but not IL10"
    tail = question.words[agent.end : agent.end + 1]
    is_denied = is_denied or (not agent.is_known and bool(tail) and tail[0].key == "free")
    is_family = len(agent.means) > 1 and any(
        len(other.means) == 1 and other.means[0] in agent.means for other in others
    )
    return is_family or (is_denied and bool(others))


class _Reader:
    def __init__(
        self, question: Question, agents: Sequence[Agent], genes: Sequence[range], listed: Sequence[Agent]
    ) -> None:
        self._products = frozenset(index for gene in genes for index in gene)
        self._listed = listed
        self._question = question
        self._keys = [word.key for word in question.words]
        self._agents = list(agents)

    def causes(self) -> Causes:
        readouts = self._readouts()
        acting = [agent for agent in self._agents if agent not in readouts]
        earlier = self._earlier(acting)
        asked = [agent for agent in acting if agent not in earlier]
        aside: list[Agent] = []
        if len(asked) > 1:
            asked, aside = self._linked(asked)
        distinct: dict[tuple[str, ...], Agent] = {}
        for agent in asked:
            distinct.setdefault(agent.means or (self._question.piece(agent.start, agent.end).lower(),), agent)
        found = tuple(distinct.values())
        relation = Relation.SINGLE if len(found) < 2 else self._relation(found)
        before = tuple(self._whole(agent) for agent in earlier if agent.is_name)
        unknown = [agent for agent in earlier if not agent.is_name]
        return Causes(found, relation, before, tuple(readouts), tuple(earlier), (*aside, *unknown))

    def _readouts(self) -> list[Agent]:
        """Return the agents that the cells make, with those that are listed after one: "raise TNF and IL-6"."""
        found: list[Agent] = []
        for agent in self._agents:
            if self._is_part_of_name(agent) or self._is_sought(agent) or agent in self._listed:
                found.append(agent)
                continue
            others = [other for other in self._agents if other is not agent and other not in found]
            listed = bool(found) and self._is_listed(found[-1], agent) and bool(others)
            # An antagonized agent that is left here is the subject: "Does TGF-beta inhibit ...".
            if agent.role is Role.READOUT or listed or self._is_acted_on(agent) or self._is_product(agent):
                found.append(agent)
        for agent, following in pairwise(self._agents):
            if (
                following in found
                and agent not in found
                and self._is_listed(agent, following)
                and agent.role < Role.CAUSE
                and self._keys[max(0, agent.start - 1) : agent.start] not in _GIVEN  # "after IFN-gamma, CXCL10 rises"
            ):
                found.append(agent)  # "IL10 and IL1RN induction by IFN-beta"
        if len(found) == len(self._agents) and not any(self._is_made(agent) for agent in found):
            return []
        return found

    def _is_part_of_name(self, agent: Agent) -> bool:
        """Return whether the agent is part of another name: "interferon-stimulated genes", "IFN-gamma-induced protein 10"."""
        after = self._keys[agent.end : agent.end + 3]
        return after[:1] != [] and after[0].startswith(_INDUCED) and not _PRODUCTS.isdisjoint(after[1:])

    def _is_sought(self, agent: Agent) -> bool:
        """Return whether the question seeks what acts on the agent: "What controls TNF in ...", "What turns on IFN-gamma"."""
        before = self._keys[max(0, agent.start - 3) : agent.start]
        while before and before[-1] in {"on", "up", "off", "the"}:
            before.pop()
        return len(before) > 1 and before[-2] in _WHAT and before[-1].startswith(_CONTROLS)

    def _is_made(self, agent: Agent) -> bool:
        is_named = agent.role is Role.READOUT or self._is_product(agent)
        after = self._keys[agent.end + 1 : agent.end + 3]
        is_protein = self._is_part_of_name(agent) and (after[0] in _PROTEINS or "".join(after[1:]).isdigit())
        return is_named or is_protein or self._is_sought(agent)

    def _is_product(self, agent: Agent) -> bool:
        """Return whether it is a gene beside a perturbation of the catalog: "Does CXCL10 go up with IFN-gamma?"."""
        is_gene = not agent.is_known and self._products.issuperset(agent.span)
        before = self._keys[max(0, agent.start - 2) : agent.start]
        is_given = before[-1:] in (["with"], ["to"], ["by"], ["plus"]) and not before[0].startswith("happen")
        if not is_gene or (is_given and agent.role is Role.CAUSE):
            return False
        # "Does CXCL10 go up in monocytes?" names no perturbation at all.
        following = self._keys[agent.end : agent.end + 1]
        moves = bool(following) and following[0] in {"go", "goes", "rise", "rises", "increase", "change", "fall"}
        return moves or any(other.is_known for other in self._agents)

    def _is_acted_on(self, agent: Agent) -> bool:
        """Return whether another agent acts on this one: "TNF induced by IFN-gamma", "effect of IL-10 on IL-6"."""
        after = [key for key in self._keys[agent.end : agent.end + 5] if key not in {"itself", "also"}][:4]
        switched = self._keys[max(0, agent.start - 1) : agent.start] in (["switch"], ["switches"], ["turn"], ["turns"])
        if switched and after[:1] in (["on"], ["off"]):
            return True
        if (
            "by" in after[:3]
            and after[0].endswith(("ed", "t", "tion", "sion", "ase"))
            and after[0] not in _THEN
            and not after[0].startswith(BEFOREHAND_AFTER[:-1])
        ):
            place = self._keys.index("by", agent.end) + 1
            return any(place <= other.start <= place + 1 for other in self._agents)
        before = self._keys[agent.start - 1] if agent.start else ""
        if before.startswith(_ACTS_ON) and any(other.end <= agent.start and other.is_known for other in self._agents):
            return True  # "Does TGF-beta inhibit IFNG": the manipulations are gone from the list already
        return before in {"on", "against"} and any(
            other.end <= agent.start and other is not agent for other in self._agents
        )

    def _is_listed(self, first: Agent, second: Agent) -> bool:
        between = self._keys[first.end : second.start]
        return LISTING.issuperset(between) and first.end <= second.start

    def _earlier(self, acting: Sequence[Agent]) -> list[Agent]:
        """Return the agents of an earlier treatment, unless nothing else is left to ask about."""
        found = [agent for agent in acting if self._is_beforehand(agent)]
        for first, second in pairwise(acting):
            between = self._keys[first.end : second.start]
            if (_THEN & set(between) or self._is_given_later(first, second)) and first not in found:
                found.append(first)
            elif between and self._comes_after(second) and second not in found and first not in found:
                found.append(second)
        return found if len(found) < len(acting) else [agent for agent in found if agent is not acting[-1]]

    def _is_given_later(self, first: Agent, second: Agent) -> bool:
        """Return whether cells get one agent and the other the next day: "receive IL-2 and, a day later, IFN-beta"."""
        tail = set(self._keys[second.end : second.end + 3])
        is_later = bool(tail & {"later", "afterwards"}) or (
            "day" in tail and bool(tail & {"next", "after", "following"})
        )
        is_pair = self._keys[first.end : second.start] == ["and"]
        return (
            is_pair
            and is_later
            and any(key.startswith(_GETTING) for key in self._keys[max(0, first.start - 3) : first.start])
        )

    def _is_beforehand(self, agent: Agent) -> bool:
        return self._whole(agent) != agent.span

    def _whole(self, agent: Agent) -> range:
        """Return the words of an agent with those that say that it came earlier: "pre-treated with TGF-beta", "IL-2-primed"."""
        before = self._keys[max(agent.start - 2, 0) : agent.start]
        if before == ["presence", "of"]:  # "cultured in the presence of" is no earlier treatment
            return agent.span
        for index in range(agent.start - 1, max(agent.start - _REACH - 1, -1), -1):
            key = self._keys[index]
            if key == "first" and any(other.end == index for other in self._agents):
                break  # "get IL-2 first and IFN-beta the next day"
            if key == "pre" or (key.startswith(BEFOREHAND) and self._keys[index - 1 : index] != ["pre"]):
                return agent.span if self._is_culture(index) else range(index, agent.end)
            if key not in _LINKS and not key.isdigit() and not key.startswith(BEFOREHAND):
                break
        after = self._keys[agent.end : agent.end + 2]
        is_first = after[:1] == ["first"] and after[1:] in (["and"], ["then"], ["but"], ["with"])
        if is_first or (after and after[0].startswith(BEFOREHAND_AFTER) and after[1:] != ["by"]):
            return range(agent.start, agent.end + 1)
        return agent.span

    def _is_culture(self, index: int) -> bool:
        """Return whether the word only says where another treatment took place: "IFN-gamma and cultured with TNF"."""
        key, before = self._keys[index], self._keys[max(0, index - 2) : index]
        joined = before[-1:] in (["and"], ["in"]) and any(agent.end <= index for agent in self._agents)
        return key in {"condition", "conditions"} or (key.startswith(_CULTURE) and joined)

    def _comes_after(self, agent: Agent) -> bool:
        """Return whether "after" leads up to an agent that is not the only one: "respond to TNF after IL-4"."""
        for index in range(agent.start - 1, max(agent.start - 4, -1), -1):
            if self._keys[index] in _AFTER:
                return True
            if self._keys[index] not in _LINKS:
                return False
        return False

    def _linked(self, asked: list[Agent]) -> tuple[list[Agent], list[Agent]]:
        """Split the agents into the likeliest causes with what is linked to them, and those only mentioned aside."""
        likeliest = max(agent.role for agent in asked)
        if likeliest < Role.CAUSE:
            return asked, []
        linked = [agent for agent in asked if self._is_cause(agent, asked)]
        linked = [agent for agent in asked if agent in linked or self._modulates(agent, linked)]
        return linked, [agent for agent in asked if agent not in linked]

    def _modulates(self, agent: Agent, causes: Sequence[Agent]) -> bool:
        """Return whether it acts on what another one does: "Does IL-10 block the effect of IFN-gamma"."""
        acts = any(key.startswith(_MODULATING) for key in self._keys[agent.end : agent.end + 4])
        return agent.is_known and acts and any(agent.end <= cause.start for cause in causes)

    def _is_cause(self, agent: Agent, asked: Sequence[Agent]) -> bool:
        if not agent.is_name and any(other.is_known for other in asked):
            # An unknown word beside a perturbation of the catalog counts only if something joins the two.
            return any(self._is_joined(agent, other) for other in asked if other is not agent)
        return agent.role is Role.CAUSE or self._is_linked(agent, asked)

    def _is_joined(self, one: Agent, other: Agent) -> bool:
        first, second = sorted((one, other))
        return not _JOINING.isdisjoint(self._keys[first.end : second.start]) or "+" in self._text(first, second)

    def _is_linked(self, agent: Agent, asked: Sequence[Agent]) -> bool:
        """Return whether an agent joins another one: next to it in a list, or "in the presence of" it."""
        if agent.role is Role.BACKGROUND or not agent.is_known or agent.blocks is not None:
            return True
        if agent.means[0] not in reference_perturbations():
            return True  # a condition of an atlas, such as a knockout
        near = [other for other in asked if other is not agent]
        return any(0 <= agent.start - other.end <= _REACH or 0 <= other.start - agent.end <= 3 for other in near)

    def _relation(self, found: Sequence[Agent]) -> Relation:
        first, second = found[0], found[1]
        between = set(self._keys[first.end : second.start])
        if between & _ALTERNATIVES:
            return Relation.ALTERNATIVE
        compares = any(key.startswith(_COMPARING) for key in self._keys)
        joined = between & (_JOINING - {"and"}) or "+" in self._text(first, second)
        if compares and not joined and all(agent.is_known for agent in found):
            return Relation.ALTERNATIVE
        return Relation.COMBINED

    def _text(self, first: Agent, second: Agent) -> str:
        words = self._question.words
        return self._question.text[words[first.end - 1].end : words[second.start].start]
