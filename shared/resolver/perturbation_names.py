"""Names of perturbations: names and synonyms of the reference data and the conditions of datasets, as one index of compact forms.

A canonical name always wins over another's synonym ("IL-21" is also an old name of IL-17C and IL-22). Names that are English words
("light", "trail") or so short that they resemble one must be written in capitals.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from shared import data
from shared.catalog.entries import DatasetEntry
from shared.catalog.normalize import GREEK_NAMES, compact, split
from shared.catalog.reference import VARIANT
from shared.catalog.reference import perturbations as reference_perturbations
from shared.catalog.reference import variants as reference_variants
from shared.resolver.controls import is_control

_ENGLISH = frozenset({"light", "trail", "april", "tweak", "trap", "thank", "trance", "monap", "stim", "fas"})
_SHORT_BUT_CLEAR = frozenset({"ifn", "igf", "tnf", "mtx"})
_SHORT = 3
_SUBTYPE = re.compile(r"\d+[a-z]?$")
_PIECE = re.compile(r"\d+|\D+")


class PerturbationName(NamedTuple):
    """The meaning of a compact form."""

    means: tuple[str, ...]  # the canonical names of the perturbations that have this name
    canonical: bool  # whether it is the canonical name itself
    needs_capitals: bool  # whether it counts only when written in capitals
    variant: bool = (
        False  # whether it names a close variant of the perturbation, such as another subtype of the same family
    )

    def as_text(self) -> str:
        """Return the name as `of_text` reads it."""
        flags = (("c", self.canonical), ("C", self.needs_capitals), ("v", self.variant))
        return "|".join(("".join(flag for flag, is_set in flags if is_set), *self.means))

    @classmethod
    def of_text(cls, text: str) -> "PerturbationName":
        """Parse a name from `as_text`."""
        flags, *means = text.split("|")
        return cls(tuple(means), "c" in flags, "C" in flags, "v" in flags)


class PerturbationNames:
    """An index of perturbation names, layered over a base index that answers where this one has nothing.

    Args:
        stored: initial names, as `stored` returns them.
    """

    def __init__(self, base: "PerturbationNames | None" = None, stored: Mapping[str, Any] | None = None) -> None:
        stored = stored or {"names": {}, "kinds": {}, "words": {}, "starts": []}
        self._base = base
        self._stored: dict[str, str] = dict(stored["names"])
        self._names: dict[str, PerturbationName] = {}
        self._kinds: dict[str, str] = dict(stored["kinds"])
        self._words: dict[str, bool] = dict(stored["words"])
        self._starts: set[str] = set(stored["starts"])

    def add_canonical(self, name: str, kind: str) -> None:
        """Add a perturbation under its canonical name."""
        self._kinds[name] = kind
        for key in _variants(name):
            if not (self._get(key) and key != compact(name)):
                needs_capitals = key in _ENGLISH or (kind == "other" and key.isalpha() and len(key) <= _SHORT + 1)
                self._names[key] = PerturbationName((name,), canonical=True, needs_capitals=needs_capitals)
        self._learn_words(name)

    def add_synonym(self, synonym: str, means: Collection[str]) -> None:
        """Add a synonym; a canonical name keeps its meaning, other perturbations with the synonym share it."""
        for key in _variants(synonym):
            known = self._get(key)
            if known is None or not known.canonical:
                both = tuple(dict.fromkeys((*(known.means if known else ()), *means)))
                self._names[key] = PerturbationName(both, canonical=False, needs_capitals=_unclear(key))
        self._learn_words(synonym)

    def set_meaning(self, name: str, means: Collection[str], *, variant: bool = False) -> None:
        """Override the meaning of a synonym, with no meanings to remove it; a canonical name keeps its meaning.

        Args:
            variant: whether it names a close variant of the perturbation.
        """
        for key in _variants(name) if means else (compact(name),):
            known = self._get(key)
            if known is not None and known.canonical:
                continue
            if means:
                self._names[key] = PerturbationName(tuple(means), False, _unclear(key), variant)
            else:
                self._names.pop(key, None)
        self._learn_words(name)

    def find(self, key: str) -> PerturbationName | None:
        """Return the meaning of a compact form, or None."""
        found = self._get(key)
        return self._base.find(key) if found is None and self._base else found

    def begins(self, key: str) -> bool:
        """Return whether a name of several words starts with this compact form."""
        return key in self._starts or (self._base is not None and self._base.begins(key))

    def has(self, name: str) -> bool:
        """Return whether a perturbation has this canonical name."""
        return name in self._kinds or (self._base is not None and self._base.has(name))

    def kind(self, name: str) -> str:
        """Return the kind of a perturbation by its canonical name."""
        found = self._kinds.get(name)
        return found or (self._base.kind(name) if self._base else "other")

    def words(self) -> dict[str, bool]:
        """Return the words of all names; true for a word that is a complete name."""
        return {**self._base.words(), **self._words} if self._base else self._words

    def stored(self) -> dict[str, Any]:
        """Return this index as JSON values, without its base."""
        names = {key: name.as_text() for key, name in self._names.items()}
        return {"names": names, "kinds": self._kinds, "words": self._words, "starts": sorted(self._starts)}

    def _get(self, key: str) -> PerturbationName | None:
        """Return a name of this index, without its base; a stored one is parsed when it is first needed."""
        found = self._names.get(key)
        if found is None and (text := self._stored.get(key)) is not None:
            found = self._names[key] = PerturbationName.of_text(text)
        return found

    def _learn_words(self, name: str) -> None:
        keys = [word.key for word in split(name)]
        pieces = [piece for key in keys for piece in _PIECE.findall(key)]
        for count in range(1, len(pieces)):
            self._starts.update(_variants(" ".join(pieces[:count])))
        self._starts.update(GREEK_NAMES.intersection(pieces))  # "gamma interferon"
        for key in {*keys, *_variants(name)}:
            if key.isalpha():
                self._words[key] = self._words.get(key, False) or len(keys) == 1 or key not in keys


@cache
def reference_names() -> PerturbationNames:
    """Return the names of the reference data, from the generated index."""
    return PerturbationNames(stored=data.stored_index()["perturbations"])


def index_reference_names() -> PerturbationNames:
    """Build the same index from the reference data."""
    names = PerturbationNames()
    known = reference_perturbations().values()
    for perturbation in known:
        names.add_canonical(perturbation.name, perturbation.kind)
    for perturbation in known:
        for synonym in perturbation.synonyms:
            names.add_synonym(synonym, (perturbation.name,))
    for row in data.table("perturbation_names"):
        means = row["means"].removeprefix(VARIANT)
        names.set_meaning(row["name"], [name for name in means.split("|") if name], variant=means != row["means"])
    return names


@cache
def variant_names() -> dict[str, str]:
    """Return the names of the close variants of reference perturbations by compact form: "IFN-alpha2" of `ifna2`."""
    return {
        key: variant.name
        for variant in reference_variants().values()
        for name in (variant.name, *variant.synonyms)
        for key in _variants(name)
    }


def names_with(datasets: Iterable[DatasetEntry]) -> PerturbationNames:
    """Return the reference names with the perturbations and labels of ingested datasets over them."""
    base = reference_names()
    names = PerturbationNames(base)
    for entry in datasets:
        for condition in entry.conditions:
            if condition.perturbation is None or condition.is_control or condition.members:
                continue  # members are found by what is combined or manipulated, never by one name
            if is_control(condition.label):
                continue
            name = condition.agent or condition.perturbation
            if not base.has(name) and not names.has(name):
                names.add_canonical(name, condition.kind)
                for spelling in _spellings_of_variant(name):
                    names.add_synonym(spelling, (name,))
            if condition.label != name and condition.agent is None and base.find(compact(condition.label)) is None:
                names.add_synonym(condition.label, (name,))
    return names


def _spellings_of_variant(name: str) -> Iterator[str]:
    return (key for key, variant in variant_names().items() if variant == name)


def _unclear(key: str) -> bool:
    return key in _ENGLISH or (key.isalpha() and len(key) <= _SHORT and key not in _SHORT_BUT_CLEAR)


def _variants(name: str) -> tuple[str, ...]:
    """Return the compact forms of a name: its own, and those with family names spelled out or abbreviated."""
    key = compact(name)
    return tuple(dict.fromkeys((key, *_spellings(key)))) if key else ()


def _spellings(key: str) -> Iterator[str]:
    for short, full in (("il", "interleukin"), ("ifn", "interferon"), ("tnf", "tumornecrosisfactor")):
        for start, other in ((short, full), (full, short)):
            rest = key.removeprefix(start)
            if rest != key and (rest[:1].isdigit() or _SUBTYPE.sub("", rest) in GREEK_NAMES):
                yield other + rest
                if rest in GREEK_NAMES and short == "ifn":
                    yield from (rest + start, rest + other)
