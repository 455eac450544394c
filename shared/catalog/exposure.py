"""Doses and times in one form, and the names of perturbations that differ only in them: "IFN-beta 10 ng/mL, 6 h". Pure."""

import re
from collections.abc import Iterable
from types import MappingProxyType
from typing import Final, NamedTuple

_NUMBER: Final = r"\d+(?:[.,]\d+)?(?:e-?\d+)?"
# Units of doses: how they are written, the form that is shown, and the factor to the smallest of their kind.
_UNITS: Final = (
    (r"pg(?:\s*/\s*ml|\.ml|_ml|ml|\s*per\s*ml)?", "pg/mL", 1e-3),
    (r"ng(?:\s*/\s*ml|\.ml|_ml|ml|\s*per\s*ml)?", "ng/mL", 1.0),
    (r"(?:u|µ|μ|mc)g(?:\s*/\s*ml|\.ml|_ml|ml|\s*per\s*ml)?", "µg/mL", 1e3),
    (r"mg\s*/\s*kg|mgkg|mg_kg|mpk", "mg/kg", 1.0),
    (r"mg(?:\s*/\s*ml|\.ml|_ml|ml|\s*per\s*ml)?", "mg/mL", 1e6),
    (r"fm|femtomolar", "fM", 1e-6),
    (r"pm|picomolar", "pM", 1e-3),
    (r"nm|nanomolar", "nM", 1.0),
    (r"(?:u|µ|μ)m|micromolar", "µM", 1e3),
    (r"mm|millimolar", "mM", 1e6),
    (r"(?:i?u|units?)(?:\s*/\s*ml|_ml|ml|\s*per\s*ml)", "U/mL", 1.0),
    (r"iu|units?", "U/mL", 1.0),
    (r"%|percent|pct", "%", 1.0),
    (r"gy", "Gy", 1.0),
    (r"moi", "MOI", 1.0),
)  # fmt: skip
# The multiplicity of infection stands before its number: "MOI 0.1", "MOI=1".
_MOI: Final = re.compile(rf"(?<![A-Za-z0-9])moi[\s_=:]*({_NUMBER})", re.IGNORECASE)
_UNIT: Final = "|".join(pattern for pattern, _, _ in _UNITS)
_DOSE: Final = re.compile(rf"({_NUMBER})\s*[-_]?\s*({_UNIT})", re.IGNORECASE)
_WORDS: Final = MappingProxyType({"low": 1.0, "lo": 1.0, "medium": 2.0, "mid": 2.0, "med": 2.0, "high": 3.0, "hi": 3.0})
_WORD: Final = re.compile(
    rf"({'|'.join(sorted(_WORDS, key=len, reverse=True))})(?:est)?[-_ ]?(?:doses?|concentrations?|conc)?", re.IGNORECASE
)
_SHOWN_WORDS: Final = MappingProxyType({1.0: "low dose", 2.0: "medium dose", 3.0: "high dose"})
_TIME: Final = re.compile(
    rf"({_NUMBER})\s*[-_]?\s*(minutes?|mins?|hours?|hrs?|h|days?|d|weeks?|wks?|w)(?:\s*(?:post|p\.?[it]\.?))?|"
    rf"(days?|d|weeks?|hours?|hrs?|h)\s*[-_]?\s*({_NUMBER})",
    re.IGNORECASE,
)
# Times in words. Only "overnight" can be ordered among hours.
_PHASE: Final = re.compile(
    r"(?:(early|immediate|initial)|(mid|middle|intermediate)|(late)|(over[-_ ]?night))"
    r"(?:[-_ ]?(?:time[-_ ]?points?|times?|phases?|responses?|stages?|hours|stim(?:ulation)?|treatment))?",
    re.IGNORECASE,
)
_PHASES: Final = ("early", "intermediate", "late", "overnight")
_OVERNIGHT: Final = 16 * 60.0
_MINUTES: Final = MappingProxyType({"m": 1.0, "h": 60.0, "d": 1440.0, "w": 10080.0})
_BEFORE: Final = r"(?<![A-Za-z0-9.])"
_AFTER: Final = r"(?![A-Za-z0-9])"
_DOSE_IN_LABEL: Final = re.compile(rf"{_BEFORE}@?\s*{_DOSE.pattern}{_AFTER}", re.IGNORECASE)
_TIME_IN_LABEL: Final = re.compile(
    rf"{_BEFORE}({_NUMBER})\s?[-_]?(minutes?|mins?|hours?|hrs?|hr|h|days?|d)(?:post|p[it])?{_AFTER}|"
    rf"{_BEFORE}(days?)[ _-]?({_NUMBER}){_AFTER}",
    re.IGNORECASE,
)
_WORD_IN_LABEL: Final = re.compile(
    rf"{_BEFORE}(low|medium|mid|med|high)(?:[-_ ]?(?:doses?|conc(?:entration)?))?$", re.IGNORECASE
)
_SHOWN_DOSE: Final = (
    r"(?:[\d.e+-]+ (?:[pnµ]g/mL|mg/kg|mg/mL|[fpnµm]M|U/mL|%|Gy|MOI)|dose [\d.e+-]+|(?:low|medium|high) dose)"
)
_FULL_NAME: Final = re.compile(
    rf"(?P<agent>.+?)(?: (?P<dose>{_SHOWN_DOSE}(?: \+ {_SHOWN_DOSE})*))?(?:, (?P<time>[\d.]+ (?:min|h|d)|time [\d.e+-]+|"
    rf"{'|'.join(_PHASES)}))?"
)
_EDGES: Final = " \t_-,;:@/()[]"
_DAYS_FROM: Final = 72  # hours; longer times in whole days are shown in days


