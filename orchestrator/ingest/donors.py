"""Donors of samples whose names also tell the condition."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from orchestrator.ingest.coded import Coded
from orchestrator.ingest.obs_columns import plain, words_of
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
_OF_PLACES: Final = frozenset({"id", "name", "code", "of", "clinical", "collection"})
# "1", "P2", "donor 3": what each of them may call its first donors.
_NUMBER: Final = re.compile(r"[A-Za-z]*[ _-]?\d{1,2}")
# The one donor of an atlas that tells none apart.
ONE_DONOR: Final = "all donors"
_REPLICATE: Final = re.compile(
    r"(.*?)[ _.-]*(?:bio|tech|biological|technical)?[ _.-]*rep(?:l|licate)?[ _.-]*\d+", re.IGNORECASE
)
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
    without = {label: _cut(label, condition) for label, condition in condition_of.items()}
    if all(without[label] not in {"", label} for label in without) and _are_shared(without, condition_of):
        return {**without}
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
    return {**shorter} if kept and _are_shared(shorter, condition_of) else None


def _cut(label: str, condition: str) -> str:
    """Return a label of a donor without the condition: "P1" of "P1_IFN-beta"."""
    return re.sub(rf"[ _.:-]*{re.escape(condition)}[ _.:-]*", "", label, flags=re.IGNORECASE)


def _are_shared(donors: Mapping[str, str], condition_of: Mapping[str, str]) -> bool:
    """Return whether at least half of the donors have several conditions."""
    conditions: dict[str, set[str]] = {}
    for label, condition in condition_of.items():
        conditions.setdefault(donors[label], set()).add(condition)
    n_shared = sum(len(each) > 1 for each in conditions.values())
    return bool(n_shared) and n_shared * 2 >= len(conditions)


def _names_the_condition(values: Mapping[str, set[str]]) -> bool:
    """Return whether a part of the donor labels has one value in each condition, another one elsewhere, and one is known to name it."""
    if any(len(each) != 1 for each in values.values()) or len(set().union(*values.values())) == 1:
        return False
    found = {name.casefold(): next(iter(each)).casefold() for name, each in values.items()}
    return any(value in CONDITION_WORDS or (value.isalpha() and value in name) for name, value in found.items())


def spelled_alike(counts: Mapping[str, int]) -> dict[str, str]:
    """Return the labels that differ from a more frequent one only in case, spaces and signs, with that one: "p1" and "P 1" are P1."""
    most: dict[str, str] = {}
    for label in sorted(counts, key=lambda each: (-counts[each], len(each), each)):
        most.setdefault(plain(label) or label, label)
    found = {label: most[plain(label) or label] for label in counts}
    return {label: name for label, name in found.items() if label != name}


def without_replicates(labels: Collection[str]) -> dict[str, str] | None:
    """Return each label without the number of its replicate; None unless all name one: "P1_rep1" is a replicate of P1, "rep1" of anyone."""
    matches = {label: _REPLICATE.fullmatch(label) for label in labels}
    stems = {label: match[1] or ONE_DONOR for label, match in matches.items() if match}
    return stems if len(stems) == len(labels) > len(set(stems.values())) else None


def about_reused_labels(obs: pd.DataFrame, donor: Coded, column: str) -> Iterator[str]:
    """Yield in which columns labels of donors occur several times, as numbers do that each site gives anew.

    Args:
        donor: the donor of each cell.
        column: the column of the donors.
    """
    for name in map(str, obs):
        if name == column or not _PLACES & words_of(name) or not words_of(name) <= _PLACES | _OF_PLACES:
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
