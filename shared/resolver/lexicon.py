"""All names that a catalog knows, made once for each catalog."""

from collections.abc import Collection, Mapping
from functools import cached_property, lru_cache
from typing import NamedTuple

from shared import data
from shared.catalog.normalize import GREEK_NAMES, singular
from shared.catalog.view import CatalogView
from shared.resolver import cell_names, perturbation_names
from shared.resolver.cell_names import CellTypeNames
from shared.resolver.perturbation_names import PerturbationNames
from shared.resolver.receptors import ReceptorNames, receptor_names

_SHORTEST = 5
_SHORTEST_GREEK = 4
_LONG = 9


class Spelling:
    """Knows all words of all names.

    Args:
        perturbation_words: words of names of perturbations; true for a word that is a whole name by itself.
        cell_type_words: words of names of cell types.
        common: words that are right as they are.
    """

    def __init__(
        self, perturbation_words: Mapping[str, bool], cell_type_words: Collection[str], common: frozenset[str]
    ) -> None:
        self._perturbation_words = perturbation_words
        self._cell_type_words = cell_type_words
        self._right = (common, cell_type_words, perturbation_words, GREEK_NAMES)
        self._known: dict[str, str | None] = {}

    @cached_property
    def _one_slip(self) -> list[str]:
        words = self._perturbation_words.items()
        return sorted(word for word, whole in words if whole and len(word) >= _SHORTEST)

    @cached_property
    def _two_slips(self) -> list[str]:
        words = {word for word in self._cell_type_words if word.isalpha()} | self._perturbation_words.keys()
        return sorted({word for word in words if len(word) >= _SHORTEST} - set(self._one_slip))

    def mend(self, key: str) -> str | None:
        """The known word that a folded word was most likely meant to be, or None where it is right or nothing is near.

        Among equally near ones letters in the wrong order are likelier than wrong letters.
        """
        if key not in self._known:
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[key] = self._mend(key)
        return self._known[key]

    def _mend(self, key: str) -> str | None:
        word = singular(key)
        if (
            not word.isalpha()
            or len(word) < _SHORTEST_GREEK
            or any(word in right or key in right for right in self._right)
        ):
            return None
        from rapidfuzz.distance import OSA  # noqa: PLC0415  # a first question without unknown words need not wait for it

        greek = [name for name in sorted(GREEK_NAMES) if len(name) >= _SHORTEST_GREEK and OSA.distance(word, name) <= 1]
        if len(greek) == 1:
            return greek[0]
        if len(word) < _SHORTEST or greek:
            return None
        near = [(name, slips) for name, slips, _ in self._within(word, self._one_slip, 1)]
        near += [
            (name, slips)
            for name, slips, _ in self._within(word, self._two_slips, 2 if len(word) >= _LONG else 1)
            if slips <= 1 or name[0] == word[0]
        ]
        return min(near, key=lambda pair: (pair[1], sorted(pair[0]) != sorted(word), *pair))[0] if near else None

    @staticmethod
    def _within(word: str, names: list[str], slips: int) -> list[tuple[str, int, int]]:
        """Names at most so many slips away (a letter too many, too few, wrong, or two in the wrong order)."""
        from rapidfuzz import process  # noqa: PLC0415  # as above
        from rapidfuzz.distance import OSA  # noqa: PLC0415

        return process.extract(word, names, scorer=OSA.distance, score_cutoff=slips, limit=5)


class Lexicon(NamedTuple):
    """All names that a catalog knows.

    Attributes:
        cells: names of cell types.
        perturbations: names of perturbations.
        receptors: names of receptors and their ligands.
        labels: the compact forms of the datasets' cell-type labels, of reference datasets whatever is ingested.
        spelling: all words of all names.
    """

    cells: CellTypeNames
    perturbations: PerturbationNames
    receptors: ReceptorNames
    labels: frozenset[str]
    spelling: Spelling


@lru_cache(maxsize=4)
def lexicon(view: CatalogView) -> Lexicon:
    """The names that a view of the catalog knows; made once for each view."""
    cells = cell_names.names_with(view.ingested)
    perturbations = perturbation_names.names_with(view.ingested)
    return Lexicon(
        cells=cells,
        perturbations=perturbations,
        receptors=receptor_names(),
        labels=cell_names.labels_with(view.ingested),
        spelling=Spelling(perturbations.words(), cells.vocabulary(), common_words()),
    )


@lru_cache(maxsize=1)
def common_words() -> frozenset[str]:
    """Words of plain English that name nothing."""
    return data.words("common_words")
