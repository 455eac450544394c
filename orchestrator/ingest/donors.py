"""Donors of samples whose names also tell the condition."""

import re
from collections.abc import Mapping

import pandas as pd

# Parts of sample names that name a condition.
CONDITION_WORDS = frozenset(
    [
        "baseline",
        "control",
        "ctl",
        "ctr",
        "ctrl",
        "mock",
        "naive",
        "post",
        "pre",
        "stim",
        "stimulated",
        "treated",
        "trt",
        "unstim",
        "unstimulated",
        "untreated",
        "untr",
        "veh",
        "vehicle",
    ]
)


def donors_without_condition(donor: "pd.Series[str]", condition: "pd.Series[str]") -> "pd.Series[str] | None":
    """Return donors without the part that names the condition, as in ctrl101 and stim101; None if there is no such part.

    Sample names often take the place of donors. Taken as they are, no donor has both conditions, and no control matches.
    """
    pairs = pd.DataFrame({"donor": donor, "condition": condition}).drop_duplicates()
    if pairs["donor"].duplicated().any():  # a donor has several conditions, as it should be
        return None
    parts = {label: re.findall(r"[^\W\d_]+|\d+", label) for label in pairs["donor"]}
    if len({len(tokens) for tokens in parts.values()}) != 1:
        return None
    by_condition = {
        str(name): [parts[label] for label in labels] for name, labels in pairs.groupby("condition")["donor"]
    }
    kept = [
        place
        for place in range(len(next(iter(parts.values()))))
        if not _names_the_condition({name: {own[place] for own in labels} for name, labels in by_condition.items()})
    ]
    shorter = {label: "-".join(tokens[place] for place in kept) for label, tokens in parts.items()}
    n_conditions = pairs.assign(donor=pairs["donor"].map(shorter)).groupby("donor")["condition"].nunique()
    shared = n_conditions[n_conditions > 1]
    return donor.map(shorter) if kept and len(shared) * 2 >= len(n_conditions) else None


def _names_the_condition(values: Mapping[str, set[str]]) -> bool:
    """Return whether a part of the donor labels has one value in each condition, another one elsewhere, and one is known to name it."""
    if any(len(each) != 1 for each in values.values()) or len(set().union(*values.values())) == 1:
        return False
    found = {name.casefold(): next(iter(each)).casefold() for name, each in values.items()}
    return any(value in CONDITION_WORDS or (value.isalpha() and value in name) for name, value in found.items())
