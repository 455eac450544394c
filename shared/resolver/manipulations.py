"""Read what a question says was done to the cells other than adding a perturbation: inhibition, knockout, knockdown, overexpression, absence.

The same words also describe what a perturbation does ("Which genes does TGF-beta suppress?", "Is IL-6 inhibited by IL-10?"). Those are effects,
which a run predicts, not manipulations.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from shared.catalog.interpretation import CaveatCode
from shared.resolver.agents import Agent, antibody_target
from shared.resolver.cues import (
    AWAY,
    GENE_TRANSFER,
    GENOTYPE,
    INHIBITION,
    KNOCKDOWN,
    KNOCKDOWN_WORDS,
    KNOCKOUT,
    KNOCKOUT_WORDS,
    LOSS,
    NEGATIONS,
    OVEREXPRESSION,
    WEAK_INHIBITION,
    WITHOUT,
)
from shared.resolver.genes import GeneMention
from shared.resolver.question import Question

_NOUNS = (
    "inhibition",
    "inhibitor",
    "blockade",
    "blocker",
    "antagonist",
    "antagonism",
    "knockout",
    "knockdown",
    "deletion",
    "silencing",
)
# Nouns that the cue may describe as changed: "genes suppressed ...", "expression is blocked ...".
_BY = frozenset({"by", "durch", "par", "por", "von"})
_LEADS = frozenset({"that", "which", "does", "do", "did", "can", "will", "would"})
_IF = frozenset({"wenn", "falls", "quand", "lorsque", "cuando", "if", "when", "once", "because", "since", "whose"})
_LACKS = frozenset({"lacking", "lack", "lacks", "no", "without"})
_SEEN = frozenset(
    {"seen", "observed", "found", "detected", "occur", "occurs", "happen", "happens", "expected", "visible", "show"}
)
_FOREIGN_VERBS = ("hemm", "bloqu", "blockier", "inhibe", "inhibi", "reprim", "unterdruck", "supprim", "suprim")
_READOUTS = frozenset(
    {
        "gene", "genes", "transcript", "transcripts", "mrna", "mrnas", "pathway", "pathways", "marker", "markers", "program", "programs",
        "process", "processes", "module", "modules", "signature", "signatures", "expression", "production", "secretion", "release",
        "proliferation", "killing", "cytotoxicity", "function", "functions", "activity", "differentiation", "apoptosis", "migration",
        "activation", "signaling", "metabolism", "translation", "molecules", "proteins", "receptors", "chemokines", "cytokines", "factors",
    }
)  # fmt: skip
_CAUSING = (
    "caus", "induc", "lead", "led", "result", "driv", "trigger", "promot", "increas", "decreas", "reduc", "enhanc", "mediat", "produc",
    "relie", "reliev", "releas", "affect", "alter", "chang", "influenc", "resist", "upregul", "downregul", "rais", "express", "turn",
    "switch", "leave", "make", "render", "activat", "stop", "boost", "elevat", "lower", "protect", "reverse", "overcom",
)  # fmt: skip
_LIGHT = frozenset(
    {
        "does", "do", "did", "can", "could", "will", "would", "may", "might", "should", "to", "also", "strongly", "directly", "really",
        "still", "further", "in", "on", "an", "a", "the", "any", "able", "known", "predicted", "expected", "more", "less", "and", "or",
        "treatment", "stimulation", "exposure", "itself", "have", "has", "is", "be", "actually", "selectively", "significantly", "only",
        "most", "partially", "completely", "ever", "tend", "seem", "likely", "help", "helps", "ability", "capacity", "signaling", "then",
        "potently", "rapidly", "usually", "often", "that", "which", "genes", "gene", "protein", "up", "down",
    }
)  # fmt: skip
_AUXILIARIES = frozenset({"does", "do", "did", "can", "could", "will", "would", "may", "might", "should", "to", "not"})
# After these, the sentence names what was added, not what a perturbation does.
_ADDED = frozenset(
    {
        "with",
        "plus",
        "together",
        "presence",
        "treated",
        "lacking",
        "under",
        "alongside",
        "combined",
        "mit",
        "avec",
        "con",
    }
)
_CLAUSE = frozenset(
    {"if", "when", "after", "upon", "while", "whether", "following", "under", "once", "because", "since"}
)
_OF = frozenset(
    {
        "of",
        "against",
        "to",
        "for",
        "targeting",
        "the",
        "with",
        "towards",
        "directed",
        "a",
        "an",
        "gene",
        "l",
        "d",
        "le",
        "la",
        "les",
        "il",
        "de",
        "von",
        "del",
        "der",
        "by",
    }
)
_TREATED = (
    "treat", "expos", "stimul", "given", "giv", "receiv", "incubat", "cultur", "add", "get", "got", "contact", "activat", "challeng", "pulsed",
    "see", "saw", "seen", "met", "encounter", "kept", "grown", "dosed", "administ", "behandel", "trait", "tratad", "stimuliert",
)  # fmt: skip
_COMPARED = ("compar", "versus", "vs", "relative", "than", "unlike", "against", "respect", "baseline", "gegenuber")
_REACH = 6


# Cues of two words: how each of them starts, and what they say.
_PAIRS: Final = (
    ("dominant", "negative", CaveatCode.KNOCKOUT),
    ("knock", "out", CaveatCode.KNOCKOUT),
    ("loss", "of", CaveatCode.KNOCKOUT),
    ("knock", "down", CaveatCode.KNOCKDOWN),
    ("rna", "interfer", CaveatCode.KNOCKDOWN),
    ("over", "express", CaveatCode.OVEREXPRESSION),
    ("forced", "express", CaveatCode.OVEREXPRESSION),
    ("ectopic", "express", CaveatCode.OVEREXPRESSION),
    ("gain", "of", CaveatCode.OVEREXPRESSION),
    ("expression", "vector", CaveatCode.OVEREXPRESSION),
    ("expression", "plasmid", CaveatCode.OVEREXPRESSION),
    ("expression", "construct", CaveatCode.OVEREXPRESSION),
)
# Cues of one word: how it starts, and what it says.
_STARTS: Final = (
    (KNOCKDOWN, CaveatCode.KNOCKDOWN),
    (OVEREXPRESSION, CaveatCode.OVEREXPRESSION),
    (KNOCKOUT, CaveatCode.KNOCKOUT),
    ((*INHIBITION, *WEAK_INHIBITION), CaveatCode.INHIBITION),
)
_SILENCING: Final = ("sirna", "shrna", "sgrna", "grna", "guide", "crispr", "cas9", "mirna", "morpholino", "antisense")


class Manipulation(NamedTuple):
    """Something that a question says was done to the cells."""

    code: CaveatCode
    start: int  # index of the first word concerned
    end: int  # index after the last one
    targets: frozenset[int]  # indexes of the words that name its targets
    is_treatment: bool = (
        False  # whether the words name a treatment by an antibody against something that is no perturbation
    )


def find_manipulations(
    question: Question, agents: Sequence[Agent], genes: Sequence[GeneMention], named: frozenset[int]
) -> list[Manipulation]:
    """Return the manipulations in a question, in order.

    Args:
        named: indexes of the words inside names, which are no cues ("leukemia inhibitory factor").
    """
    reader = _Reader(question, agents, genes, named)
    found = {*reader.cued(), *reader.null_alleles(), *reader.antibodies(), *reader.absences()}
    return _joined(sorted(found, key=lambda each: (each.start, each.end)))


def _joined(found: Sequence[Manipulation]) -> list[Manipulation]:
    """Join manipulations of one kind that touch: "CRISPR" and "knockout of IFNGR1" are one."""
    joined: list[Manipulation] = []
    for each in found:
        last = joined[-1] if joined else None
        if last and last.code is each.code and each.start <= last.end:
            targets, is_treatment = last.targets | each.targets, last.is_treatment and each.is_treatment
            joined[-1] = Manipulation(last.code, last.start, max(last.end, each.end), targets, is_treatment)
        else:
            joined.append(each)
    return joined


def manipulation_of(label: str) -> CaveatCode | None:
    """Return what a condition's label says was done: "STAT1_KO" is a knockout."""
    question = Question.of(label)
    found = find_manipulations(question, (), (), frozenset())
    return found[0].code if found else None


