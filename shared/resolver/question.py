"""A question as words and the gaps between them, and the result of resolving it."""

import unicodedata
from typing import NamedTuple

from shared.catalog.normalize import Word, respelled, split
from shared.catalog.schemas import MatchedTerm

_MOSTLY_CAPITALS = 0.9
# Words that the rules know in American spelling.
_SPELLINGS = {
    "signalling": "signaling",
    "labelled": "labeled",
    "dialled": "dialed",
    "tumour": "tumor",
    "tumours": "tumors",
}
_DASHES = {ord(dash): "-" for dash in "\u2010\u2011\u2012\u2013\u2212"}


class Question(NamedTuple):
    """A question and its words."""

    text: str
    words: tuple[Word, ...]
    all_caps: bool  # whether it is written in capitals, so that case carries no meaning

    @classmethod
    def of(cls, query: str) -> "Question":
        """Split a question into words, with combining accents joined to their letters."""
        text = unicodedata.normalize("NFC", query)
        letters = [character for character in text if character.isalpha()]
        all_caps = sum(map(str.isupper, letters)) > _MOSTLY_CAPITALS * len(letters)
        words = (respelled(word, _SPELLINGS[word.key]) if word.key in _SPELLINGS else word for word in split(text))
        return cls(text, tuple(words), all_caps)

    def piece(self, start: int, end: int) -> str:
        """Return the text from word `start` up to word `end`, as written."""
        return self.text[self.words[start].start : self.words[end - 1].end]

    def gap(self, index: int) -> str:
        """Return the text between a word and the one before it, with every dash as a hyphen."""
        return self.text[self.words[index - 1].end : self.words[index].start].translate(_DASHES)

    def is_marker(self, end: int) -> bool:
        """Return whether a plus after the word before `end` marks cells: "CD40L+ cells", but not "IFN-gamma+TNF"."""
        place = self.words[end - 1].end
        tail = self.text[place : place + 2]
        return tail[:1] in {"+", "⁺"} and not (tail[1:].isalnum() and not self.words[end - 1].key.startswith("cd"))

    def after(self, end: int) -> str:
        """Return the character after the word before `end`, empty at the end of the text."""
        place = self.words[end - 1].end
        return self.text[place : place + 1]


class Resolution(NamedTuple):
    """What a question was understood to ask."""

    cell_type: MatchedTerm | None
    perturbation: MatchedTerm | None
    # whether it asks about unperturbed cells: it names a cell type, and neither a perturbation nor anything in the place of one
    observational: bool
    recognized: tuple[str, ...]  # the parts of the question that are known names, as written
    unrecognized: tuple[str, ...]  # words that may be names but are unknown, as written

    @property
    def explanation(self) -> str:
        """Sentences for the user: what was recognized as what, and what was not."""
        terms = ((self.cell_type, "cell type"), (self.perturbation, "perturbation"))
        matched = [_in_words(term, role) for term, role in terms if term]
        if matched:
            missing = [f"No {role} was recognized." for term, role in terms if term is None]
            sentences = [f"Recognized: {'; '.join(matched)}.", *missing]
        else:
            sentences = ["Neither a cell type nor a perturbation was recognized."]
        if self.unrecognized:
            sentences.append(f"Not recognized: {', '.join(self.unrecognized)}.")
        return " ".join(sentences)


def _in_words(term: MatchedTerm, role: str) -> str:
    name = f"{term.name} ({term.cell_ontology_id})" if term.cell_ontology_id else term.name
    return f'"{term.matched_text}" as the {role} {name}'
