"""Which condition labels mean that nothing was done to the cells."""

from shared.catalog.normalize import split

_CORE = frozenset(
    {
        "pbs", "dmso", "vehicle", "veh", "untreated", "unstimulated", "unstim", "untransduced", "unperturbed", "uninfected",
        "control", "controls", "ctrl", "ctl", "ctr", "con", "mock", "none", "nil", "nt", "ntc", "unt", "nostim", "notreatment",
        "nontreated", "nonstimulated", "nontargeting", "saline", "placebo", "scramble", "scrambled", "baseline",
    }
)  # fmt: skip
_PHRASES = (
    ("dimethyl", "sulfoxide"),
    ("dimethylsulfoxide",),
    ("phosphate", "buffered", "saline"),
    ("no", "treatment"),
    ("no", "stimulation"),
    ("no", "stim"),
    ("no", "cytokine"),
    ("no", "drug"),
    ("not", "treated"),
    ("not", "stimulated"),
    ("non", "treated"),
    ("non", "stimulated"),
    ("non", "targeting"),
    ("safe", "targeting"),
    ("culture", "medium"),
    ("medium",),
    ("media",),
    ("water",),
)
_FILLERS = frozenset(
    {
        "only", "alone", "group", "condition", "sample", "cells", "cell", "treated", "treatment", "negative", "neg", "solvent",
        "buffer", "h", "hr", "hrs", "hour", "hours", "min", "d", "day", "days", "rep", "replicate", "plate", "well", "donor", "batch",
        "v", "vol", "guide", "sgrna", "grna", "the", "with", "in", "and", "of", "as", "percent",
    }
)  # fmt: skip


def is_control(label: str) -> bool:
    """Whether a condition label names a control: "PBS", "DMSO 0.1%", "vehicle_control_24h", "Dimethyl Sulfoxide", "untreated", ...

    Every word of the label must belong to the control; "DMSO + dasatinib" and "positive control" do not.
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
    """How many folded words at the beginning of a list name a control; 0 where none do."""
    for phrase in _PHRASES:
        if tuple(keys[: len(phrase)]) == phrase:
            return len(phrase)
    return 1 if keys and keys[0] in _CORE else 0