class Exposure(NamedTuple):
    """A name without its dose and time, and these."""

    agent: str
    dose: str | None = None
    time: str | None = None


def parse_dose(text: str, unit: str = "") -> str | None:
    """Return a dose in the form that is shown ("10 ng/mL", "100 nM", "dose 5", "high dose"), or None if it is none.

    Args:
        unit: the unit of a bare number.
    """
    text = _MOI.sub(r"\1 MOI", text.strip())
    if match := _DOSE.fullmatch(text):
        number, written = match.groups()
        return _shown_dose(_number(number), written)
    if re.fullmatch(_NUMBER, text, re.IGNORECASE):
        return _shown_dose(_number(text), unit) if unit else f"dose {_number(text):g}"
    if match := _WORD.fullmatch(text):
        return _SHOWN_WORDS[_WORDS[match[1].lower()]]
    return None


def parse_unit(text: str) -> str | None:
    """Return the unit that a text is, in the form that is shown, or None."""
    return next((shown for pattern, shown, _ in _UNITS if re.fullmatch(pattern, text.strip(), re.IGNORECASE)), None)


def parse_time(text: str, unit: str = "") -> str | None:
    """Return a time in the form that is shown ("30 min", "6 h", "7 d", "early"), or None if it is none.

    Args:
        unit: the unit of a bare number: "min", "h" or "d".
    """
    text = text.strip()
    if match := _TIME.fullmatch(text):
        number, written = (match[1], match[2]) if match[1] else (match[4], match[3])
        return _shown_time(_number(number) * _MINUTES[written[0].lower()])
    if re.fullmatch(_NUMBER, text, re.IGNORECASE):
        return _shown_time(_number(text) * _MINUTES[unit[0]]) if unit else f"time {_number(text):g}"
    if match := _PHASE.fullmatch(text):
        return _PHASES[next(place for place, found in enumerate(match.groups()) if found)]
    return None


def parse_time_unit(text: str) -> str | None:
    """Return the unit of time that a text is ("min", "h", "d", "w"), or None."""
    match = _TIME.fullmatch(f"1 {text.strip()}")
    letter = match[2][0].lower() if match and match[2] else None
    return "min" if letter == "m" else letter


