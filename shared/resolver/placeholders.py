"""Recognize labels that name nothing: cells that were not assigned to anything, and conditions without a name."""

from functools import lru_cache
from typing import Final

from shared.catalog.normalize import split

_UNASSIGNED: Final = frozenset(
    {
        "", "none", "nan", "na", "null", "nil", "unassigned", "unknown", "unk", "unclear", "undetermined", "undefined", "unclassified",
        "unannotated", "unlabeled", "unlabelled", "unmapped", "uncertain", "ambiguous", "ambient", "doublet", "doublets", "multiplet",
        "multiplets", "multiple", "multi", "multisgrna", "heterotypicdoublet", "homotypicdoublet", "negative", "empty", "emptydroplet",
        "noguide", "noguides", "nogrna", "nosgrna", "nobarcode", "nohto", "nocall", "nocell", "notassigned", "notavailable", "notannotated",
        "notdetected", "notdetermined", "notapplicable", "nd", "missing", "other", "others", "lowquality", "lowqual", "lowq", "debris",
        "dead", "deadcells", "deadcell", "dying", "dyingcells", "discard", "discarded", "filtered", "excluded", "exclude", "remove",
        "removed", "failed", "undecided", "unresolved", "unidentified", "unspecified", "noassignment", "novalue", "tbd",
    }
)  # fmt: skip
_CELLS: Final = frozenset(
    {
        "cell",
        "cells",
        "type",
        "types",
        "celltype",
        "celltypes",
        "droplet",
        "droplets",
        "guide",
        "guides",
        "grna",
        "sgrna",
    }
)
_UNNAMED: Final = frozenset(
    {
        "stim", "stimulated", "stimulation", "stimulus", "treated", "treatment", "treat", "trt", "perturbed", "perturbation", "true", "yes",
        "y", "t", "case", "exposed", "exposure", "activated", "drug", "drugs", "cytokine", "cytokines", "compound", "infected", "post",
        "after", "positive", "pos", "condition", "experimental", "experiment", "test", "tx", "induced", "challenged", "challenge", "dosed",
        "transfected", "transduced", "edited", "ko", "knockout", "knockdown", "kd", "oe", "on", "active", "stimulant", "agonist",
        "inhibitor",
    }
)  # fmt: skip
_ABSENT: Final = frozenset({"", "none", "nan", "na", "n/a", "n.a", "null", "nil", "no", "<na>", "not applicable"})
_FALSE: Final = frozenset({"false", "no", "n", "f", "0", "off"})
_LONGEST_CODE = 2


def is_absent(label: str) -> bool:
    """Return whether a label says that there is nothing to name: "none", "NA", "". A doublet has no such label."""
    return label.strip(" -_./").casefold() in _ABSENT


@lru_cache(maxsize=16384)
def is_unassigned(label: str) -> bool:
    """Return whether a label says that cells were assigned to nothing: "None", "nan", "Doublet", "no guide", ..."""
    keys = [word.key for word in split(label)]
    joined = "".join(keys)
    if joined in _UNASSIGNED or joined.rstrip("0123456789") in _UNASSIGNED - {""}:
        return True
    named = [key for key in keys if key not in _CELLS]
    return bool(named) and "".join(named) in _UNASSIGNED


def is_unnamed(label: str) -> bool:
    """Return whether a condition label could never be asked for, because it does not say what was done: "stim", "True", "1"."""
    keys = [word.key for word in split(label)]
    joined = "".join(keys)
    if not joined or joined.isdigit() or (len(joined) < _LONGEST_CODE and joined.isalpha()):
        return True
    if all(character in "0123456789." for character in label.strip()):
        return True
    named = [key for key in keys if not key.isdigit() and key not in _CELLS | {"condition", "group", "sample"}]
    return (
        all(key in _UNNAMED or key.rstrip("0123456789") in _UNNAMED for key in named) and bool(keys)
    ) or joined in _FALSE


def is_false(label: str) -> bool:
    """Return whether a label of a yes-or-no column says no."""
    return label.strip().casefold() in _FALSE
