"""A question as words with what stands between them."""

import unicodedata
from typing import NamedTuple

from shared.wording import Word, split

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
