"""Choose the perturbation that a question asks about, and say what about it stands in the way of an answer."""

from collections.abc import Iterator, Sequence

from shared.catalog.interpretation import Caveat, CaveatCode
from shared.catalog.normalize import singular
from shared.catalog.plans import atlases_with
from shared.catalog.reference import perturbations as reference_perturbations
from shared.catalog.schemas import MatchedTerm
from shared.catalog.view import CatalogView
from shared.resolver import caveats
from shared.resolver.agents import GROUPS, Agent
from shared.resolver.causes import Relation
from shared.resolver.parse import Parsed
from shared.resolver.plain_words import unknown_words


def asked_perturbation(parsed: Parsed, view: CatalogView) -> MatchedTerm | None:
    """Return the perturbation that a question asks about, else one that it names; among the meanings of a name, one that an atlas has."""
    others = parsed.agents if parsed.manipulations else ()
    agent = next((agent for agent in (*parsed.causes.asked, *others) if agent.is_known), None)
    if agent is None:
        return None
    several = parsed.causes.asked if len(parsed.causes.asked) > 1 else (agent,)
    candidates = list(dict.fromkeys(name for each in several for name in each.means))
    name = next((name for name in agent.means if atlases_with(view, name)), agent.means[0])
    mention = next(mention for mention in parsed.found.roles if mention.start == agent.start)
    return MatchedTerm(
        name=name,
        matched_text=parsed.piece(agent),
        match=mention.match,
        kind=parsed.found.names.perturbations.kind(name),
        candidates=candidates if len(candidates) > 1 else [],
    )


def about_perturbation(parsed: Parsed, term: MatchedTerm | None, view: CatalogView) -> Iterator[Caveat]:
    """Yield what stands in the way of an answer about the perturbations that a question names.

    Args:
        term: the one that it asks about.
    """
    asked, blockers = _asked(parsed, view)
    yield from (caveats.about_text(CaveatCode.INHIBITION, parsed.piece(agent)) for agent in blockers)
    if len(asked) > 1:
        names = [agent.means[0] if agent.is_known else parsed.piece(agent) for agent in asked]
        text = parsed.found.question.piece(asked[0].start, asked[-1].end)
        is_choice = parsed.causes.relation is Relation.ALTERNATIVE
        yield caveats.alternatives(text, names) if is_choice else caveats.combination(text, names)
    for agent in asked:
        text = parsed.piece(agent)
        following = parsed.found.question.words[agent.end : agent.end + 1]
        if singular(text.casefold()) in GROUPS or (following and following[0].key == "family"):
            yield caveats.group(text)
        elif not agent.is_known or agent in blockers:
            yield caveats.unknown_perturbation(text, known=agent.is_known)
    if not asked:
        yield from _nothing_asked(parsed)
    elif len(asked) == 1 and term and term.candidates:
        yield from _several_meanings(term, view)


def _asked(parsed: Parsed, view: CatalogView) -> tuple[list[Agent], list[Agent]]:
    """Return what the question asks about, and which of these are drugs against something that no atlas has."""
    asked = list(parsed.causes.asked)
    if any(agent.is_known for agent in asked):  # "Which chemokines ... in response to TNF?" asks about TNF
        asked = [agent for agent in asked if singular(parsed.piece(agent).casefold()) not in GROUPS]
    named = [*asked, *parsed.causes.before]
    blockers = [agent for agent in named if agent.blocks is not None and not _is_in_atlas(agent, view)]
    if any(each.code is CaveatCode.INHIBITION for each in parsed.manipulations):
        # "Block IL-6 with tocilizumab" names one inhibition and its means.
        return [agent for agent in asked if agent not in blockers], []
    return asked, blockers


def _nothing_asked(parsed: Parsed) -> Iterator[Caveat]:
    """Yield why a question asks about no perturbation: none is named, or only unknown ones."""
    antibodies = [parsed.piece(each) for each in parsed.manipulations if each.is_antibody]
    unknown = antibodies if parsed.manipulations else _unknown_names(parsed)
    yield from map(caveats.unknown_perturbation, unknown)
    if not unknown and not parsed.manipulations:
        yield caveats.no_perturbation()


def _unknown_names(parsed: Parsed) -> list[str]:
    """Return the unknown words of a question that look like the code of a compound: "XJ-4471"; none if no cells are named."""
    question = parsed.found.question
    known = parsed.found.covered.union(*(term.span for term in parsed.terms), *(gene.span for gene in parsed.genes))
    names = []
    for start, end in unknown_words(question, parsed.plain, known):
        is_cells = end < len(question.words) and question.words[end].key in {"cell", "cells", "line"}
        name = question.text[question.words[start].start :].split()[0].strip(",.;:?!")
        if not is_cells and any(character.isdigit() for character in name):
            names.append(name)
    return names if parsed.found.subjects else []


def _several_meanings(term: MatchedTerm, view: CatalogView) -> Iterator[Caveat]:
    """Yield the caveat for a name of several perturbations, unless the atlases have none of them."""
    available = [name for name in term.candidates if atlases_with(view, name)]
    if len(available) == 1 and _is_one_class(term.candidates):
        yield caveats.one_of_family(term)
    elif len(available) > 1 or not _is_one_class(term.candidates):
        yield caveats.ambiguous_perturbation(term.matched_text, available or term.candidates)


def _is_in_atlas(agent: Agent, view: CatalogView) -> bool:
    return any(atlases_with(view, name) for name in agent.means)


def _is_one_class(names: Sequence[str]) -> bool:
    """Return whether perturbations share their receptors."""
    known = reference_perturbations()
    return len({known[name].receptors for name in names if name in known}) == 1
