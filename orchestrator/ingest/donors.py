"""Donors of samples whose names also tell the condition."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from orchestrator.ingest.coded import Coded
from orchestrator.ingest.obs_columns import words_of
from shared.resolver.placeholders import is_unassigned

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
# Words in the names of columns whose labels may each number their donors.
_PLACES: Final = frozenset({"site", "center", "centre", "lab", "laboratory", "study", "dataset", "cohort", "hospital"})
# "1", "P2", "donor 3": what each of them may call its first donors.
_NUMBER: Final = re.compile(r"[A-Za-z]*[ _-]?\d{1,2}")
_ACCESSION = re.compile(r"(?:GSM|SR[RSX]|ER[RSX]|SAMN)\d+")


@dataclass(frozen=True)
class Arms:
    """How donors are spread over control and perturbed cells."""

    both: list[str]
    only_control: list[str]
    only_perturbed: list[str]


def arms(pairs: Mapping[tuple[str, str], int], controls: Collection[str]) -> Arms:
    """Return which donors have control cells, perturbed cells, or both.

    Args:
        pairs: cells by donor and condition.
    """
    control = {donor for (donor, condition) in pairs if condition in controls}
    perturbed = {donor for (donor, condition) in pairs if condition not in controls}
    return Arms(sorted(control & perturbed), sorted(control - perturbed), sorted(perturbed - control))


def donors_without_condition(pairs: Collection[tuple[str, str]]) -> dict[str, str | None] | None:
    """Return donors without the part that names the condition, as in ctrl101 and stim101; None if there is no such part.

    Sample names often take the place of donors. Taken as they are, no donor has both conditions, and no control matches.

    Args:
        pairs: each donor with each of its conditions.
    """
    condition_of = dict(pairs)
    if len(condition_of) < len(pairs):  # a donor has several conditions, as it should be
        return None
    # GEO gives each sample a number of its own, which tells nothing of the donor.
    parts = {label: re.findall(r"[^\W\d_]+|\d+", _ACCESSION.sub("", label)) for label in condition_of}
    if len({len(tokens) for tokens in parts.values()}) != 1:
        return None
    by_condition: dict[str, list[list[str]]] = {}
    for label, condition in condition_of.items():
        by_condition.setdefault(condition, []).append(parts[label])
    kept = [
        place
        for place in range(len(next(iter(parts.values()))))
        if not _names_the_condition({name: {own[place] for own in labels} for name, labels in by_condition.items()})
    ]
    shorter = {label: "-".join(tokens[place] for place in kept) for label, tokens in parts.items()}
    conditions: dict[str, set[str]] = {}
    for label, condition in condition_of.items():
        conditions.setdefault(shorter[label], set()).add(condition)
    n_shared = sum(len(each) > 1 for each in conditions.values())
    return {**shorter} if kept and n_shared and n_shared * 2 >= len(conditions) else None


def _names_the_condition(values: Mapping[str, set[str]]) -> bool:
    """Return whether a part of the donor labels has one value in each condition, another one elsewhere, and one is known to name it."""
    if any(len(each) != 1 for each in values.values()) or len(set().union(*values.values())) == 1:
        return False
    found = {name.casefold(): next(iter(each)).casefold() for name, each in values.items()}
    return any(value in CONDITION_WORDS or (value.isalpha() and value in name) for name, value in found.items())


def about_reused_labels(obs: pd.DataFrame, donor: Coded, column: str) -> Iterator[str]:
    """Yield in which columns labels of donors occur several times, as numbers do that each site gives anew.

    Args:
        donor: the donor of each cell.
        column: the column of the donors.
    """
    for name in map(str, obs):
        if name == column or not _PLACES & words_of(name) or "tissue" in words_of(name):
            continue
        cells = Coded.of(obs[name])
        named = cells.relabeled({label: None for label in cells.labels if is_unassigned(label)})
        places: dict[str, set[str]] = {}
        for label, place in donor.crossed(named):
            places.setdefault(label, set()).add(place)
        reused = sorted(label for label, found in places.items() if len(found) > 1 and _NUMBER.fullmatch(label))
        if reused:
            example = f"{reused[0]} in {' and '.join(sorted(places[reused[0]])[:2])}"
            yield (
                f"{len(reused)} of {len(places)} labels of {column} occur in several labels of {name} ({example}) and count as one donor "
                f"each. If they are different people, store a column that joins {column} and {name}, and name it with --donor-column."
            )
