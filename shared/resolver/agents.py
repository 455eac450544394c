"""Find what a question names as acting on the cells: perturbations of the catalog, other treatments, and unknown names in their place."""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from shared.catalog.normalize import Word, singular
from shared.resolver.context import ContextTerm, TermKind
from shared.resolver.cues import is_cue
from shared.resolver.lexicon import common_words
from shared.resolver.plain_words import PlainWords
from shared.resolver.question import Question
from shared.resolver.resolve import Found, is_unknown_stimulus, may_be_name
from shared.resolver.roles import FILLERS, Role, role_of, unknown_causes

# The endings that the WHO assigns to antibodies, receptor fusions and inhibitors of enzymes and receptors.
_BLOCKER = re.compile(r"\w{2,}(mab|nib|ciclib|lisib|parib|zomib|cept|kinra|sertib|degib|clax)")
# "anti-" before these is no antibody against them.
_NOT_A_TARGET = (
    "inflam", "vir", "tumor", "tumour", "microb", "bacter", "fung", "oxid", "apopto", "prolifer", "cancer", "fibro", "angiogen", "aging",
    "ageing", "parasit", "coagul", "diabet", "leukem", "myelom", "pathogen", "sense", "body", "bodies", "gen", "depress", "malari",
)  # fmt: skip


# Words for a group of perturbations.
GROUPS: Final = frozenset(
    {"cytokine", "interleukin", "chemokine", "drug", "compound", "stimulus", "treatment", "perturbation"}
)


# Words that join a further treatment to one.
_JOINTS: Final = (
    ("plus",), ("with",), ("and",), ("alongside",), ("together", "with"), ("combined", "with"), ("in", "combination", "with"),
    ("in", "the", "presence", "of"), ("on", "top", "of"),
)  # fmt: skip
_KILLED = frozenset({"killed", "inactivated", "attenuated", "fixed"})
_RECOGNIZING = frozenset({"specific", "reactive"})
_CELLS = frozenset({"cell", "cells", "line", "lines"})


class Agent(NamedTuple):
    """Something that a question names as acting on the cells."""

    start: int  # index of its first word
    end: int  # index after its last word
    means: tuple[str, ...]  # canonical names of perturbations; empty for anything that the catalog does not know
    role: Role
    is_name: bool  # whether it is a known name or term, not only a word in the place of one
    blocks: str | None  # what it blocks, if it is a drug or an antibody against something ("" if unknown)

    @property
    def span(self) -> range:
        """The indexes of its words."""
        return range(self.start, self.end)

    @property
    def is_known(self) -> bool:
        """Whether the catalog knows it."""
        return bool(self.means)


def find_agents(found: Found, terms: Sequence[ContextTerm], plain: PlainWords) -> list[Agent]:
    """Return the agents of a question in order, without overlap."""
    question, words = found.question, found.question.words
    blockers = {index: term.meaning for term in terms if term.kind is TermKind.ANTAGONIST for index in term.span}
    agents = [
        Agent(
            mention.start, mention.end, mention.means, role, True, _blocked(words, mention.start, mention.end, blockers)
        )
        for mention, role in found.roles.items()
    ]
    taken = {index for agent in agents for index in agent.span}
    for term in terms:
        if (
            term.kind in {TermKind.STIMULUS, TermKind.ANTAGONIST}
            and taken.isdisjoint(term.span)
            and not _is_only_cue(words, term)
            and not _says_how_killed(question, term)
            and not _is_recognized(question, term.end)
        ):
            end = _with_markers(question, term.end) if words[term.start].key == "anti" else term.end
            role = role_of(question, term.start, end, before_cell_type=False)
            blocks = term.meaning if term.kind is TermKind.ANTAGONIST else None
            agents.append(Agent(term.start, end, (), role, True, blocks))
    taken |= {index for agent in agents for index in agent.span}
    known = found.covered.union(taken, *(term.span for term in terms))
    for start, end in _unknown_agents(found, known, plain):
        if _is_recognized(question, end) or words[end - 1].key in _RECOGNIZING:
            continue
        role = role_of(question, start, end, before_cell_type=False)
        blocks = "" if _is_antibody(question, start) or _BLOCKER.fullmatch(words[end - 1].key) else None
        agents.append(Agent(start, end, (), role, False, blocks))
    return sorted(agents)


def _with_markers(question: Question, end: int) -> int:
    """Return the end of an antibody with the further markers that it names: "anti-CD3/CD28", "anti-CD3/anti-CD28"."""
    words = question.words
    while (
        end < len(words)
        and question.gap(end) in {"/", "-"}
        and (words[end].key == "anti" or words[end].key.startswith("cd"))
    ):
        end += 1
    return end


def _says_how_killed(question: Question, term: ContextTerm) -> bool:
    """Return whether the term only says how another agent was killed: the "heat" of "heat-killed Candida"."""
    words = question.words
    return term.end < len(words) and question.gap(term.end) == "-" and words[term.end].key in _KILLED


