"""Terms of a question beside cell types and perturbations of the catalog: species, diseases, donors, tissues, other treatments.

The terms are in `shared/data/context_terms.tsv`. A term within the name of a cell type or of a perturbation does not count.
"""

from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from functools import cache
from typing import Final, NamedTuple

from shared import data
from shared.catalog.normalize import singular, split
from shared.resolver.question import Question

# The generated index of terms (`make derived`).
INDEX: Final = "context_index"
COLUMNS: Final = ("phrase", "term")
_MOST_WORDS = 6
_LONGEST_ACRONYM = 5
_PUNCTUATION = frozenset(".;:?!,()")


class TermKind(StrEnum):
    """What a context term is."""

    SPECIES = "species"
    DISEASE = "disease"
    DONOR_ATTRIBUTE = "donor_attribute"
    TISSUE = "tissue"
    STIMULUS = "stimulus"  # a treatment that no reference dataset contains
    ANTAGONIST = "antagonist"  # a drug or antibody that blocks its target
    MIXTURE = "mixture"  # many cell types at once


class ContextTerm(NamedTuple):
    """A context term in a question."""

    start: int  # index of its first word
    end: int  # index after its last word
    kind: TermKind
    meaning: str  # the target of an antagonist; else empty

    @property
    def span(self) -> range:
        """The indexes of its words."""
        return range(self.start, self.end)


class Entry(NamedTuple):
    """A row of the index of terms."""

    kind: TermKind
    meaning: str
    needs_capitals: bool
    is_joined: bool  # whether the phrase has punctuation inside, as "poly(I:C)" does

    def as_text(self) -> str:
        """Return the entry as `of_text` reads it."""
        return f"{self.kind}|{'C' * self.needs_capitals}{'J' * self.is_joined}|{self.meaning}"

    @classmethod
    def of_text(cls, text: str) -> "Entry":
        """Parse an entry from `as_text`."""
        kind, flags, meaning = text.split("|", 2)
        return cls(TermKind(kind), meaning, "C" in flags, "J" in flags)


def index_terms() -> dict[str, Entry]:
    """Build the index of terms by the folded words of each phrase; the first of equal phrases counts."""
    entries: dict[str, Entry] = {}
    for row in data.table("context_terms"):
        phrase = row["phrase"]
        needs_capitals = phrase.isalpha() and phrase.isupper() and len(phrase) <= _LONGEST_ACRONYM
        entry = Entry(TermKind(row["kind"]), row["meaning"], needs_capitals, bool(_PUNCTUATION & set(phrase)))
        entries.setdefault(_key(word.key for word in split(phrase)), entry)
    return entries


@cache
def _entries() -> data.Rows[Entry]:
    return data.rows(INDEX, COLUMNS, lambda _, text: Entry.of_text(text))


def is_term(key: str) -> bool:
    """Return whether a folded word is a term of its own."""
    return singular(key) in _entries()


def find_terms(question: Question, names: Collection[int]) -> list[ContextTerm]:
    """Return the context terms of a question, in order and without overlap; longer ones win.

    Args:
        names: indexes of the words of cell types and perturbations.
    """
    found: list[ContextTerm] = []
    place = 0
    while place < len(question.words):
        term = next(_terms_at(question, place), None)
        if term and not set(names).issuperset(term.span):
            found.append(term)
            place = term.end
        else:
            place += 1
    return found


def _terms_at(question: Question, start: int) -> Iterator[ContextTerm]:
    """Yield the terms that start at a word, longest first."""
    words = question.words
    if not _entries().begins(singular(words[start].key)):
        return
    for end in range(min(start + _MOST_WORDS, len(words)), start, -1):
        entry = _entries().get(_key(word.key for word in words[start:end]))
        if entry is None:
            continue
        if not entry.is_joined and any(_PUNCTUATION & set(question.gap(index)) for index in range(start + 1, end)):
            continue
        if not entry.needs_capitals or (question.piece(start, end).isupper() and not question.all_caps):
            yield ContextTerm(start, end, entry.kind, entry.meaning)


def _key(keys: Iterable[str]) -> str:
    return " ".join(singular(key) for key in keys)
