"""Tell words that describe what a perturbation does from words that say what was done to the cells.

"Which genes does TGF-beta suppress?", "Is IL-6 inhibited by IL-10?" and "inhibitors that TNF induces" name effects, which a run predicts;
"TNF inhibition" and "IL-6 was blocked" name manipulations.
"""

from shared.resolver.cues import AUXILIARIES
from shared.resolver.sentence import Sentence, starts

_NOUNS = (
    "inhibition", "inhibitor", "blockade", "blocker", "antagonist", "antagonism", "knockout", "knockdown", "deletion", "silencing",
    "mutant", "mutation", "mutein", "variant", "allele",
)  # fmt: skip
_NOT_FINITE = ("ing", "tion", "or", "ors", "ed", "ficient", "ency", "out", "down", "ade")
# Nouns for what a run predicts: "genes suppressed ...", "expression is blocked ...".
READOUTS = frozenset(
    {
        "gene", "genes", "transcript", "transcripts", "mrna", "mrnas", "pathway", "pathways", "marker", "markers", "program", "programs",
        "process", "processes", "module", "modules", "signature", "signatures", "expression", "production", "secretion", "release",
        "proliferation", "killing", "cytotoxicity", "function", "functions", "activity", "differentiation", "apoptosis", "migration",
        "activation", "signaling", "metabolism", "translation", "molecules", "proteins", "receptors", "chemokines", "cytokines", "factors",
    }
)  # fmt: skip
_CAUSING = (
    "caus", "induc", "lead", "led", "result", "driv", "trigger", "promot", "increas", "decreas", "reduc", "enhanc", "mediat", "produc",
    "relie", "releas", "affect", "alter", "chang", "influenc", "resist", "upregul", "downregul", "rais", "express", "turn", "switch",
    "leave", "make", "render", "activat", "stop", "boost", "elevat", "lower", "protect", "reverse", "overcom",
)  # fmt: skip
# Words that may stand between a perturbation and what it does.
_LIGHT = frozenset(
    {
        "does", "do", "did", "can", "could", "will", "would", "may", "might", "should", "to", "also", "strongly", "directly", "really",
        "still", "further", "in", "on", "an", "a", "the", "any", "able", "known", "predicted", "expected", "more", "less", "and", "or",
        "treatment", "stimulation", "exposure", "itself", "have", "has", "is", "be", "actually", "selectively", "significantly", "only",
        "most", "partially", "completely", "ever", "tend", "seem", "likely", "help", "helps", "ability", "capacity", "signaling", "then",
        "potently", "rapidly", "usually", "often", "that", "which", "genes", "gene", "protein", "up", "down",
    }
)  # fmt: skip
_AUXILIARIES = AUXILIARIES | {"to", "not"}
_AUXILIARY_BEFORE = _AUXILIARIES - {"to"}
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
_IF = frozenset({"if", "when", "once", "because", "since", "whose", "wenn", "falls", "quand", "lorsque", "cuando"})
_BY = frozenset({"by", "durch", "par", "por"})
# "STAT1 knockdown followed by IFN-gamma": the perturbation comes later, it is not what acts on STAT1.
_SEQUENCE = frozenset({"followed", "succeeded", "preceded", "accompanied", "suivi", "suivie", "seguido", "seguida"})
_LEADS = frozenset({"that", "which", "does", "do", "did", "can", "will", "would"})
_IS = frozenset({"is", "are"})
_OWN = frozenset({"its", "their", "own"})
_ARTICLES = frozenset({"a", "an", "the"})
_SEEN = frozenset(
    {"seen", "observed", "found", "detected", "occur", "occurs", "happen", "happens", "expected", "visible", "show"}
)
_ADJECTIVES = (
    "deficien",
    "knock",
    "ko",
    "delet",
    "lack",
    "silenc",
    "overexpress",
    "edited",
    "mutant",
    "mutat",
    "crispr",
    "ablat",
)
# Verbs that make cells something: "leave NK cells deficient in perforin".
_RESULTING = ("leave", "leaving", "mak", "render", "turn", "keep", "becom")
# Verbs that make cells express something: "turn on inhibitors of apoptosis".
_EXPRESSING = ("turn", "switch", "induc", "upregul", "express", "rais", "produc", "activat")
_FOREIGN_VERBS = ("hemm", "bloqu", "blockier", "inhibe", "inhibi", "reprim", "unterdruck", "supprim", "suprim")
_REACH = 6
_CLAUSE_LENGTH = 9


def is_effect(sentence: Sentence, index: int, length: int = 1) -> bool:
    """Return whether the words at an index describe what a perturbation does."""
    if _is_passive(sentence, index, index + length):
        return True
    if _is_said_of_cells(sentence, index, length):
        return False
    return (
        _has_subject(sentence, index)
        or _is_participle_of_readout(sentence, index)
        or _is_said_of_gene(sentence, index)
        or _is_object(sentence, index)
    )


def _is_said_of_cells(sentence: Sentence, index: int, length: int) -> bool:
    """Return whether the words say what the cells are: "STAT1-deficient monocytes", but not "make NK cells deficient in ..."."""
    if not sentence.keys[index].startswith(_ADJECTIVES):
        return False
    is_result = starts(sentence.before(index, _REACH), _RESULTING) and not sentence.describes_cells(-1, index + length)
    return sentence.describes_cells(index, index + length) and not is_result


