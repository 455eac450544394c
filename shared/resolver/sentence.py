"""A question with what acts in it, as the rules for manipulations and effects read it: words by index, agents by word."""

from collections.abc import Iterable, Sequence

from shared.resolver.agents import Agent
from shared.resolver.cues import NEGATIONS
from shared.resolver.genes import GeneMention, is_symbol
from shared.resolver.question import Question

_SENTENCE_ENDS = frozenset(".;?!")
_LONGEST_LIST = 4


class Sentence:
    """The folded words of a question, with its agents and genes.

    Attributes:
        keys: the folded words.
        named: indexes of the words inside names, which are no cues ("leukemia inhibitory factor").
    """

    def __init__(
        self,
        question: Question,
        agents: Sequence[Agent] = (),
        genes: Sequence[GeneMention] = (),
        named: frozenset[int] = frozenset(),
        cells: Sequence[range] = (),
    ) -> None:
        self._cells = frozenset(index for span in cells for index in span)
        self._cells_from = {span.start for span in cells}
        self._cells_until = {span.stop for span in cells}
        self.question = question
        self.agents = agents
        self.genes = genes
        self.named = named
        self.keys = [word.key for word in question.words]
        self._agent_of = {index: agent for agent in agents for index in agent.span}

    def agent(self, index: int) -> Agent | None:
        """Return the agent that a word belongs to, or None."""
        return self._agent_of.get(index)

    def acts(self, index: int) -> bool:
        """Return whether a word belongs to a perturbation of the catalog that is itself no inhibitor."""
        agent = self.agent(index)
        return agent is not None and agent.is_known and agent.blocks is None and self.before(agent.start, 1) != ["anti"]

    def any_acts(self) -> bool:
        """Return whether the question names a perturbation of the catalog that is itself no inhibitor."""
        return any(self.acts(agent.start) for agent in self.agents)

    def names_acting(self, index: int) -> bool:
        """Return whether such a perturbation follows a word within three words."""
        return any(self.acts(place) for place in range(index + 1, min(index + _LONGEST_LIST, len(self.keys))))

    def is_gene(self, index: int) -> bool:
        """Return whether a word looks like a gene or a receptor, and not like a known perturbation."""
        if index >= len(self.keys):
            return False
        agent = self.agent(index)
        if agent is None and index in self.named:
            return False
        text = self.question.words[index].text
        return not (agent and agent.is_name) and len(text) > 1 and text[:2].isupper()

    def spells_gene(self, index: int) -> bool:
        """Return whether a word is a gene with other capitals, such as "Myd88" or "p53"."""
        text = self.question.words[index].text
        is_special = any(map(str.isdigit, text)) or not text[1:].islower()
        is_ion = self.question.is_marker(index + 1)  # "without Ca2+"
        return is_special and not is_ion and index not in self.named and is_symbol(text)

    def is_cells(self, index: int) -> bool:
        """Return whether a word belongs to the name of a cell type."""
        return index in self._cells

    def negates(self, index: int) -> bool:
        """Return whether a word is a negation; the "t" of "weren't" is one, the T of "T cells" is not."""
        if self.keys[index] == "t":
            return index > 0 and self.keys[index - 1].endswith("n") and self.question.gap(index) in {"'", "’"}
        return self.keys[index] in NEGATIONS

    def describes_cells(self, start: int, stop: int) -> bool:
        """Return whether words stand right before or right after a cell type: "STAT1-deficient monocytes", "monocytes lacking STAT1"."""
        return stop in self._cells_from or start in self._cells_until

    def commas(self, start: int, stop: int) -> bool:
        """Return whether a comma stands between two words, outside parentheses."""
        depth = 0
        for index in range(start + 1, min(stop + 1, len(self.keys))):
            for character in self.question.gap(index):
                depth += (character == "(") - (character == ")")
                if character == "," and depth <= 0:
                    return True
        return False

    def before(self, index: int, number: int) -> list[str]:
        """Return at most so many words before a word."""
        return self.keys[max(0, index - number) : index]

    def after(self, index: int, number: int) -> list[str]:
        """Return at most so many words from a word on."""
        return self.keys[index : index + number]

    def breaks(self, start: int, stop: int) -> bool:
        """Return whether a sentence ends between two words."""
        gaps = (self.question.gap(index) for index in range(start + 1, min(stop + 1, len(self.keys))))
        return any(_SENTENCE_ENDS & set(gap) for gap in gaps)


def starts(keys: Iterable[str], beginnings: tuple[str, ...]) -> bool:
    """Return whether any of the words starts with one of these."""
    return any(key.startswith(beginnings) for key in keys)
