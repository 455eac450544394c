"""What cell types are called: the Cell Ontology, common shorthand and the labels of datasets, as one index from phrases to terms.

A phrase is looked up as a bag of terms, so that "CD8+ T cells", "T cells CD8+" and "CD8-positive T lymphocytes" are one. Where two
names give the same bag the better source counts: label of the ontology, then shorthand and dataset labels, then synonyms, then the same
again with what people leave out ("alpha-beta", "human", "thymus-derived").
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from shared import data
from shared.catalog.entries import DatasetEntry
from shared.catalog.normalize import bag, compact, says_cell, singular, terms
from shared.catalog.ontology import Term, cell_ontology
from shared.catalog.reference import datasets as reference_datasets

INDEX: Final = "name_index"
"""Names take long to index, so that is done once: `python -m local.name_index`."""
NAMES: Final = "cell_type_index"
"""The names themselves, of which there are thousands: a table of phrases and of what `CellTypeName.as_text` says of them."""
COLUMNS: Final = ("phrase", "name")
LABEL, SHORTHAND, SYNONYM, LOOSE_LABEL, LOOSE_SYNONYM = range(5)
_LEFT_OUT = frozenset({"alpha", "beta", "human"})
_CELL_NOUNS = frozenset({"t", "b", "natural", "treg", "progenitor", "precursor"})
_CELL_ENDINGS = ("blast", "cyte", "phage", "phil")
_ACRONYM_LENGTH = 4
_SHORTEST_ACRONYM = 3

Bag = tuple[str, ...]


class CellTypeName(NamedTuple):
    """What a phrase means.

    Attributes:
        source: which kind of name it is; lower is better.
        cell_types: Cell Ontology ids, or labels that have none, that bear the name.
        needs_cell: the phrase must say "cell" ("plasma cell"; "plasma" alone is something else).
        written: the only way to write it where case decides ("VIP"), else None.
    """

    source: int
    cell_types: tuple[str, ...]
    needs_cell: bool
    written: str | None

    def as_text(self) -> str:
        """What `of_text` reads: an index is read whole for the first question, which has to do with few of its names."""
        return "|".join((f"{self.source}{'c' if self.needs_cell else ''}", self.written or "", *self.cell_types))

    @classmethod
    def of_text(cls, text: str) -> "CellTypeName":
        """A name as `as_text` wrote it."""
        source, written, *cell_types = text.split("|")
        return cls(int(source[0]), tuple(cell_types), source.endswith("c"), written or None)


class CellTypeNames:
    """An index of names of cell types, over another one that is asked where this one knows nothing better.

    Args:
        base: the other one.
        stored: names as `stored` gave them, to begin with.
        vocabulary: every term of those.
    """

    def __init__(
        self,
        base: "CellTypeNames | None" = None,
        stored: Mapping[str, str] = MappingProxyType({}),
        vocabulary: Iterable[str] = (),
    ) -> None:
        self._base = base
        self._stored = stored
        self._names: dict[Bag, CellTypeName] = {}
        self._vocabulary = set(vocabulary)

    def add(self, name: str, cell_type: str, source: int, *, needs_cell: bool | None = None) -> None:
        """Take a name in.

        Args:
            name: as a person writes it.
            cell_type: Cell Ontology id, or a dataset's label that has none.
            source: which kind of name it is.
            needs_cell: whether the phrase must say "cell"; by default as the name itself does, but not for "CD8 T" or
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
        """Whether all these terms occur in some name: no phrase with an unknown term can be found."""
        return all(word in self._vocabulary or (self._base is not None and self._base.knows((word,))) for word in words)

    def vocabulary(self) -> Collection[str]:
        """Every term of every name."""
        return self._vocabulary | set(self._base.vocabulary()) if self._base else self._vocabulary

    def find(self, words: Sequence[str], text: str | None = None) -> CellTypeName | None:
        """What a phrase means, or None.

        Args:
            words: the terms of the phrase.
            text: the phrase as written, or None where case does not count and "cell" may be missing (a dataset's label).
        """
        key = bag(words)
        found = self._get(key)
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
        """The names of this index without its base, as text."""
        return {" ".join(key): name.as_text() for key, name in self._names.items()}

    def _get(self, key: Bag) -> CellTypeName | None:
        """The name of this index; a stored one is made when it is first asked for."""
        found = self._names.get(key)
        if found is None and (kept := self._stored.get(" ".join(key))) is not None:
            found = self._names[key] = CellTypeName.of_text(kept)
        return found

    def _put(self, key: Bag, name: CellTypeName) -> None:
        known = self._get(key)
        if known is None or name.source < known.source:
            self._names[key] = name
        elif name.source == known.source and name.cell_types[0] not in known.cell_types:
            both = (*known.cell_types, *name.cell_types)
            self._names[key] = CellTypeName(known.source, both, known.needs_cell and name.needs_cell, known.written)


