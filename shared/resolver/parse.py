"""Take a question apart: names, other terms, genes, what acts on the cells, and what was done to them."""

from collections.abc import Sequence
from typing import NamedTuple

from shared.catalog.view import CatalogView
from shared.resolver.agents import Agent, find_agents
from shared.resolver.causes import Causes, find_causes
from shared.resolver.context import ContextTerm, find_terms
from shared.resolver.genes import GeneMention, find_genes
from shared.resolver.manipulations import Manipulation, find_manipulations
from shared.resolver.plain_words import PlainWords, plain_words
from shared.resolver.resolve import Found, find


class Parsed(NamedTuple):
    """The parts of a question."""

    found: Found
    terms: Sequence[ContextTerm]
    manipulations: Sequence[Manipulation]
    causes: Causes
    agents: Sequence[Agent]
    genes: Sequence[GeneMention]
    plain: PlainWords

    def piece(self, part: Agent | Manipulation | ContextTerm) -> str:
        """Return a part of the question as written."""
        return self.found.question.piece(part.start, part.end)


def parse(query: str, view: CatalogView) -> Parsed:
    """Find the parts of a question: names, other terms, what acts on the cells, and what was done to them."""
    found = find(query, view)
    terms = find_terms(found.question, found.covered)
    named = found.covered.union(*(term.span for term in terms))
    plain = plain_words(found.question, named, _before_cells(found))
    agents = find_agents(found, terms, plain)
    named = found.covered.difference(*(mention.span for mention, role in found.roles.items() if role < 0))
    genes = find_genes(found.question, found.covered)
    manipulations = find_manipulations(found.question, agents, genes, named, [mention.span for mention in found.cells])
    targets = frozenset[int]().union(*(each.targets for each in manipulations))
    causes = find_causes(found.question, agents, targets, [gene.span for gene in genes])
    taken = targets.union(*(agent.span for agent in agents if agent.is_name and agent not in causes.readouts))
    genes = [gene for gene in genes if taken.isdisjoint(gene.span)]
    return Parsed(found, terms, manipulations, causes, agents, genes, plain)


def _before_cells(found: Found) -> set[int]:
    """Return the words that stand right before cells, with those tied to them: a state ("tired"), rather than a misspelling ("tried")."""
    indexes = set()
    for mention in found.cells:
        first = mention.start - 1
        while first > 0 and found.question.gap(first) == "-":
            first -= 1
        if first - 1 not in found.covered:  # else it is a verb: "IFN-gamma hits monocytes"
            indexes |= set(range(max(first, 0), mention.start))
    return indexes