def _is_recognized(question: Question, end: int) -> bool:
    """Return whether what ends there is only what cells recognize: the "EBV" of "EBV-specific T cells"."""
    words = question.words
    return end < len(words) and question.gap(end) == "-" and words[end].key in _RECOGNIZING


def _is_only_cue(words: Sequence[Word], term: ContextTerm) -> bool:
    return all(is_cue(words[index].key) for index in term.span)


def antibody_target(question: Question, index: int) -> range | None:
    """Return the words that the "anti" at this index stands against ("anti-PD-1", "anti CD20"), or None if it is no antibody."""
    words = question.words
    # "α-TNF" and "a-TNF", but not "IL-1-a".
    is_alpha = words[index].text in {"α", "a"} and (index == 0 or question.gap(index).isspace())
    is_alpha = is_alpha and index + 1 < len(words) and question.gap(index + 1) == "-"
    if (
        (words[index].key != "anti" and not is_alpha)
        or index + 1 == len(words)
        or words[index + 1].key.startswith(_NOT_A_TARGET)
    ):
        return None
    end = index + 2
    while end < len(words) and question.gap(end) in {"-", "/"} and words[end].key not in common_words():
        end += 1
    return range(index + 1, end)


def _blocked(words: Sequence[Word], start: int, end: int, blockers: dict[int, str]) -> str | None:
    if start in blockers:
        return blockers[start]
    return "" if any(_BLOCKER.fullmatch(word.key) for word in words[start:end]) else None


def _is_antibody(question: Question, start: int) -> bool:
    words = question.words
    return start > 0 and words[start - 1].key == "anti" and not words[start].key.startswith(_NOT_A_TARGET)


def _names_group(question: Question, index: int) -> bool:
    """Return whether the word names a group of perturbations in the place of one: "respond to cytokines"."""
    words = question.words
    is_group = singular(words[index].key) in GROUPS and words[index].key.endswith("s")
    ends = (
        index + 1 == len(words) or question.gap(index + 1).strip() != "" or words[index + 1].key in {"in", "or", "and"}
    )
    return is_group and ends and role_of(question, index, index + 1, before_cell_type=False) is Role.CAUSE


def _joined_to_known(found: Found) -> Iterator[int]:
    """Yield the word that something joins to each perturbation: the unknown name in "IL-6 plus XJ-4471", "IL-6 with bleach"."""
    words = found.question.words
    keys = [word.key for word in words]
    for mention, role in found.roles.items():
        if role <= Role.READOUT or mention.end >= len(words):
            continue
        place = mention.end
        if "+" not in found.question.gap(place):
            joined = next((joint for joint in _JOINTS if tuple(keys[place : place + len(joint)]) == joint), None)
            if joined is None:
                continue
            place += len(joined)
        while place < len(words) and keys[place] in FILLERS:
            place += 1
        # "IL-2 and zorbly CD8 T cells" says something about the cells.
        if place < len(words) and all(cells.start != place + 1 for cells in found.cells):
            yield place


def _qualifies_cells(found: Found, index: int) -> bool:
    """Return whether a word belongs to the cells after it: "Jurkat cells", "CAR-T cells"."""
    question = found.question
    if question.words[index + 1].key in _CELLS:
        return question.gap(index + 1) == " "
    return question.gap(index + 1) == "-" and any(mention.start == index + 1 for mention in found.cells)


def _unknown_agents(found: Found, known: Collection[int], plain: PlainWords) -> Iterator[tuple[int, int]]:
    """Yield the runs of unknown words in the place of a perturbation, tied words as one."""
    question, words = found.question, found.question.words
    # A plain word is a treatment only if nothing else is one: "respond to exercise", but not "after successful treatment with IL-2".
    is_alone = not any(role > Role.READOUT for role in found.roles.values())
    passed = plain.never_asked if is_alone else plain.all
    passed |= {index for index, word in enumerate(words) if is_cue(word.key) or word.key == "pre"}
    known = {*known, *(index for index in passed if not _is_antibody(question, index))}
    known |= {index for index in range(len(words) - 1) if _qualifies_cells(found, index)}
    causes = {word.start for word in unknown_causes(question, frozenset(known)) if may_be_name(word)}
    for index, word in enumerate(words):
        if index not in known and (_is_antibody(question, index) or is_unknown_stimulus(found, index, known)):
            causes.add(word.start)
    causes.update(
        words[index].start for index in _joined_to_known(found) if index not in known and may_be_name(words[index])
    )
    if is_alone:
        causes.update(word.start for index, word in enumerate(words) if _names_group(question, index))
    places = [index for index, word in enumerate(words) if word.start in causes]
    while places:
        start = places.pop(0)
        end = start + 1
        while end < len(words) and end not in known and (end in places or question.gap(end) == "-"):
            if end in places:
                places.remove(end)
            elif words[end].key in common_words():
                break
            end += 1
        yield start, end
