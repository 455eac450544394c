"""Normal forms of names: one form for the many ways to write a cytokine, a compound, a marker or a cell type.

The *compact* form of a text joins its words: "IFN-γ", "IFN gamma" and "ifn_gamma" all become `ifngamma`. The *terms* of a text are its
words in the singular, with abbreviations spelled out ("NK cells" becomes `natural killer cell`), for names whose word order and hyphens
vary.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta", "ι": "iota",
    "κ": "kappa", "λ": "lambda", "μ": "mu", "ω": "omega",
}  # fmt: skip
GREEK_NAMES = frozenset(_GREEK.values())
# The sharp s usually stands for a beta in names: "TNF-ß".
_LETTERS = {**_GREEK, "ɑ": "alpha", "ɣ": "gamma", "ß": "beta"}
_SPELLED = str.maketrans(
    {**_LETTERS, **{letter.upper(): name for letter, name in _LETTERS.items() if letter != "ß"}, "ẞ": "beta"}
)
_AMERICAN = (
    ("tumour", "tumor"), ("haem", "hem"), ("leuco", "leuko"), ("leukaem", "leukem"), ("oestr", "estr"), ("sulph", "sulf"),
    ("fibre", "fiber"), ("alfa", "alpha"), ("thrombocyte", "platelet"), ("interleukine", "interleukin"), ("interleucin", "interleukin"),
    ("interleuquin", "interleukin"),
)  # fmt: skip
_WORD = re.compile(r"[^\W_]+")
_WORD_OR_MARKER = re.compile(r"(?i:\bcd)[ -]\d+[a-z]?(?![^\W_])|[^\W_]+")  # "CD 14" and "CD-14" are one word
_MARKER = re.compile(r"(cd\d+[a-z]?)(bright|dim|high|hi|low|lo|negative|neg|positive|pos|int)?")
# A marker, then a hyphen, minus or dash before a gap: "CD14- cells".
_MINUS = re.compile(r"\b(cd\d+[a-z]?)[-\u2212\u207b\u2013](?=cd|\W|$)", re.IGNORECASE)
_SILENT = frozenset({"positive", "cell", "of", "the"})
_LEVEL_TERMS = frozenset({"negative", "low", "dim", "high", "bright", "intermediate"})
_LEVELS = {"hi": "high", "lo": "low", "neg": "negative", "pos": "positive", "int": "intermediate"}
_ABBREVIATIONS = {
    "nk": ("natural", "killer"), "nks": ("natural", "killer"), "nkt": ("natural", "killer", "t"), "dc": ("dendritic", "cell"),
    "treg": ("regulatory", "t", "cell"), "tregulatory": ("regulatory", "t", "cell"), "mono": ("monocyte",), "cel": ("cell",),
    "celll": ("cell",), "tcell": ("t", "cell"), "bcell": ("b", "cell"), "nkcell": ("natural", "killer", "cell"), "cd4t": ("cd4", "t"),
    "cd8t": ("cd8", "t"), "gd": ("gamma", "delta"), "gdt": ("gamma", "delta", "t"), "gammadelta": ("gamma", "delta"),
    "alphabeta": ("alpha", "beta"), "nonclassical": ("non", "classical"),
}  # fmt: skip
# The words of German, French, Spanish and Italian names of cells; accents are removed before.
_FOREIGN = {
    "zelle": ("cell",), "zellen": ("cell",), "cellule": ("cell",), "celula": ("cell",), "cellula": ("cell",), "cellulas": ("cell",),
    "tzelle": ("t", "cell"), "tzellen": ("t", "cell"), "bzelle": ("b", "cell"), "bzellen": ("b", "cell"),
    "nkzellen": ("natural", "killer", "cell"), "monozyt": ("monocyte",), "monozyten": ("monocyte",), "monocito": ("monocyte",),
    "monocita": ("monocyte",), "monociti": ("monocyte",), "makrophage": ("macrophage",), "makrophagen": ("macrophage",),
    "macrofago": ("macrophage",), "macrofagi": ("macrophage",), "lymphozyt": ("lymphocyte",), "lymphozyten": ("lymphocyte",),
    "linfocito": ("lymphocyte",), "linfociti": ("lymphocyte",), "dendritische": ("dendritic",), "dendritischen": ("dendritic",),
    "dendritique": ("dendritic",), "dendritica": ("dendritic",), "naturliche": ("natural",), "killerzelle": ("killer", "cell"),
    "killerzellen": ("killer", "cell"), "naturelle": ("natural",), "tueuse": ("killer",), "asesina": ("killer",),
    "regulatorische": ("regulatory",), "regulatorischen": ("regulatory",), "regulatrice": ("regulatory",), "reguladora": ("regulatory",),
    "plasmazelle": ("plasma", "cell"), "plasmazellen": ("plasma", "cell"), "mastzelle": ("mast", "cell"), "mastzellen": ("mast", "cell"),
    "hepatozyt": ("hepatocyte",), "hepatozyten": ("hepatocyte",), "hepatocito": ("hepatocyte",), "neutrophile": ("neutrophil",),
    "neutrofilo": ("neutrophil",), "fibroblasten": ("fibroblast",), "fibroblasto": ("fibroblast",), "gedachtnis": ("memory",),
    "memoire": ("memory",), "memoria": ("memory",), "leukozyten": ("leukocyte",), "leucocito": ("leukocyte",),
}  # fmt: skip
# The adjective of a tissue means its noun: "cardiac fibroblasts" are fibroblasts of the heart.
_TISSUES = {
    "hepatic": "liver", "pulmonary": "lung", "renal": "kidney", "cardiac": "heart", "dermal": "skin", "cutaneous": "skin",
    "gastric": "stomach", "splenic": "spleen", "thymic": "thymus", "intestinal": "intestine", "gut": "intestine", "colonic": "colon",
    "pancreatic": "pancreas", "ovarian": "ovary", "uterine": "uterus", "prostatic": "prostate", "mammary": "breast",
    "bronchial": "bronchus", "tracheal": "trachea", "aortic": "aorta", "retinal": "retina", "corneal": "cornea",
    "placental": "placenta", "epithelial": "epithelium", "endothelial": "endothelium",
}  # fmt: skip
_KEEPS_S = ("ss", "us", "is")
_MIN_PLURAL = 3


class Word(NamedTuple):
    """A word of a text."""

    text: str  # the word as written
    start: int  # its position in the text
    end: int  # the position after it
    key: str  # its folded form: lower case, Greek spelled out, no accents
    terms: tuple[str, ...]  # its meaning within a name, in the singular


def fold(text: str) -> str:
    """Convert to lower case and American spelling, spell out Greek letters, remove accents and typographic forms."""
    if not text.isascii():
        spelled = unicodedata.normalize("NFKC", text).translate(_SPELLED)
        text = "".join(c for c in unicodedata.normalize("NFKD", spelled) if not unicodedata.combining(c))
        text = text.translate(_SPELLED)
    folded = text.lower()
    for british, american in _AMERICAN:
        if british in folded:
            folded = folded.replace(british, american)
    return folded


def join(keys: Iterable[str]) -> str:
    """Join folded words to one compact form; adjacent numbers stay apart ("IL-2 3 h" is not IL-23)."""
    joined = ""
    for key in keys:
        joined += f".{key}" if joined and joined[-1].isdigit() and key[0].isdigit() else key
    return joined


def compact(text: str) -> str:
    """Return the compact form of a name."""
    return join(word for raw in _WORD.findall(text) if (word := fold(raw)))


def terms(text: str) -> tuple[str, ...]:
    """Return the terms of a name: its words in the singular, abbreviations spelled out, a minus after a marker as `negative`."""
    folded = fold(text)
    if "cd" in folded:
        folded = _MINUS.sub(r"\1 negative ", folded)
    return tuple(term for key in _WORD.findall(folded) for term in _terms(key))


def split(text: str) -> list[Word]:
    """Return the words of a text in order, with their positions."""
    minus = {match.end(1) for match in _MINUS.finditer(text)}
    found = []
    for match in _WORD_OR_MARKER.finditer(text):
        start, end = match.span()
        key = "".join(_WORD.findall(fold(match.group())))
        if key:
            found.append(Word(match.group(), start, end, key, _terms(key) + ("negative",) * (end in minus)))
    return found


def respelled(word: Word, key: str) -> Word:
    """Return the same word of the text with another key."""
    return word._replace(key=key, terms=_terms(key))


def says_cell(words: Collection[str]) -> bool:
    """Return whether terms name cells explicitly: "T cells" and "T lymphocytes" do, "memory" does not."""
    return "cell" in words or ("lymphocyte" in words and ("t" in words or "b" in words))


def bag(words: Sequence[str]) -> tuple[str, ...]:
    """Return terms as a key that ignores order, repetition, "positive", "of" and the word for cell.

    A level stays with its marker: CD14-low CD16-positive is not CD14-positive CD16-low.
    """
    silent = _SILENT | {"lymphocyte"} if says_cell(words) else _SILENT
    key: list[str] = []
    for term in words:
        if term in _LEVEL_TERMS and key:
            key[-1] += f"-{term}"
        elif term not in silent:
            key.append(term)
    return tuple(sorted(set(key)))


def singular(word: str) -> str:
    """Return a word without its plural s."""
    if len(word) >= _MIN_PLURAL and word.endswith("s") and not word.endswith(_KEEPS_S):
        return word[:-1]
    return word


@lru_cache(maxsize=16384)
def _terms(key: str) -> tuple[str, ...]:
    one = singular(key)
    if one in _ABBREVIATIONS:
        return _ABBREVIATIONS[one]
    if one in _FOREIGN:
        return _FOREIGN[one]
    if marker := _MARKER.fullmatch(key):
        name, level = marker.groups()
        return (name, _LEVELS.get(level, level)) if level else (name,)
    return (singular(_TISSUES.get(one, one)),)
