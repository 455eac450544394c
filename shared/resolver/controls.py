"""Recognize condition labels that mean untreated cells, and tell the kinds of controls apart."""

import re
from functools import lru_cache
from typing import Final

from shared.catalog.normalize import split
from shared.resolver.placeholders import is_unassigned

# The kind of control of guides without a target.
NON_TARGETING: Final = "non-targeting"
# What each word of a control says about its kind; kinds are not interchangeable, words of one kind are.
_KINDS: Final = {
    "vehicle": ("vehicle", "veh", "solvent"),
    "DMSO": ("dmso", "dimethylsulfoxide"),
    "ethanol": ("ethanol", "etoh"),
    "PBS": ("pbs",),
    "saline": ("saline",),
    "medium": ("medium", "media"),
    "water": ("water", "h2o"),
    "untreated": (
        "untreated", "unstimulated", "unstim", "unstimul", "untransduced", "unperturbed", "uninfected", "unt", "untr", "nostim",
        "notreatment", "nontreated", "nonstimulated", "resting", "unexposed", "wt", "wildtype",
    ),
    "mock": ("mock",),
    "sham": ("sham",),
    "placebo": ("placebo",),
    "isotype": ("isotype", "igg", "igg1", "igg2a", "igg2b"),
    "non-targeting": (
        "nt", "ntc", "nontargeting", "scramble", "scrambled", "sgnt", "sgntc", "sinc", "shnt", "shscr", "siscr", "sicontrol", "shcontrol",
        "sgcontrol", "sgctrl", "safetargeting", "safeharbor", "aavs1", "rosa26", "sgaavs1", "sgrosa26", "lacz", "sglacz", "luciferase",
        "sgscramble", "nontarget", "negctrl", "negcontrol", "sictrl", "shctrl", "sint", "intergenic",
    ),
    "control": ("control", "controls", "ctrl", "ctl", "ctr", "con", "cntrl", "baseline"),
}  # fmt: skip
_KIND: Final = {word: kind for kind, words in _KINDS.items() for word in words}
# Words of a question that name a control; a label may use more.
_CORE: Final = frozenset(
    {
        "pbs", "dmso", "vehicle", "veh", "untreated", "unstimulated", "unstim", "untransduced", "unperturbed", "uninfected",
        "control", "controls", "ctrl", "ctl", "ctr", "con", "mock", "none", "nil", "nt", "ntc", "unt", "nostim", "notreatment",
        "nontreated", "nonstimulated", "nontargeting", "saline", "placebo", "scramble", "scrambled", "baseline",
        "dimethylsulfoxide", "medium", "media", "water",
    }
)  # fmt: skip
_SEQUENCES: Final = {
    ("dimethyl", "sulfoxide"): "DMSO", ("phosphate", "buffered", "saline"): "PBS", ("culture", "medium"): "medium",
    ("no", "treatment"): "untreated", ("no", "stimulation"): "untreated", ("no", "stim"): "untreated", ("no", "cytokine"): "untreated",
    ("no", "drug"): "untreated", ("not", "treated"): "untreated", ("not", "stimulated"): "untreated", ("non", "treated"): "untreated",
    ("non", "stimulated"): "untreated", ("non", "targeting"): "non-targeting", ("safe", "targeting"): "non-targeting",
}  # fmt: skip
_LABEL_SEQUENCES: Final = {
    ("safe", "harbor"): "non-targeting", ("non", "target"): "non-targeting", ("medium", "only"): "medium",
    ("no", "perturbation"): "untreated",
    ("no", "stimulus"): "untreated", ("wild", "type"): "untreated", ("isotype", "control"): "isotype",
    ("un", "stimulated"): "untreated", ("un", "treated"): "untreated", ("un", "infected"): "untreated", ("no", "target"): "non-targeting",
    ("mock", "infected"): "mock", ("mock", "infection"): "mock", ("mock", "transfected"): "mock", ("mock", "transduced"): "mock",
    ("empty", "vector"): "empty vector",
}  # fmt: skip
_FILLERS: Final = frozenset(
    {
        "only", "alone", "group", "condition", "sample", "cells", "cell", "treated", "treatment", "negative", "neg", "solvent",
        "buffer", "h", "hr", "hrs", "hour", "hours", "min", "d", "day", "days", "rep", "replicate", "plate", "well", "donor", "batch",
        "v", "vol", "guide", "sgrna", "grna", "the", "with", "in", "and", "of", "as", "percent", "targeting", "site", "sites",
    }
)  # fmt: skip
# Words that end in a number: "rep1", "sg2".
_NUMBERED: Final = frozenset(
    {"g", "sg", "guide", "grna", "sgrna", "rep", "replicate", "plate", "well", "donor", "batch"}
)
_TIME: Final = re.compile(r"\d+(?:hr?s?|hpi|d|dpi|min)?")
_GENERIC: Final = "control"
# How sure each kind is when a label has words of several: "vehicle control (PBS)" is PBS, "mock-treated control" is mock.
_LEAST_SAID: Final = (_GENERIC, "vehicle", "untreated")


def is_control(label: str) -> bool:
    """Return whether a condition label names a control: "PBS", "DMSO 0.1%", "vehicle_control_24h", "untreated", "sgNT-2", ...

    Every word of the label must belong to the control: "DMSO + dasatinib" and "positive control" are not controls. "None" is none: cells
    without an assignment are a mixture.
    """
    return control_kind(label) is not None


@lru_cache(maxsize=16384)
def control_kind(label: str) -> str | None:
    """Return the kind of control that a condition label names ("DMSO", "untreated", "non-targeting", ...), or None if it names none."""
    if is_unassigned(label):
        return None
    keys = [word.key for word in split(label)]
    kinds: list[str] = []
    while keys:
        taken, kind = _kind_at(keys)
        if kind:
            kinds.append(kind)
        elif _TIME.fullmatch(keys[0]) or keys[0] in _FILLERS or keys[0].rstrip("0123456789") in _NUMBERED:
            taken = 1
        else:
            return None
        keys = keys[taken:]
    return min(kinds, key=lambda kind: _LEAST_SAID[::-1].index(kind) + 1 if kind in _LEAST_SAID else 0, default=None)


def control_words(keys: list[str]) -> int:
    """Count the folded words at the start of a list that name a control; 0 if none do."""
    for sequence in _SEQUENCES:
        if tuple(keys[: len(sequence)]) == sequence:
            return len(sequence)
    return 1 if keys and keys[0] in _CORE else 0


def _kind_at(keys: list[str]) -> tuple[int, str | None]:
    """Return the number of words at the start of a label that name a control, and its kind."""
    for sequence, kind in (*_SEQUENCES.items(), *_LABEL_SEQUENCES.items()):
        if tuple(keys[: len(sequence)]) == sequence:
            return len(sequence), kind
    if keys[0] in _KIND:
        return 1, _KIND[keys[0]]
    # "NT1", "ctrl2", "NegCtrl10": the number tells guides or samples of one control apart.
    stem = keys[0].rstrip("0123456789")
    is_numbered = stem != keys[0] and stem in _KIND and (len(stem) > 1)
    return (1, _KIND[stem]) if is_numbered else (0, None)
