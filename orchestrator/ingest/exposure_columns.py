"""Guess which columns of an atlas say the dose and the time of a perturbation, and their units, from names and labels."""

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import pandas as pd

from orchestrator.ingest.obs_columns import Choice, given_column, labels_of
from orchestrator.ingest.options import NO_COLUMN, Options
from shared.catalog.exposure import parse_dose, parse_time, parse_time_unit, parse_unit
from shared.resolver.placeholders import is_unassigned

_DOSE: Final = re.compile(
    r"(?:moi|dose|dosage|conc|concentration|drug_dose|cytokine_dose|compound_dose)(?:[_. ]?(?:val|value|level|amount))?(?P<unit>[_. ].*)?",
    re.IGNORECASE,
)
_TIME: Final = re.compile(
    r"(?:time|timepoint|time[_ .]?point|hours?|hrs?|duration|treatment[_ .]?time|stim(?:ulation)?[_ .]?time|exposure[_ .]?time|"
    r"hours?[_ .]?post.*|hpi|hps|time(?:[_ .]?point)?(?:[_ .]?in)?[_ .]?(?:h|hr|hrs|hours?|min|minutes?|d|days?)|day|days|"
    r"time[_ .]?(?:value|val)|(?:treatment|exposure|stimulation|incubation)[_ .]?duration|incubation[_ .]?time)",
    re.IGNORECASE,
)
_BEFORE: Final = re.compile(
    r"(?:t|time|day|d|week|w|hour|h)?[_ -]?0+(?:\.0+)?[_ -]?(?:h|hr|hrs|hours?|d|days?|min|weeks?|w)?|"
    r"(?:pre|before|prior|baseline|base[_ -]line)(?:[_ -]?(?:treatment|treated|tx|therapy|stim(?:ulation)?|dose|vaccination))?",
    re.IGNORECASE,
)
UNITS: Final = ("unit", "units", "uom")
MOST_DOSES: Final = 60


class _Kind(NamedTuple):
    """Doses, or times."""

    option: str
    pattern: re.Pattern[str]
    parse: Callable[[str], str | None]


_DOSES: Final = _Kind("--dose-column", _DOSE, parse_dose)
_TIMES: Final = _Kind("--time-column", _TIME, parse_time)


def dose_column(obs: pd.DataFrame, options: Options, taken: set[str]) -> Choice | None:
    """Return the column of the doses, given or guessed, or None."""
    return _exposure(obs, options.dose_column, _DOSES, taken)


def time_column(obs: pd.DataFrame, options: Options, taken: set[str]) -> Choice | None:
    """Return the column of the times, given or guessed, or None."""
    return _exposure(obs, options.time_column, _TIMES, taken)


def dose_unit_column(obs: pd.DataFrame, dose: Choice | None) -> str | None:
    """Return the column with the units of the doses, or None."""
    return _unit_column(obs, dose, ("dose", "concentration", "conc"), parse_unit)


def time_unit_column(obs: pd.DataFrame, time: Choice | None) -> str | None:
    """Return the column with the units of the times, or None."""
    return _unit_column(obs, time, ("time", "timepoint", "time_point", "duration"), parse_time_unit)


def is_exposure(name: str) -> bool:
    """Return whether a column is named like one of doses or times."""
    return bool(_DOSE.fullmatch(name) or _TIME.fullmatch(name))


def is_before(label: str) -> bool:
    """Return whether a dose or time says that nothing was added yet: "0h", "baseline", "pre"."""
    is_zero = (parse_time(label) or "") in {"0 h", "time 0"} or (parse_dose(label) or "").split(" ")[:2] == [
        "dose",
        "0",
    ]
    return is_zero or bool(_BEFORE.fullmatch(label.strip()))


def unit_columns(obs: pd.DataFrame) -> set[str]:
    """Return the columns that are named like units."""
    return {name for name in map(str, obs.columns) if re.split(r"[_. ]", name.casefold())[-1] in UNITS}


def unit_in_name(column: str) -> str:
    """Return the unit that the name of a dose or time column says: "ng_ml" of "dose_ng_ml", "h" of "time_h"."""
    if (match := _DOSE.fullmatch(column)) and match["unit"]:
        return match["unit"].strip("_. ()").replace("_", "/")
    if column.casefold() == "moi":
        return "MOI"
    words = set(re.findall(r"[a-z]+", column.casefold()))
    if words & {"h", "hr", "hrs", "hour", "hours", "hpi", "hps"}:
        return "h"
    if words & {"min", "minute", "minutes"}:
        return "min"
    return "d" if words & {"d", "day", "days"} else ""


def _exposure(obs: pd.DataFrame, given: str | None, kind: _Kind, taken: set[str]) -> Choice | None:
    if given == NO_COLUMN:
        return None
    if given is not None:
        return given_column(obs, given, kind.option)
    found: list[tuple[tuple[bool, bool], str]] = []
    for name in map(str, obs.columns):
        is_other = name in taken | unit_columns(obs)
        labels = labels_of(obs[name]) if not is_other and kind.pattern.fullmatch(name) else []
        if 0 < len(labels) <= MOST_DOSES:
            is_amount = any(map(kind.parse, labels))
            found.append(((len(labels) > 1 and is_amount, len(labels) > 1), name))
    # Of equal ones, the first.
    return Choice(max(found, key=lambda each: each[0])[1], "its name") if found else None


def _unit_column(
    obs: pd.DataFrame, exposure: Choice | None, kinds: Sequence[str], parse: Callable[[str], str | None]
) -> str | None:
    """Return the column with the units of a column of doses or times: named like it, or of units of this kind only."""
    if exposure is None:
        return None
    own = re.sub(r"[_. ](?:val|value|level|amount)$", "", exposure.column.casefold())
    names = {f"{kind}_{unit}" for kind in (own, *kinds) for unit in UNITS}
    for name in sorted(unit_columns(obs), key=lambda each: not each.casefold().startswith(own)):
        labels = [label for label in labels_of(obs[name]) if not is_unassigned(label)]
        if re.sub(r"[. ]", "_", name.casefold()) in names or (
            name.casefold() in UNITS and labels and all(map(parse, labels))
        ):
            return name
    return None
