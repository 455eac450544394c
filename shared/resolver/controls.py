"""Recognize condition labels that mean untreated cells."""

from shared.catalog.normalize import split

_CORE = frozenset(
    {
        "pbs", "dmso", "vehicle", "veh", "untreated", "unstimulated", "unstim", "untransduced", "unperturbed", "uninfected",
        "control", "controls", "ctrl", "ctl", "ctr", "con", "mock", "none", "nil", "nt", "ntc", "unt", "nostim", "notreatment",
        "nontreated", "nonstimulated", "nontargeting", "saline", "placebo", "scramble", "scrambled", "baseline",
        "dimethylsulfoxide", "medium", "media", "water",
    }
)  # fmt: skip
_SEQUENCES = (
    ("dimethyl", "sulfoxide"), ("phosphate", "buffered", "saline"), ("culture", "medium"),
    ("no", "treatment"), ("no", "stimulation"), ("no", "stim"), ("no", "cytokine"), ("no", "drug"),
    ("not", "treated"), ("not", "stimulated"), ("non", "treated"), ("non", "stimulated"), ("non", "targeting"), ("safe", "targeting"),
)  # fmt: skip
_FILLERS = frozenset(
    {
        "only", "alone", "group", "condition", "sample", "cells", "cell", "treated", "treatment", "negative", "neg", "solvent",
        "buffer", "h", "hr", "hrs", "hour", "hours", "min", "d", "day", "days", "rep", "replicate", "plate", "well", "donor", "batch",
        "v", "vol", "guide", "sgrna", "grna", "the", "with", "in", "and", "of", "as", "percent",
    }
)  # fmt: skip


def is_control(label: str) -> bool:
    """Return whether a condition label names a control: "PBS", "DMSO 0.1%", "vehicle_control_24h", "untreated", ...

    Every word of the label must belong to the control: "DMSO + dasatinib" and "positive control" are not controls.
    """
    keys = [word.key for word in split(label)]
    found = False
    while keys:
        taken = control_words(keys)
        if taken:
            found = True
        elif keys[0].rstrip("hd").isdigit() or keys[0] in _FILLERS:
            taken = 1
        else:
            return False
        keys = keys[taken:]
    return found


def control_words(keys: list[str]) -> int:
    """Count the folded words at the start of a list that name a control; 0 if none do."""
    for sequence in _SEQUENCES:
        if tuple(keys[: len(sequence)]) == sequence:
            return len(sequence)
    return 1 if keys and keys[0] in _CORE else 0
