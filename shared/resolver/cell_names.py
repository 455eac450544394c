"""Names of cell types: the Cell Ontology, common shorthand and the labels of datasets, as one index from phrases to terms.

A phrase is looked up as a bag of terms, so that "CD8+ T cells", "T cells CD8+" and "CD8-positive T lymphocytes" are one. If two names
have the same bag, the better source counts: label of the ontology, then shorthand and dataset labels, then synonyms, then the same
names without words that people leave out ("alpha-beta", "human", "thymus-derived").
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

from shared import data
from shared.catalog.entries import DatasetEntry
from shared.catalog.normalize import bag, compact, says_cell, singular, terms
from shared.catalog.ontology import cell_ontology
from shared.catalog.reference import datasets as reference_datasets

# The generated table of the thousands of names (`make derived`): phrases, and what `CellTypeName.as_text` writes for them.
NAMES: Final = "cell_type_index"
COLUMNS: Final = ("phrase", "name")
LABEL, SHORTHAND, SYNONYM, LOOSE_LABEL, LOOSE_SYNONYM = range(5)
_LEFT_OUT = frozenset({"alpha", "beta", "human"})
_CELL_NOUNS = frozenset({"t", "b", "natural", "treg", "progenitor", "precursor"})
_CELL_ENDINGS = ("blast", "cyte", "phage", "phil")
_ACRONYM_LENGTH = 4
_SHORTEST_ACRONYM = 3

Bag = tuple[str, ...]


class CellTypeName(NamedTuple):
    """The meaning of a phrase."""

    source: int  # the kind of name; lower is better
    cell_types: tuple[str, ...]  # Cell Ontology ids, or labels without one, that have this name
    needs_cell: bool  # whether the phrase must say "cell" ("plasma cell"; "plasma" alone is something else)
    written: str | None  # the only spelling that counts where case matters ("VIP"), else None

    def as_text(self) -> str:
        """Return the name as `of_text` reads it: text, so that only the few names that a question needs are parsed."""
        return "|".join((f"{self.source}{'c' if self.needs_cell else ''}", self.written or "", *self.cell_types))

    @classmethod
    def of_text(cls, text: str) -> "CellTypeName":
        """Parse a name from `as_text`."""
        source, written, *cell_types = text.split("|")
        return cls(int(source[0]), tuple(cell_types), source.endswith("c"), written or None)


class CellTypeNames:
    """An index of cell-type names, layered over a base index that answers where this one has nothing better.

    Args:
        stored: initial names by phrase.
        vocabulary: the terms of those names.
    """

    def __init__(
        self,
        base: "CellTypeNames | None" = None,
        stored: Mapping[str, CellTypeName] | None = None,
        vocabulary: Iterable[str] = (),
    ) -> None:
        self._base = base
        self._stored = stored or {}
        self._names: dict[Bag, CellTypeName] = {}
        self._vocabulary = set(vocabulary)

    def add(self, name: str, cell_type: str, source: int, *, needs_cell: bool | None = None) -> None:
        """Add a name.

        Args:
            name: the name as people write it.
            cell_type: Cell Ontology id, or a dataset's label without one.
            source: the kind of name.
            needs_cell: whether the phrase must say "cell"; by default if the name does, except for names such as "CD8 T" or
                "erythroid progenitors".
        """
        words = terms(name)
        key = bag(words)
        if not key:
            return
        if needs_cell is None:
            named = any(word.endswith(_CELL_ENDINGS) for word in key) or (len(key) > 1 and _CELL_NOUNS & set(key))
            needs_cell = says_cell(words) and not named
        written = name if source >= SYNONYM and _is_acronym(name) else None
        if written and len(written) < _SHORTEST_ACRONYM:
            return
        self._vocabulary.update(words)
        self._put(key, CellTypeName(source, (cell_type,), needs_cell, written))
        loose = _loosened(words)
        if loose != key and loose:
            loose_source = LOOSE_LABEL if source < SYNONYM else LOOSE_SYNONYM
            self._put(loose, CellTypeName(loose_source, (cell_type,), len(loose) == 1 or needs_cell, None))

    def knows(self, words: Iterable[str]) -> bool:
        """Return whether all these terms occur in names: no phrase with an unknown term can be found."""
        return all(word in self._vocabulary or (self._base is not None and self._base.knows((word,))) for word in words)

    def vocabulary(self) -> Collection[str]:
        """Return the terms of all names."""
        return self._vocabulary | set(self._base.vocabulary()) if self._base else self._vocabulary

    def find(self, words: Sequence[str], text: str | None = None) -> CellTypeName | None:
        """Return the meaning of a phrase, or None.

        Args:
            words: the terms of the phrase.
            text: the phrase as written, or None if case does not count and "cell" may be missing (a dataset's label).
        """
        found = self._get(bag(words))
        if self._base:
            below = self._base.find(words, text)
            if found is None or (below is not None and below.source <= found.source):
                return below
        if found is None or text is None:
            return found
        if found.needs_cell and not says_cell(words):
            return None
        return found if found.written is None or singular(text) == singular(found.written) else None

    def stored(self) -> dict[str, str]:
        """Return the names of this index as text, without its base."""
        return {" ".join(key): name.as_text() for key, name in self._names.items()}

    def _get(self, key: Bag) -> CellTypeName | None:
        """Return a name of this index, without its base."""
        return self._names.get(key) or self._stored.get(" ".join(key))

    def _put(self, key: Bag, name: CellTypeName) -> None:
        known = self._get(key)
        if known is None or name.source < known.source:
            self._names[key] = name
        elif name.source == known.source and name.cell_types[0] not in known.cell_types:
            both = (*known.cell_types, *name.cell_types)
            self._names[key] = CellTypeName(known.source, both, known.needs_cell and name.needs_cell, known.written)


@cache
def reference_names() -> CellTypeNames:
    """Return the names that hold whatever is ingested, from the generated index."""
    stored = data.rows(NAMES, COLUMNS, lambda _, text: CellTypeName.of_text(text))
    return CellTypeNames(stored=stored, vocabulary=data.stored_index()["vocabulary"])


def names_with(datasets: Iterable[DatasetEntry]) -> CellTypeNames:
    """Return the reference names with the labels of ingested datasets over them."""
    names = CellTypeNames(reference_names())
    _add_labels(names, datasets)
    return names


def labels_with(datasets: Iterable[DatasetEntry]) -> frozenset[str]:
    """Return the compact forms of the labels of reference and ingested datasets."""
    return _compact_labels(datasets).union(data.stored_index()["labels"])


@cache
def label_names() -> CellTypeNames:
    """Return the reference names with the shorthand that only a dataset's label may use."""
    return _index(lambda where: where != "alone")


@cache
def lone_names() -> dict[str, str]:
    """Return the Cell Ontology ids of markers and shorthand that mean cells in a question without other cells, by folded word."""
    return {compact(row["name"]): row["cl_id"] for row in data.table("cell_type_names") if row["where"] == "alone"}


def index_reference_names() -> CellTypeNames:
    """Build the reference names from the ontology, shorthand and the labels of the reference datasets."""
    return _index(lambda where: where == "any")


def index_reference_labels() -> frozenset[str]:
    """Build the compact forms of the reference datasets' labels."""
    return _compact_labels(reference_datasets())


def _index(wanted: Callable[[str], bool]) -> CellTypeNames:
    """Build the reference names with the shorthand of the wanted places (column `where`)."""
    names = CellTypeNames()
    for row in data.table("cell_type_names"):
        if wanted(row["where"]):
            names.add(row["name"], row["cl_id"], SHORTHAND, needs_cell=None if "cell" in row["name"] else False)
    _add_labels(names, reference_datasets())
    for term in cell_ontology():
        names.add(term.label, term.id, LABEL)
        for synonym in term.synonyms:
            names.add(synonym, term.id, SYNONYM)
    return names


def _add_labels(names: CellTypeNames, datasets: Iterable[DatasetEntry]) -> None:
    for entry in datasets:
        for cell_type in entry.cell_types:
            label = cell_type.label
            needs_cell = True if len(terms(label)) == 1 and label.islower() else None  # one plain word, such as "mast"
            names.add(label, cell_type.cell_ontology_id or label, SHORTHAND, needs_cell=needs_cell)


def _compact_labels(datasets: Iterable[DatasetEntry]) -> frozenset[str]:
    return frozenset(compact(cell_type.label) for entry in datasets for cell_type in entry.cell_types)


def _loosened(words: Sequence[str]) -> Bag:
    left_out = _LEFT_OUT | {"thymus", "derived"} if "thymus" in words and "derived" in words else _LEFT_OUT
    return bag([word for word in words if word not in left_out])


def _is_acronym(name: str) -> bool:
    return len(name) <= _ACRONYM_LENGTH and name.isalpha() and not name.islower()
