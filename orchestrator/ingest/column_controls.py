"""Controls that a column other than the one of conditions names: cells at time 0, before treatment, or without a dose."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pandas as pd

from orchestrator.ingest.coded import Coded
from orchestrator.ingest.columns import Columns
from orchestrator.ingest.exposure_columns import is_before
from orchestrator.ingest.obs_columns import labels_of
from orchestrator.ingest.options import Options
from shared.resolver.controls import is_control
from shared.resolver.placeholders import is_false, is_unassigned

_FEW_LABELS: Final = 60


@dataclass(frozen=True)
class Marked:
    """Conditions in which the cells of such controls have a label of their own."""

    cells: Coded
    options: Options
    proposed: list[str] = field(default_factory=list)  # values of --control that may be right
    notes: list[str] = field(default_factory=list)


def mark_controls(obs: pd.DataFrame, cells: Coded, columns: Columns, options: Options) -> Marked:
    """Return the conditions with the controls that `--control COLUMN=LABEL` names.

    If no condition is a control and all cells have one treatment, those before it are its control, and a note says so.
    """
    named = [each for each in options.controls if each not in cells.labels]
    found = {each: mask for each in named if (mask := _mask(obs, each)) is not None}
    if found:
        return Marked(_labeled(cells, found), options)
    labels = [label for label in cells.counts if label not in options.excluded and not is_unassigned(label)]
    is_settled = options.controls or options.controls_for or any(map(is_control, labels)) or any(map(is_false, labels))
    before = {} if is_settled else dict(_before(obs, columns))
    before = {each: mask for each, mask in before.items() if (mask & cells.present).any()}
    if len(labels) != 1 or not before:
        return Marked(cells, options, [f"{each} ({int(mask.sum()):,} cells)" for each, mask in before.items()])
    name, mask = next(iter(before.items()))
    note = f"All cells are labeled {labels[0]}: those with {name} are taken as the control (--control {name})."
    return Marked(_labeled(cells, {name: mask}), replace(options, controls=(name,)), notes=[note])


def names_column(obs: pd.DataFrame, control: str) -> bool:
    """Return whether the value of `--control` names a column and one of its labels."""
    return _mask(obs, control) is not None


def _mask(obs: pd.DataFrame, control: str) -> np.ndarray | None:
    column, separator, label = control.partition("=")
    if not separator or column not in obs:
        return None
    labels = Coded.of(obs[column])
    return labels.mask(label) if label in labels.labels else None


def _labeled(cells: Coded, found: dict[str, np.ndarray]) -> Coded:
    labels, codes = [*cells.labels], cells.codes.copy()
    for label, mask in found.items():
        labels.append(label)
        codes[mask & cells.present] = len(labels) - 1
    return Coded(codes, labels)


def _before(obs: pd.DataFrame, columns: Columns) -> Iterator[tuple[str, np.ndarray]]:
    for choice in (columns.time, columns.dose):
        if choice is None:
            continue
        for label in _labels_before(obs, choice.column):
            yield f"{choice.column}={label}", Coded.of(obs[choice.column]).mask(label)


def _labels_before(obs: pd.DataFrame, column: str) -> list[str]:
    labels = labels_of(obs[column])
    if not 1 < len(labels) <= _FEW_LABELS:
        return []
    return [label for label in labels if is_before(label)]