def take_exposure(label: str) -> Exposure:
    """Split the doses and the time off a condition label: "IFNb_10ng_6h" is IFNb at 10 ng/mL for 6 h."""
    time = None
    label = _MOI.sub(r"\1 MOI", label)
    if match := _TIME_IN_LABEL.search(label):
        number, written = (match[1], match[2]) if match[1] else (match[4], match[3])
        time = _shown_time(_number(number) * _MINUTES[written[0].lower()])
        label = _without(label, match)
    doses = []
    while match := _DOSE_IN_LABEL.search(label):
        doses.append(_shown_dose(_number(match[1]), match[2]))
        label = _without(label, match)
    if not doses and (match := _WORD_IN_LABEL.search(label)) and match.start():
        doses.append(_SHOWN_WORDS[_WORDS[match[1].lower()]])
        label = _without(label, match)
    return Exposure(label, " + ".join(dict.fromkeys(doses)) or None, time)


def full_name(agent: str, dose: str | None, time: str | None) -> str:
    """Return the name of a perturbation in this dose and at this time."""
    dosed = f"{agent} {dose}" if dose else agent
    return f"{dosed}, {time}" if time else dosed


def split_name(name: str) -> Exposure:
    """Return the parts of a name that `full_name` made."""
    match = _FULL_NAME.fullmatch(name)
    return Exposure(match["agent"], match["dose"], match["time"]) if match else Exposure(name)


def strength(dose: str | None, time: str | None) -> tuple[float, float]:
    """Return what orders doses and times: the amount, then the minutes; -1 for what is not stated."""
    return max(map(_amount, dose.split(" + ")), default=-1.0) if dose else -1.0, _minutes(time) if time else -1.0


def have_order(amounts: Iterable[str]) -> bool:
    """Return whether `strength` orders doses, or times: 10 ng/mL and 5 nM, or 6 h and "late", cannot be compared."""
    different = set(amounts)
    return len(different) < 2 or len({_scale(each) for each in different}) == 1


def _scale(amount: str) -> str:
    """Return what amounts that can be compared have in common; the amount itself if it is comparable with no other."""
    if match := _DOSE.fullmatch(amount):
        shown = parse_unit(match[2]) or ""
        return "M" if shown.endswith("M") else "g/mL" if shown.endswith("g/mL") else shown
    if re.fullmatch(r"[\d.]+ (min|h|d)|overnight", amount):
        return "minutes"
    if amount.startswith(("time ", "dose ")):
        return amount[:4]
    if amount in _SHOWN_WORDS.values():
        return "words"
    return "phases" if amount in _PHASES else amount


def _amount(dose: str) -> float:
    if match := _DOSE.fullmatch(dose):
        number, unit = match.groups()
        factor = next(factor for pattern, _, factor in _UNITS if re.fullmatch(pattern, unit, re.IGNORECASE))
        return _number(number) * factor
    if dose.startswith("dose "):
        return float(dose.removeprefix("dose "))
    return _WORDS.get(dose.split(maxsplit=1)[0], 0.0)


def _minutes(time: str) -> float:
    if time.startswith("time "):
        return float(time.removeprefix("time "))
    if match := re.fullmatch(r"([\d.]+) (min|h|d)", time):
        return float(match[1]) * _MINUTES[match[2][0]]
    if time == "overnight":
        return _OVERNIGHT
    return float(_PHASES.index(time)) if time in _PHASES else 0.0  # 0: a word of the file


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _shown_dose(number: float, unit: str) -> str:
    shown = parse_unit(unit)
    return f"{number:g} {shown}" if shown else f"dose {number:g}"


def _shown_time(minutes: float) -> str:
    hours = minutes / 60
    if 0 < hours < 1:
        return f"{minutes:g} min"
    return f"{hours / 24:g} d" if hours > _DAYS_FROM and hours % 24 == 0 else f"{hours:g} h"


def _without(label: str, match: re.Match[str]) -> str:
    before, after = label[: match.start()].rstrip(_EDGES), label[match.end() :].lstrip(_EDGES)
    # What joined two names still does.
    is_joined = after[:1] in {"+", "&"} or before[-1:] in {"+", "&"}
    return f"{before}{'' if is_joined else '_'}{after}" if before and after else before or after
