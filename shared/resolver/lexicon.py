"""All names that a catalog knows, built once per catalog view, and the correction of misspelled words by them."""

from collections.abc import Collection, Mapping
from functools import cached_property, lru_cache
from typing import NamedTuple

from shared import data
from shared.catalog.normalize import GREEK_NAMES, singular
from shared.catalog.view import CatalogView
from shared.resolver import cell_names, perturbation_names
from shared.resolver.cell_names import CellTypeNames
from shared.resolver.context import is_term
from shared.resolver.perturbation_names import PerturbationNames
from shared.resolver.receptors import ReceptorNames, receptor_names

# Word lengths: shorter words have too many neighbors to correct; from _LONG on, two edits are allowed.
_SHORTEST = 5
_SHORTEST_GREEK = 4
_LONG = 9
_MOST_REMEMBERED = 10_000


class Spelling:
    """Corrects misspelled words.

    Args:
        perturbation_words: the words of perturbation names; true for a word that is a complete name.
        cell_type_words: the words of cell-type names.
        common: words that are correct as they are.
    """

    def __init__(
        self, perturbation_words: Mapping[str, bool], cell_type_words: Collection[str], common: frozenset[str]
    ) -> None:
        self._perturbation_words = perturbation_words
        self._cell_type_words = cell_type_words
        self._correct = (common, cell_type_words, perturbation_words, GREEK_NAMES)
        self._known: dict[str, str | None] = {}

    @cached_property
    def _one_edit(self) -> list[str]:
        words = self._perturbation_words.items()
        return sorted(word for word, is_name in words if is_name and len(word) >= _SHORTEST)

    @cached_property
    def _two_edits(self) -> list[str]:
        words = {word for word in self._cell_type_words if word.isalpha()} | self._perturbation_words.keys()
        return sorted({word for word in words if len(word) >= _SHORTEST} - set(self._one_edit))

    def correct(self, key: str) -> str | None:
        """Return the known word that a folded word most likely misspells, or None if it is correct or nothing is near.

        Among equally near words, swapped letters are likelier than wrong letters.
        """
        if key not in self._known:
            if len(self._known) > _MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = self._nearest(key)
        return self._known[key]

    def _nearest(self, key: str) -> str | None:
        word = singular(key)
        is_correct = any(word in words or key in words for words in self._correct) or is_term(key)
        if is_correct or not word.isalpha() or len(word) < _SHORTEST_GREEK:
            return None
        from rapidfuzz import process  # noqa: PLC0415  # most questions have no unknown words and need not wait for it
        from rapidfuzz.distance import OSA  # noqa: PLC0415  # counts an extra, missing or wrong letter, or two swapped

        def within(names: list[str], edits: int) -> list[tuple[str, int]]:
            found = process.extract(word, names, scorer=OSA.distance, score_cutoff=edits, limit=5)
            return [(name, distance) for name, distance, _ in found]

        greek = [name for name in sorted(GREEK_NAMES) if len(name) >= _SHORTEST_GREEK and OSA.distance(word, name) <= 1]
        if len(greek) == 1:
            return greek[0]
        if len(word) < _SHORTEST or greek:
            return None
        far = within(self._two_edits, 2 if len(word) >= _LONG else 1)
        near = within(self._one_edit, 1) + [pair for pair in far if pair[1] <= 1 or pair[0][0] == word[0]]
        return min(near, key=lambda pair: (pair[1], sorted(pair[0]) != sorted(word), pair[0]))[0] if near else None


class Lexicon(NamedTuple):
    """All names that a catalog knows."""

    cells: CellTypeNames
    perturbations: PerturbationNames
    receptors: ReceptorNames
    labels: frozenset[str]  # compact forms of the cell-type labels of reference and ingested datasets
    spelling: Spelling


@lru_cache(maxsize=4)
def lexicon(view: CatalogView) -> Lexicon:
    """Return the names that a catalog view knows, built once per view."""
    cells = cell_names.names_with(view.ingested)
    perturbations = perturbation_names.names_with(view.ingested)
    return Lexicon(
        cells=cells,
        perturbations=perturbations,
        receptors=receptor_names(),
        labels=cell_names.labels_with(view.ingested),
        spelling=Spelling(perturbations.words(), cells.vocabulary(), common_words()),
    )


def common_words() -> frozenset[str]:
    """Return plain English words that are not names."""
    return data.words("common_words")