class _Reader:
    def __init__(
        self, question: Question, agents: Sequence[Agent], genes: Sequence[GeneMention], named: frozenset[int]
    ) -> None:
        self._genes = genes
        self._question = question
        self._keys = [word.key for word in question.words]
        self._agents = agents
        self._named = named
        self._agent_of = {index: agent for agent in agents for index in agent.span}

    def cued(self) -> Iterator[Manipulation]:
        """Yield what a word says: "knockout", "siRNA", "inhibitor", "overexpression", ..."""
        index = 0
        while index < len(self._keys):
            code, length = self._cue(index)
            if code and not self._is_effect(index, length):
                targets = self._targets(index, length)
                weak = self._keys[index].startswith(WEAK_INHIBITION) and code is CaveatCode.INHIBITION
                if not weak or any(self._is_agent(target) for target in targets):
                    yield self._manipulation(code, range(index, index + length), targets)
            index += length

    def null_alleles(self) -> Iterator[Manipulation]:
        """Yield genotypes: "IFNAR1-/- NK cells", "STAT1 null"."""
        for index in range(len(self._keys)):
            after = self._after(index)
            if after.replace(" ", "").startswith(("-/-", "(-/-)", "+/-", "(+/-)", "ko/ko")):
                yield self._manipulation(CaveatCode.KNOCKOUT, range(index, index + 1), range(index, index + 1))
            is_name = self._question.words[index].text.isupper() or index in self._agent_of
            if index + 1 < len(self._keys) and self._keys[index + 1] == "null" and is_name:
                yield self._manipulation(CaveatCode.KNOCKOUT, range(index, index + 2), range(index, index + 1))

    def antibodies(self) -> Iterator[Manipulation]:
        """Yield antibodies against something: "anti-TNF", "antibody against IL-6"."""
        for index in range(len(self._keys)):
            target = antibody_target(self._question, index)
            named = index in self._named and index not in self._agent_of
            if target and not named and not any(self._is_stimulus(each) for each in (index, *target)):
                unknown = not any(each in self._agent_of and self._agent_of[each].is_known for each in target)
                yield self._manipulation(CaveatCode.INHIBITION, range(index, index + 1), target)._replace(
                    is_treatment=unknown
                )
            if self._keys[index].startswith("antibod") and index not in self._named:
                targets = self._targets(index, 1)
                if any(self._is_agent(each) for each in targets):
                    yield self._manipulation(CaveatCode.INHIBITION, range(index, index + 1), targets)

    def absences(self) -> Iterator[Manipulation]:
        """Yield perturbations that the cells do not get: "without IL-2", "not treated with IFN-gamma", "TNF withdrawal"."""
        for agent in self._agents:
            span = self._absence(agent) if agent.is_name else None
            if span is not None:
                yield self._manipulation(CaveatCode.ABSENCE, span, agent.span)
        for gene in self._genes:
            after = self._keys[gene.end : gene.end + 3]
            gone = next((place for place, key in enumerate(after) if key.startswith((*LOSS, "missing", "gone"))), None)
            if (
                gone is not None
                and set(after[:gone]) <= {"is", "was", "are", "were", "has", "been"}
                and not self._is_effect(gene.end + gone, 1)
            ):
                yield self._manipulation(CaveatCode.KNOCKOUT, range(gene.end, gene.end + gone + 1), gene.span)
        for index in range(len(self._keys) - 1):
            if self._negates(index) and self._keys[index + 1].startswith(("stimulat", "treated", "exposed")):
                nothing_named = not any(index < agent.start <= index + _REACH for agent in self._agents)
                if nothing_named and not self._is_compared(index):
                    yield self._manipulation(CaveatCode.ABSENCE, range(index, index + 2), range(index, index))

    def _absence(self, agent: Agent) -> range | None:
        """Return the words that say that an agent is absent, or None."""
        before = self._keys[max(0, agent.start - _REACH) : agent.start]
        first = agent.start - len(before)
        after = self._keys[agent.end : agent.end + 4]
        for place in range(len(before) - 1, -1, -1):
            index = first + place
            if self._breaks(index, agent.start) or (index in self._agent_of and index not in agent.span):
                break
            if not self._denies(index, agent.start):
                continue
            if self._is_contrast(index) or self._is_compared(index):
                return None
            return range(index, agent.start)
        if not after:
            return None
        links = {
            "is",
            "was",
            "are",
            "were",
            "being",
            "has",
            "had",
            "been",
            "gets",
            "signal",
            "signaling",
            "treatment",
            "stimulation",
            "then",
        }
        for place, key in enumerate(after):
            if key.startswith(LOSS) or (key == "free" and self._question.gap(agent.end) == "-"):
                return range(agent.end, agent.end + place + 1) if not self._is_effect(agent.end + place, 1) else None
            if key not in links:
                return None
        return None

    def _denies(self, index: int, stop: int) -> bool:
        """Return whether the word at an index says that the agent at `stop` is absent."""
        key, between = self._keys[index], self._keys[index + 1 : stop]
        plain = all(
            word in _OF
            or word
            in {"any", "from", "in", "added", "exogenous", "recombinant", "of", "add", "adding", "give", "giving"}
            for word in between
        )
        if key in WITHOUT:
            return all(
                word in _OF or word.startswith(("add", "any", "exogen", "recombin", "treat", "expos", "stimul"))
                for word in between
            )
        if self._negates(index):
            return any(word.startswith(_TREATED) for word in between)
        if key.startswith(LOSS):
            return plain and not self._is_effect(index, 1)
        if key in AWAY:
            return plain and any(word in {"from", "of", "with", "by"} for word in between)
        if key == "naive":
            return between[:1] == ["to"] and plain
        return key == "before" and any(word.startswith(("expos", "treat", "stimul", "add")) for word in between)

    def _negates(self, index: int) -> bool:
        """Return whether the word is a negation; the "t" of "weren't" is one, the T of "T cells" is not."""
        if self._keys[index] == "t":
            return index > 0 and self._keys[index - 1].endswith("n") and self._question.gap(index) in {"'", "’"}
        return self._keys[index] in NEGATIONS

    def _is_contrast(self, index: int) -> bool:
        """Return whether the word is one side of a contrast: "with and without", "treated or not", "presence or absence"."""
        before, after = self._keys[max(0, index - 2) : index], self._keys[index + 1 : index + 3]
        sides = {"and", "or", "versus", "vs", "und", "et", "y", "oder", "ou", "o"}
        return bool(before and before[-1] in sides) or bool(after and after[0] in sides)

    def _is_compared(self, index: int) -> bool:
        return any(key.startswith(_COMPARED) for key in self._keys[max(0, index - _REACH) : index])

    def _cue(self, index: int) -> tuple[CaveatCode | None, int]:
        """Return what the word at an index says was done, and the number of its words."""
        if index in self._named:
            return None, 1
        key, text = self._keys[index], self._question.words[index].text
        following = self._keys[index + 1] if index + 1 < len(self._keys) else ""
        for start, next_start, code in _PAIRS:
            if key.startswith(start) and following.startswith(next_start):
                return code, 2
        if key in _LACKS and self._is_lacked(index + 1):
            return CaveatCode.KNOCKOUT, 1
        if key.startswith(GENOTYPE) and self._targets(index, 1):
            return CaveatCode.KNOCKOUT, 1
        if key.startswith(GENE_TRANSFER) or (key == "forced" and "express" in self._keys[index : index + 4]):
            other = any(
                self._keys[place].startswith(_SILENCING) for place in range(index, min(index + _REACH, len(self._keys)))
            )
            return None if other else CaveatCode.OVEREXPRESSION, 1
        if text == "KD" or key in KNOCKDOWN_WORDS:
            return CaveatCode.KNOCKDOWN, 1
        found = next((code for starts, code in _STARTS if key.startswith(starts)), None)
        if key in KNOCKOUT_WORDS:
            found = CaveatCode.KNOCKOUT
        return (None if key == "inhibitory" else found), 1

    def _is_lacked(self, index: int) -> bool:
        """Return whether a gene stands there, not what it makes: "no STAT1", but not "no CXCL10 production"."""
        return self._is_gene(index) and self._keys[index + 1 : index + 2] not in [[key] for key in _READOUTS]

    def _is_gene(self, index: int) -> bool:
        """Return whether the word looks like a gene or a receptor, not like a known perturbation."""
        agent = self._agent_of.get(index)
        if index >= len(self._keys) or (agent and agent.is_name):
            return False
        text = self._question.words[index].text
        return len(text) > 1 and text[:2].isupper()

    def _is_effect(self, index: int, length: int) -> bool:
        """Return whether the cue describes what a perturbation does, not what was done to the cells."""
        return (
            self._is_passive(index + length)
            or self._has_agent_as_subject(index)
            or self._is_participle_of_readout(index)
            or self._is_said_of_readout(index)
            or self._is_object(index)
        )

    def _is_object(self, index: int) -> bool:
        """Return whether a perturbation acts on what the cue describes: "inhibitors that TNF induces", "genes that block ... go up"."""
        if self._keys[index - 1 : index] in (["that"], ["which"]) and self._keys[max(0, index - 2)] in _READOUTS:
            return any(self._acts(agent.start) for agent in self._agents)
        for agent in self._agents:
            led = self._keys[agent.start - 1 : agent.start]
            if index < agent.start <= index + 9 and self._acts(agent.start) and led and led[0] in _LEADS:
                return any(key.startswith(_CAUSING) for key in self._keys[agent.end : agent.end + 3])
        return False

    def _is_said_of_readout(self, index: int) -> bool:
        """Return whether the cue says what a gene is or does: "SOCS1 is an inhibitor of ...", "Welche Gene hemmt IL-2"."""
        before = self._keys[max(0, index - 3) : index]
        if before[-1:] and before[-1] in {"genes", "gene", "geni"} and self._keys[index].startswith(_FOREIGN_VERBS):
            return True
        if self._keys[index] == "loss" and self._is_observed(index):
            return True
        if not self._keys[index].startswith(_NOUNS) or not {"is", "are", "its", "their", "own"} & set(before):
            return False
        subject = (
            index
            - len(before)
            + next(place for place, key in enumerate(before) if key in {"is", "are", "its", "their", "own"})
            - 1
        )
        own = bool({"its", "their", "own"} & set(before)) and any(
            self._acts(agent.start) for agent in self._agents if agent.end <= index
        )
        return own or (subject >= 0 and self._is_gene(subject))

    def _is_observed(self, index: int) -> bool:
        """Return whether the question asks if the cells show it: "Is loss of CD62L seen ...", "Is there loss of HLA-DR ..."."""
        acting = any(self._acts(agent.start) for agent in self._agents)
        asked = self._keys[max(0, index - 2) : index][:1] in (["is"], ["are"], ["do"], ["does"])
        seen = any(key in _SEEN for key in self._keys[index : index + _REACH])
        return acting and (seen or (asked and "there" in self._keys[max(0, index - 2) : index]))

    def _is_passive(self, after: int) -> bool:
        """Return whether "by" and a perturbation follow: "suppressed in NK cells by TGF-beta"."""
        for place in range(after, min(after + _REACH, len(self._keys))):
            if self._keys[place] in _CLAUSE or self._breaks(after - 1, place):
                return False
            if self._keys[place] in _BY:
                return self._names_acting(place)
        # In German the verb comes last: "durch IFN-beta gehemmt".
        cue = after - 1
        return any(
            self._keys[place] in _BY - {"by"} and self._names_acting(place)
            for place in range(max(0, cue - _REACH), cue)
        )

    def _names_acting(self, place: int) -> bool:
        """Return whether a perturbation follows within three words."""
        return any(self._acts(index) for index in range(place + 1, min(place + 4, len(self._keys))))

    def _has_agent_as_subject(self, index: int) -> bool:
        """Return whether a perturbation before the cue does it: "does TGF-beta block ...", "IFN-gamma causes loss of ..."."""
        before = [agent for agent in self._agents if agent.end <= index]
        nearest = before[-1:] if before and before[-1].end == index and before[-1].is_known else before
        subject = next((agent for agent in reversed(nearest) if self._acts(agent.start)), None)
        if subject is None or self._breaks(subject.end - 1, index):
            return False
        between = self._keys[subject.end : index]
        causing = any(key.startswith(_CAUSING) for key in between)
        if causing:
            return (_CLAUSE | _ADDED).isdisjoint(between)
        if not all(key in _LIGHT for key in between):
            return False
        key = self._keys[index]
        if (
            between[-1:]
            and between[-1] in {"a", "an", "the"}
            and {"is", "are"} & set(self._keys[max(0, subject.start - 1) : index])
        ):
            return True  # "Is IFN-beta an inhibitor of ..."
        if key.startswith(_NOUNS) or key.endswith(
            ("ing", "tion", "or", "ors", "ed", "ficient", "ency", "out", "down", "ade")
        ):
            return False
        # In German the verb of "wenn man IL-6 blockiert" follows its object.
        conditional = not _IF.isdisjoint(self._keys[max(0, subject.start - 4) : subject.start])
        foreign = key.startswith(_FOREIGN_VERBS) and not key.endswith("ung") and not conditional
        finite = foreign or (key.endswith("s") and not key.endswith("ss"))
        helped = any(key in _AUXILIARIES for key in (*between, *self._keys[max(0, subject.start - 3) : subject.start]))
        return finite or helped

    def _is_participle_of_readout(self, index: int) -> bool:
        """Return whether the cue says what happened to a readout: "genes silenced after ...", "is proliferation inhibited ..."."""
        if not self._keys[index].endswith(("ed", "t", "n")) or self._keys[index].endswith(("ion", "ent")):
            return False
        for place in range(index - 1, max(index - 7, -1), -1):
            key = self._keys[place]
            if key in _CLAUSE or self._breaks(place, index) or place in self._agent_of:
                return False
            if key in _READOUTS:
                # "TGF-beta signaling is blocked" and "if proliferation is blocked" say what was done.
                own = place - 1 in self._agent_of or not _IF.isdisjoint(self._keys[max(0, place - 3) : place])
                return not own and any(self._acts(agent.start) for agent in self._agents)
        return False

    def _acts(self, index: int) -> bool:
        """Return whether the word belongs to a perturbation of the catalog that is itself no inhibitor."""
        agent = self._agent_of.get(index)
        return (
            agent is not None
            and agent.is_known
            and agent.blocks is None
            and self._keys[agent.start - 1 : agent.start] != ["anti"]
        )

    def _targets(self, index: int, length: int) -> range:
        """Return the words that name the target of a cue: after it ("block IL-6"), else before it ("IL-6 blockade")."""
        after = index + length
        place = after
        while (
            place < len(self._keys)
            and place - after < 4
            and self._keys[place] in _OF
            and not self._breaks(index, place)
        ):
            place += 1
        if place < len(self._keys) and not self._breaks(index, place) and self._may_be_target(place):
            agent = self._agent_of.get(place)
            return agent.span if agent else range(place, place + 1)
        linking = {
            "is",
            "was",
            "are",
            "were",
            "been",
            "be",
            "being",
            "gets",
            "got",
            "has",
            "signaling",
            "pathway",
            "receptor",
            "gene",
            "with",
            "by",
            "a",
            "the",
            "of",
        }
        place = index - 1
        while (
            place >= 0
            and index - place < 5
            and (self._keys[place] in linking or self._keys[place].isdigit())
            and not self._breaks(place, index)
        ):
            place -= 1
        if place >= 0 and not self._breaks(place, index) and self._may_be_target(place):
            agent = self._agent_of.get(place)
            return agent.span if agent else range(place, place + 1)
        return range(index, index)

    def _may_be_target(self, index: int) -> bool:
        return self._is_agent(index) or self._is_gene(index)

    def _is_agent(self, index: int) -> bool:
        return index in self._agent_of

    def _is_stimulus(self, index: int) -> bool:
        """Return whether the word belongs to a known treatment, as the "anti" of "anti-CD3" does."""
        agent = self._agent_of.get(index)
        return agent is not None and agent.blocks is None and self._keys[agent.start] == "anti"

    def _breaks(self, start: int, stop: int) -> bool:
        """Return whether a sentence ends between two words."""
        return any(
            set(self._question.gap(index)) & set(".;?!")
            for index in range(start + 1, stop + 1)
            if index < len(self._keys)
        )

    def _after(self, index: int) -> str:
        """Return the text that follows a word up to the next, with every dash as a hyphen."""
        if index + 1 < len(self._keys):
            return self._question.gap(index + 1)
        return self._question.text[self._question.words[index].end :]

    def _manipulation(self, code: CaveatCode, cue: range, targets: range) -> Manipulation:
        indexes = sorted({*cue, *targets})
        return Manipulation(code, indexes[0], indexes[-1] + 1, frozenset(targets))