@cache
def stored_index() -> Mapping[str, Any]:
    """What is stored beside the names of cell types: terms and labels of cells here, perturbations, receptors. Read once."""
    return data.document(INDEX)


@cache
def reference_names() -> CellTypeNames:
    """The names that hold whatever is ingested, as they are stored."""
    return CellTypeNames(stored=data.rows(NAMES, COLUMNS), vocabulary=stored_index()["vocabulary"])


def labels_with(datasets: Iterable[DatasetEntry]) -> frozenset[str]:
    """The compact forms of the labels of the reference datasets, as they are stored, and of the labels of ingested ones."""
    return _compact_labels(datasets).union(stored_index()["labels"])


def index_reference_labels() -> frozenset[str]:
    """The compact forms of the reference datasets' labels, made anew."""
    return _compact_labels(reference_datasets())


def index_reference_names() -> CellTypeNames:
    """The same made anew: of the ontology, shorthand and the labels of the reference datasets."""
    names = _with_shorthand(lambda where: where == "any")
    _add_labels(names, reference_datasets())
    _add_terms(names, cell_ontology())
    return names


@cache
def label_names() -> CellTypeNames:
    """The same with the shorthand that only a dataset's label may use."""
    names = _with_shorthand(lambda _: True)
    _add_labels(names, reference_datasets())
    _add_terms(names, cell_ontology())
    return names


def names_with(datasets: Iterable[DatasetEntry]) -> CellTypeNames:
    """The reference names with the labels of ingested datasets over them."""
    names = CellTypeNames(reference_names())
    _add_labels(names, datasets)
    return names


def _compact_labels(datasets: Iterable[DatasetEntry]) -> frozenset[str]:
    return frozenset(compact(cell_type.label) for entry in datasets for cell_type in entry.cell_types)


def _add_terms(names: CellTypeNames, ontology: Iterable[Term]) -> None:
    for term in ontology:
        names.add(term.label, term.id, LABEL)
        for synonym in term.synonyms:
            names.add(synonym, term.id, SYNONYM)


def _with_shorthand(wanted: Callable[[str], bool]) -> CellTypeNames:
    names = CellTypeNames()
    for row in data.table("cell_type_names"):
        if wanted(row["where"]):
            names.add(row["name"], row["cl_id"], SHORTHAND, needs_cell=None if "cell" in row["name"] else False)
    return names


def _add_labels(names: CellTypeNames, datasets: Iterable[DatasetEntry]) -> None:
    for entry in datasets:
        for cell_type in entry.cell_types:
            words = terms(cell_type.label)
            one_common_word = len(words) == 1 and cell_type.label.islower()
            names.add(
                cell_type.label,
                cell_type.cell_ontology_id or cell_type.label,
                SHORTHAND,
                needs_cell=True if one_common_word else None,
            )


def _loosened(words: Sequence[str]) -> Bag:
    left_out = _LEFT_OUT | {"thymus", "derived"} if "thymus" in words and "derived" in words else _LEFT_OUT
    return bag([word for word in words if word not in left_out])


def _is_acronym(name: str) -> bool:
    return len(name) <= _ACRONYM_LENGTH and name.isalpha() and not name.islower()
