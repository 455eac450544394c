"""Read the labels of CRISPR screens: the genes that guides target, without the numbers that tell guides of a gene apart."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from shared.catalog.normalize import compact
from shared.resolver.controls import NON_TARGETING, control_kind, is_control
from shared.resolver.genes import gene_symbols
from shared.resolver.perturbation_names import reference_names
from shared.resolver.placeholders import is_unassigned


class Modality(StrEnum):
    """What the guides of a screen do to their gene."""

    KNOCKOUT = "knockout"
    KNOCKDOWN = "knockdown"
    OVEREXPRESSION = "overexpression"


class Targets(NamedTuple):
    """What a guide label says."""

    genes: tuple[str, ...]  # symbols of the targeted genes, sorted
    modality: Modality | None  # None if the label does not say


_GUIDE: Final = re.compile(r"^(?:p[_-]?)?(?:sg|gRNA|guide|sgRNA|crRNA)[_\- :.]*(?=\S)", re.IGNORECASE)
_G: Final = re.compile(r"^g(?=[A-Z][A-Z0-9]{2,})")
_NUMBERED: Final = re.compile(
    r"(?:[_\-. :|#]+(?:sg|g|guide|gRNA|sgRNA|crRNA|rep|P)?[_\-. ]?\d+|[_\-. ](?:sg|g)RNA\d*|[_\-.](?:A|B|P1|P2|P1P2))$",
    re.IGNORECASE,
)
_ACTIONS: Final = (
    (re.compile(r"(?:[_\-. ]*(?:CRISPRi|KD|knock[-_ ]?down)\b|[_\-. ]i$)", re.IGNORECASE), Modality.KNOCKDOWN),
    (re.compile(r"[_\-. ]*(?:CRISPRa|OE|over[-_ ]?expression|overexpressed)$", re.IGNORECASE), Modality.OVEREXPRESSION),
    (re.compile(r"(?:[_\-. ]*(?:knock[-_ ]?out|null)$|[_\-. ]?KO$)"), Modality.KNOCKOUT),
    (re.compile(r"[_\-. ]*(?:knock[-_ ]?out)$", re.IGNORECASE), Modality.KNOCKOUT),
)
_ACTIONS_BEFORE: Final = (
    (re.compile(r"^(?:knock[-_ ]?out(?: of)?|KO)[_\-. ]+", re.IGNORECASE), Modality.KNOCKOUT),
    (re.compile(r"^(?:knock[-_ ]?down(?: of)?|KD)[_\-. ]+", re.IGNORECASE), Modality.KNOCKDOWN),
    (re.compile(r"^(?:si|sh)(?=[A-Z][A-Z0-9]{2,})"), Modality.KNOCKDOWN),
    (re.compile(r"^(?:over[-_ ]?expression(?: of)?|OE)[_\-. ]+", re.IGNORECASE), Modality.OVEREXPRESSION),
)
_NULL: Final = re.compile(r"\s?[-\u2212\u2013]\s?/\s?[-\u2212\u2013]")
_SIRNA: Final = re.compile(r"[_\-. ]*(?:si|sh)RNA$", re.IGNORECASE)
_STRONG: Final = re.compile(r"\s*(?:\+|&|;|\||,|/|__|(?<=[\s_])and(?=[\s_])|\bAND\b)[\s_]*")
_PARTS: Final = re.compile(r"[_:|,; ]+")
_NO_GENE: Final = re.compile(
    r"\d*|P\d(?:P\d)?|[+-]|ENS[A-Z]*[GT]\d+(?:\.\d+)?|(?:sg|g)?(?:RNA)?\d+|chr.*", re.IGNORECASE
)
_MAYBE_GENE: Final = re.compile(r"[A-Za-z][A-Za-z0-9.\-]{1,19}")
_ENSEMBL: Final = re.compile(r"ENS[A-Z]*[GT]\d+(?:\.\d+)?")
# The share of the labels of a column that must be guides of known genes for the column to be read as one of guides.
_ENOUGH: Final = 0.5


def targets_of(label: str, *, is_screen: bool = False) -> Targets | None:
    """Return the genes that a label says were targeted, or None if it is no label of guides.

    Args:
        is_screen: whether the label is from a column of guides, where a bare symbol is a target.
    """
    genes: list[str] = []
    modality: Modality | None = None
    is_marked, has_control = is_screen, False
    parts = [part for part in _STRONG.split(_NULL.sub(" knockout", label)) if part]
    for part in parts:
        if is_control(part):
            has_control = has_control or "+" in label
            continue
        found = _target(part, is_screen=is_screen)
        if found is None:
            return None
        symbols, action, said = found
        genes += symbols
        modality = action or modality
        is_marked = is_marked or said
    # "KLF1+ctrl" is from a screen of pairs of guides, "TNF+ctrl" may not be.
    is_marked = is_marked or (has_control and not any(map(_is_perturbation, genes)))
    if not genes or not is_marked:
        return None
    return Targets(tuple(sorted(set(genes))), modality)


def is_screen(labels: Iterable[str]) -> bool:
    """Return whether most labels of a column are genes that guides target; symbols of cytokines count only beside clear signs of guides."""
    all_labels = list(labels)
    named = [label for label in all_labels if not is_unassigned(label) and not is_control(label)]
    is_clear = any(map(_is_guide_control, all_labels)) or any(targets_of(label) for label in named)
    found = 0
    for label in named:
        targets = targets_of(label, is_screen=True)
        genes = [gene for gene in targets.genes if _symbol(gene)] if targets else []
        found += bool(genes) and (is_clear or not all(map(_is_perturbation, genes)))
    return bool(named) and found >= _ENOUGH * len(named)


def _is_guide_control(label: str) -> bool:
    # "NT" alone may also stand for "not treated".
    return control_kind(label) == NON_TARGETING and not re.fullmatch(r"nt[\W_]*\d*", label.casefold())


def _is_perturbation(text: str) -> bool:
    return reference_names().find(compact(text)) is not None


def _target(part: str, *, is_screen: bool) -> tuple[list[str], Modality | None, bool] | None:
    """Return the genes of a part of a label, what it says was done to them, and whether it says that they are targets."""
    text, modality, is_marked = part.strip(" _"), None, False
    for pattern, action in (*_ACTIONS, *_ACTIONS_BEFORE):
        shorter = pattern.sub("", text, count=1)
        if shorter != text and shorter:
            text, modality, is_marked = shorter, modality or action, True
    shorter = _SIRNA.sub("", text)
    if shorter != text and shorter:
        text, modality, is_marked = shorter, modality or Modality.KNOCKDOWN, True
    without = _G.sub("", _GUIDE.sub("", text))
    is_marked = is_marked or without != text
    if symbol := _symbol(without):
        return [symbol], modality, is_marked
    if _is_perturbation(without):
        return None  # "IL-6" beside guides is a cytokine
    numbered, unlisted = without, without
    while (shorter := _NUMBERED.sub("", numbered)) != numbered and shorter:
        suffix, numbered = numbered.removeprefix(shorter), shorter
        is_marked = is_marked or bool(re.search(r"sg|g|guide|grna", suffix, re.IGNORECASE))
        if symbol := _symbol(numbered):
            return ([symbol], modality, is_marked) if is_marked or is_screen else None
        # Symbols that the list lacks may end in a hyphen and a number: NKX2-1 is not NKX2-5.
        unlisted = numbered if not re.fullmatch(r"-\d+", suffix) else unlisted
    if not is_marked and not is_screen:
        return None
    pieces = [each for each in _PARTS.split(without) if not is_control(each) and not _NO_GENE.fullmatch(each)]
    if found := [symbol for each in pieces if (symbol := _symbol(_G.sub("", _GUIDE.sub("", each))))]:
        return found, modality, is_marked
    unlisted = pieces[0] if len(pieces) == 1 and len(_PARTS.split(without)) > 2 else unlisted
    # A gene that the list of symbols lacks counts where a guide is marked as one.
    return ([unlisted], modality, is_marked) if _MAYBE_GENE.fullmatch(unlisted) else None


def _symbol(text: str) -> str | None:
    """Return the gene symbol that a text is, also of another species ("Klf1"), or None."""
    if _ENSEMBL.fullmatch(text):
        return text
    if text in gene_symbols():
        return text
    return (
        text if len(text) > 1 and text[:1].isupper() and text[1:].islower() and text.upper() in gene_symbols() else None
    )