def _is_passive(sentence: Sentence, index: int, after: int) -> bool:
    """Return whether "by" and a perturbation follow: "suppressed in NK cells by TGF-beta"."""
    keys = sentence.keys
    for place in range(after, min(after + _REACH, len(keys))):
        if keys[place] in _CLAUSE or sentence.breaks(after - 1, place):
            return False
        if keys[place] in _BY:
            return keys[place - 1] not in _SEQUENCE and sentence.names_acting(place)
    # In German the verb comes last: "durch IFN-beta gehemmt".
    places = range(max(0, index - _REACH), index)
    return any(keys[place] in _BY - {"by"} and sentence.names_acting(place) for place in places)


def _has_subject(sentence: Sentence, index: int) -> bool:
    """Return whether a perturbation before the word does it: "does TGF-beta block ...", "IFN-gamma causes loss of ..."."""
    before = [agent for agent in sentence.agents if agent.end <= index]
    if before and before[-1].end == index and before[-1].is_known:
        before = before[-1:]  # "TNF inhibition": nothing farther away is the subject
    subject = next((agent for agent in reversed(before) if sentence.acts(agent.start)), None)
    if subject is None or sentence.breaks(subject.end - 1, index):
        return False
    between = sentence.keys[subject.end : index]
    if starts(between, _CAUSING):
        return (_CLAUSE | _ADDED).isdisjoint(between)
    if not _LIGHT.issuperset(between):
        return False
    return _is_predicate(sentence, index, subject.start, between) or _is_verb(sentence, index, subject.start, between)


def _is_predicate(sentence: Sentence, index: int, subject: int, between: list[str]) -> bool:
    """Return whether the word says what a perturbation is: "Is IFN-beta an inhibitor of ..."."""
    return not _ARTICLES.isdisjoint(between[-1:]) and not _IS.isdisjoint(sentence.keys[max(0, subject - 1) : index])


def _is_verb(sentence: Sentence, index: int, subject: int, between: list[str]) -> bool:
    """Return whether the word is the verb of the perturbation before it: "does TGF-beta block", "IL-10 inhibits"."""
    key = sentence.keys[index]
    if key.startswith(_NOUNS) or key.endswith(_NOT_FINITE):
        return False
    # In German the verb of "wenn man IL-6 blockiert" follows its object.
    is_conditional = not _IF.isdisjoint(sentence.before(subject, 4))
    is_foreign = key.startswith(_FOREIGN_VERBS) and not key.endswith("ung") and not is_conditional
    is_helped = not _AUXILIARIES.isdisjoint([*between, *(_AUXILIARY_BEFORE & set(sentence.before(subject, 3)))])
    return is_foreign or is_helped or (key.endswith("s") and not key.endswith("ss"))


def _is_participle_of_readout(sentence: Sentence, index: int) -> bool:
    """Return whether the word says what happened to a readout: "genes silenced after ...", "is proliferation inhibited ..."."""
    key = sentence.keys[index]
    if not key.endswith(("ed", "t", "n")) or key.endswith(("ion", "ent")):
        return False
    for place in range(index - 1, max(index - _REACH - 1, -1), -1):
        if sentence.keys[place] in _CLAUSE or sentence.breaks(place, index) or sentence.agent(place):
            return False
        if sentence.keys[place] in READOUTS:
            # "TGF-beta signaling is blocked" and "if proliferation is blocked" say what was done.
            is_done = sentence.agent(place - 1) is not None or not _IF.isdisjoint(sentence.before(place, 4))
            return not is_done and sentence.any_acts()
    return False


def _is_said_of_gene(sentence: Sentence, index: int) -> bool:
    """Return whether the word says what genes are or do: "SOCS1 is an inhibitor of ...", "Welche Gene hemmt IL-2"."""
    key, before = sentence.keys[index], sentence.before(index, 3)
    if before[-1:] in (["genes"], ["gene"], ["geni"]) and key.startswith(_FOREIGN_VERBS):
        return True
    if key == "loss":
        return _is_observed(sentence, index)
    if not key.startswith(_NOUNS):
        return False
    names_genes = key.startswith(("inhibitor", "antagonist")) and sentence.after(index + 1, 1) in (["gene"], ["genes"])
    if (names_genes or starts(before, _EXPRESSING)) and sentence.any_acts():
        return True  # "JAK inhibitor genes", "turn on inhibitors of apoptosis"
    if not _OWN.isdisjoint(before):
        agents = [agent for agent in sentence.agents if agent.end <= index and sentence.acts(agent.start)]
        return any(starts(sentence.keys[agent.end : index], _CAUSING) for agent in agents)
    copulas = [place for place in range(index - len(before), index) if sentence.keys[place] in _IS]
    return bool(copulas) and copulas[0] > 0 and sentence.is_gene(copulas[0] - 1)


def _is_observed(sentence: Sentence, index: int) -> bool:
    """Return whether the question asks if the cells show it: "Is loss of CD62L seen ...", "Is there loss of HLA-DR ..."."""
    before = sentence.before(index, 2)
    is_asked = before[:1] in (["is"], ["are"], ["do"], ["does"]) and "there" in before
    is_seen = not _SEEN.isdisjoint(sentence.after(index, _REACH))
    return sentence.any_acts() and (is_seen or is_asked)


def _is_object(sentence: Sentence, index: int) -> bool:
    """Return whether a perturbation acts on what the word describes: "inhibitors that TNF induces", "genes that block ..."."""
    before = sentence.before(index, 2)
    if before[-1:] in (["that"], ["which"]) and before[0] in READOUTS:
        return sentence.any_acts()
    for agent in sentence.agents:
        is_led = not _LEADS.isdisjoint(sentence.before(agent.start, 1))
        is_near = index < agent.start <= index + _CLAUSE_LENGTH and not sentence.commas(index, agent.start)
        if is_led and is_near and sentence.acts(agent.start):
            return starts(sentence.after(agent.end, 3), _CAUSING)
    return False
