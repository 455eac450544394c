"""Doses and times in columns of their own: one condition for each that was measured."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from orchestrator.ingest.coded import MISSING, Coded
from orchestrator.ingest.columns import Columns
from orchestrator.ingest.conditions import listed
from orchestrator.ingest.exposure_columns import unit_in_name
from shared.catalog.entries import ConditionEntry
from shared.catalog.exposure import full_name, have_order, parse_dose, parse_time, parse_time_unit, parse_unit
from shared.resolver.placeholders import is_unassigned

_NONE = ""
_ZERO = re.compile(r"(?:dose )?0(?: .*)?")
_START = re.compile(r"time 0|0 (?:h|min|d)")


@dataclass
class Exposed:
    """Conditions with their doses and times."""

    cells: Coded  # the condition of each cell
    entries: dict[str, ConditionEntry]
    notes: list[str] = field(default_factory=list)


def with_exposures(obs: pd.DataFrame, cells: Coded, entries: dict[str, ConditionEntry], columns: Columns) -> Exposed:
    """Return one condition for each dose and time of a perturbation; controls have one for each time at most."""
    doses = _doses(obs, columns)
    times = _times(obs, columns)
    if doses is None and times is None:
        return Exposed(cells, entries)
    none = Coded.constant(_NONE, len(cells.codes))
    doses, times = doses or none, times or none
    notes: list[str] = []
    is_control = np.array([entries[label].is_control for label in cells.labels] or [False])
    control_cells = cells.present & is_control[np.maximum(cells.codes, 0)]
    for what, values, nothing in (("dose", doses, _ZERO), ("time", times, _START)):
        zero = np.isin(values.codes, [place for place, label in enumerate(values.labels) if nothing.fullmatch(label)])
        if n_zero := int((zero & cells.present & ~control_cells).sum()):
            notes.append(f"{n_zero:,} cells of perturbations at {what} 0 are left out.")
            cells = cells.where(~zero | control_cells)
    perturbed_times = {label for label in times.where(cells.present & ~control_cells).counts if label}
    control_times = {label for label in times.where(control_cells).counts if label}
    # A control that was not measured at the same times serves all of them.
    splits_controls = len(perturbed_times) > 1 and len(control_times & perturbed_times) > 1
    keys = (
        cells.codes.astype(np.int64) * len(doses.labels) + np.where(control_cells, _place(doses), doses.codes)
    ) * len(times.labels)
    keys += np.where(control_cells & (not splits_controls), _place(times), times.codes)
    found, codes = np.unique(np.where(cells.present, keys, MISSING), return_inverse=True)
    labels: list[str] = []
    made: dict[str, ConditionEntry] = {}
    for key in found.tolist():
        if key == MISSING:
            labels.append(_NONE)
            continue
        rest, time_place = divmod(key, len(times.labels))
        label_place, dose_place = divmod(rest, len(doses.labels))
        entry = entries[cells.labels[label_place]]
        dose, time = doses.labels[dose_place] or entry.dose, times.labels[time_place] or entry.time
        label = full_name(
            entry.label,
            dose if dose != entry.dose and not entry.is_control else None,
            time if time != entry.time else None,
        )
        labels.append(label)
        made[label] = entry.model_copy(
            update={"label": label, "dose": None if entry.is_control else dose, "time": time}
        )
    exposed = Coded(np.where(cells.present, codes.reshape(-1), MISSING).astype(np.int32), labels).merged()
    return Exposed(exposed, _with_controls_of_time(made, entries), [*notes, *_notes(columns, exposed, made)])


def _place(coded: Coded) -> int:
    return coded.labels.index(_NONE)


def _doses(obs: pd.DataFrame, columns: Columns) -> Coded | None:
    if columns.dose is None:
        return None
    name = columns.dose.column
    amounts = Coded.of(obs[name])
    unit = parse_unit(unit_in_name(name)) or ""
    if not unit and columns.dose_unit:
        amounts = _with_units(amounts, Coded.of(obs[columns.dose_unit]), parse_unit)
    return _read(amounts, lambda text: parse_dose(text, unit))


def _with_units(amounts: Coded, units: Coded, parse: Callable[[str], str | None]) -> Coded:
    """Return each bare number with the unit of its cell: 10 nM is not 10 µM, and 30 min come before 6 h."""
    known = [*(parse(label) or "" for label in units.labels), ""]
    labels = [
        f"{amount} {unit}" if unit and (parse_dose(amount) or "").startswith("dose ") else amount
        for amount in amounts.labels
        for unit in known
    ]
    codes = amounts.codes.astype(np.int64) * len(known) + np.where(units.present, units.codes, len(known) - 1)
    return Coded(np.where(amounts.present, codes, MISSING).astype(np.int32), labels).merged()


def _times(obs: pd.DataFrame, columns: Columns) -> Coded | None:
    if columns.time is None:
        return None
    times = Coded.of(obs[columns.time.column])
    unit = unit_in_name(columns.time.column)
    if not unit and columns.time_unit:
        times = _with_units(times, Coded.of(obs[columns.time_unit]), parse_time_unit)
    return _read(times, lambda text: parse_time(text, unit))


def _read(values: Coded, parse: Callable[[str], str | None]) -> Coded:
    new: dict[str, str | None] = {}
    for label in values.labels:
        is_none = is_unassigned(label) or label.casefold() in {"control", "untreated", "vehicle"}
        new[label] = _NONE if is_none else parse(label) or label
    coded = values.relabeled(new)
    labels = coded.labels if _NONE in coded.labels else [*coded.labels, _NONE]
    codes = np.where(coded.codes < 0, labels.index(_NONE), coded.codes)
    return Coded(codes.astype(np.int32), labels)


def _with_controls_of_time(
    made: dict[str, ConditionEntry], entries: dict[str, ConditionEntry]
) -> dict[str, ConditionEntry]:
    """Give each condition the controls of its time, and its own controls their new labels."""
    controls = [entry for entry in made.values() if entry.is_control]
    by_origin = {
        label: [each for each in controls if each.label == label or each.label.startswith(f"{label}, ")]
        for label in entries
    }
    timed = len({entry.time for entry in controls}) > 1
    for label, entry in made.items():
        if entry.is_control or not (timed or entry.controls):
            continue
        pool = [each for origin in entry.controls for each in by_origin.get(origin, [])] if entry.controls else controls
        same = [each.label for each in pool if each.time == entry.time] if timed else []
        made[label] = entry.model_copy(update={"controls": sorted(same or [each.label for each in pool])})
    return made


def _notes(columns: Columns, cells: Coded, made: dict[str, ConditionEntry]) -> list[str]:
    notes = []
    counts = cells.counts
    for what, choice, values in (
        ("doses", columns.dose, {made[label].dose for label in counts if label in made and not made[label].is_control}),
        ("times", columns.time, {made[label].time for label in counts if label in made and not made[label].is_control}),
    ):
        known = sorted(each for each in values if each)
        if choice and len(known) > 1:
            most = "highest" if what == "doses" else "latest"
            notes.append(
                f"{len(known)} {what} of the column {choice.column} are conditions of their own; a question that names none is answered "
                + (
                    f"from the {most}."
                    if have_order(known)
                    else f"from one of them, because it is not known which is the {most} ({listed(known)}): name one in the question."
                )
            )
    return notes
