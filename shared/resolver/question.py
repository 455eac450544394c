"""A question as words with what stands between them."""

import unicodedata
from typing import NamedTuple

from shared.catalog.normalize import Word, split
from shared.catalog.schemas import MatchedTerm

_ALL_CAPITALS = 0.9
_DASHES = {ord(dash): "-" for dash in "\u2010\u2011\u2012\u2013\u2212"}


class Question(NamedTuple):
    """A question and its words.

    Attributes:
        text: the question.
        words: its words in order.
        shouted: whether it is written in capitals, so that case says nothing.
    """

    text: str
    words: tuple[Word, ...]
    shouted: bool

    @classmethod
    def of(cls, query: str) -> "Question":
        """The words of a question; accents that are typed apart are put on their letters."""
        text = unicodedata.normalize("NFC", query)
        letters = [character for character in text if character.isalpha()]
        shouted = sum(map(str.isupper, letters)) > _ALL_CAPITALS * len(letters)
        return cls(text, tuple(split(text)), shouted)

    def piece(self, start: int, end: int) -> str:
        """The words from `start` up to `end` as written, with what stands between them."""
        return self.text[self.words[start].start : self.words[end - 1].end]

    def gap(self, index: int) -> str:
        """What stands between a word and the one before it, any dash as a hyphen."""
        return self.text[self.words[index - 1].end : self.words[index].start].translate(_DASHES)

    def after(self, end: int) -> str:
        """The character right behind the word before `end`, empty at the end of the text."""
        place = self.words[end - 1].end
        return self.text[place : place + 1]


# FOLDED from resolution.py: """What a question was taken for, and how that is told to a person."""
class Resolution(NamedTuple):
    """What a question was taken for.

    Attributes:
        cell_type: the cell type, or None.
        perturbation: the perturbation, or None.
        observational: the question asks of cells as they are: it names a cell type and neither a perturbation nor anything in the
            place of one.
        recognised: pieces of the question that mean something here, as written.
        unrecognised: words that might name something and do not here, as written.
    """

    cell_type: MatchedTerm | None
    perturbation: MatchedTerm | None
    observational: bool
    recognised: tuple[str, ...]
    unrecognised: tuple[str, ...]

    @property
    def explanation(self) -> str:
        """Sentences for a person: what was recognised as what, and what was not."""
        roles = ((self.cell_type, "cell type"), (self.perturbation, "perturbation"))
        taken = [_told(term, role) for term, role in roles if term]
        if taken:
            missing = [f"No {role} was recognised." for term, role in roles if term is None]
            sentences = [f"Recognised: {'; '.join(taken)}.", *missing]
        else:
            sentences = ["Neither a cell type nor a perturbation was recognised."]
        if self.unrecognised:
            sentences.append(f"Not recognised: {', '.join(self.unrecognised)}.")
        return " ".join(sentences)


def _told(term: MatchedTerm, role: str) -> str:
    known_as = f"{term.name} ({term.cell_ontology_id})" if term.cell_ontology_id else term.name
    return f'"{term.matched_text}" as the {role} {known_as}'
