"""From the labels of a condition column to controls, perturbations, and what is left out."""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.atlas.errors import AtlasUnusable
from orchestrator.ingest.label_context import in_context
from orchestrator.ingest.options import Options
from shared.catalog.entries import ConditionEntry
from shared.catalog.normalize import compact
from shared.resolver.controls import NON_TARGETING, control_kind
from shared.resolver.guides import Modality
from shared.resolver.labels import condition_entry
from shared.resolver.placeholders import is_false, is_unassigned, is_unnamed

_LISTED = 12
_NO_DOSE = re.compile(r"(?:dose )?0(?: .*)?")
_YES_OR_NO = frozenset({"true", "false", "yes", "no", "0", "1", "t", "f", "y", "n", "on", "off"})
# Returns the column and the label that name a condition elsewhere in the file, or None.
NamedElsewhere = Callable[[str], tuple[str, str] | None]


@dataclass
class Conditions:
    """What the labels of a condition column mean."""

    new_labels: dict[str, str | None] = field(default_factory=dict)  # by label of the file; None: left out
    entries: dict[str, ConditionEntry] = field(default_factory=dict)  # by new label
    left_out: dict[str, int] = field(default_factory=dict)  # cells by label of the file
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def controls(self) -> list[str]:
        """The labels of the control conditions."""
        return [label for label, entry in self.entries.items() if entry.is_control]

    @property
    def perturbed(self) -> list[str]:
        """The labels of the other conditions."""
        return [label for label, entry in self.entries.items() if not entry.is_control]


def read_conditions(
    counts: Mapping[str, int],
    options: Options,
    guides: Modality | None,
    named_elsewhere: NamedElsewhere,
    *,
    combined: Mapping[str, ConditionEntry] | None = None,
    proposed: Sequence[str] = (),
    missing: int = 0,
) -> Conditions:
    """Return what the labels of a condition column mean, given the number of cells of each.

    Args:
        combined: what labels mean that were made of several columns.
        proposed: values of `--control` that name a control in another column, with their sizes.
        missing: number of cells without a label.

    Raises:
        AtlasUnusable: no control is found, controls of several kinds are, or a label cannot be asked for; the message says which
            options to give.
    """
    found = Conditions()
    cells = _kept(counts, options, found)
    says_yes_or_no = all(label.casefold() in _YES_OR_NO for label in counts)
    noes = {options.renamed.get(label, label) for label in counts if says_yes_or_no and is_false(label)}
    kinds = _control_kinds(cells, options, guides, noes & cells.keys(), found)
    for label in sorted(cells):
        if label in kinds:
            found.entries[label] = ConditionEntry(label=label, perturbation=None, kind="control", is_control=True)
            continue
        entry = (combined or {}).get(label) or condition_entry(label, guides)
        if entry.is_control:  # it looks like a control, but others were named
            found.warnings.append(
                f"{label} ({cells[label]:,} cells) looks like a control but was not named with --control, and is left out."
            )
            _leave_out(label, found, cells[label])
            continue
        if kinds and entry.dose and _NO_DOSE.fullmatch(entry.dose):
            found.warnings.append(
                f"{label} ({cells[label]:,} cells) is a dose of 0, and is left out; {option('control', label)} takes it as the control."
            )
            _leave_out(label, found, cells[label])
            continue
        found.entries[label] = entry
    if not guides:
        perturbed = {label: found.entries[label] for label in found.perturbed}
        explained, notes = in_context(perturbed, found.controls)
        found.entries |= explained
        found.notes += notes
    _name_unnamed(cells, found, guides, named_elsewhere)
    if not found.controls:
        raise AtlasUnusable(_no_control(cells, found, proposed, missing))
    if not found.perturbed:
        raise AtlasUnusable(
            f"All conditions are controls or left out ({', '.join(cells)}), so there is nothing to predict. Give another column with "
            "--condition-column."
        )
    _own_controls(cells, kinds, options, found)
    return found


def option(name: str, value: str) -> str:
    """Return an option as it is written in a shell."""
    return f"--{name} {shlex.quote(value)}"


def listed(labels: Iterable[str]) -> str:
    """Return labels in words, the first ones of many."""
    names = list(labels)
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def _kept(counts: Mapping[str, int], options: Options, found: Conditions) -> dict[str, int]:
    """Return the cells of the labels that are kept, by new label."""
    cells: dict[str, int] = {}
    is_numeric = all(re.fullmatch(r"\d+(\.\d+)?", label) for label in counts)
    for label, number in counts.items():
        new = options.renamed.get(label, label)
        is_named = label in options.renamed or {label, new} & {*options.controls, *options.controls_for.values()}
        is_excluded = bool({label, new} & set(options.excluded))
        if is_excluded or (not is_named and is_unassigned(label) and not is_numeric):
            _leave_out(label, found, number)
        else:
            found.new_labels[label] = new
            cells[new] = cells.get(new, 0) + number
    return cells


def _leave_out(label: str, found: Conditions, cells: int) -> None:
    origins = [old for old, new in found.new_labels.items() if new == label] or [label]
    for origin in origins:
        found.new_labels[origin] = None
    found.left_out[label] = found.left_out.get(label, 0) + cells


def _control_kinds(
    cells: Mapping[str, int], options: Options, guides: Modality | None, noes: Iterable[str], found: Conditions
) -> dict[str, str]:
    """Return the kind of each control condition."""
    named = {options.renamed.get(label, label) for label in options.controls}
    own = {options.renamed.get(label, label) for label in options.controls_for.values()}
    if named:
        return dict.fromkeys((named | own) & cells.keys(), "given")
    kinds = {label: kind for label in cells if (kind := control_kind(label))}
    if not kinds and noes:
        kinds = dict.fromkeys(noes, "control")
        found.notes.append(f"{listed(kinds)} is taken as the control.")
    if guides or NON_TARGETING in kinds.values():
        # "ctrl" beside guides is the guide without a target.
        kinds = {label: NON_TARGETING if kind == "control" else kind for label, kind in kinds.items()}
    by_kind: dict[str, list[str]] = {}
    for label, kind in kinds.items():
        by_kind.setdefault(kind, []).append(label)
    kinds |= dict.fromkeys(own & cells.keys(), "given")
    covered = {label for label in cells if _named_in(label, options)}
    if len(by_kind) > 1 and not {label for label in cells if label not in kinds} <= covered:
        raise AtlasUnusable(_several_kinds(cells, kinds))
    for kind, labels in by_kind.items():
        if len(labels) > 1:
            found.notes.append(f"{listed(labels)} are pooled as one kind of control ({kind}).")
    return kinds


def _several_kinds(cells: Mapping[str, int], kinds: Mapping[str, str]) -> str:
    labels = sorted(kinds, key=lambda label: -cells[label])
    example = next((label for label in sorted(cells, key=lambda each: -cells[each]) if label not in kinds), "CONDITION")
    described = ", ".join(f"{label} ({cells[label]:,} cells)" for label in labels)
    choices = "\n".join(
        f"  {option('control', label)} {' '.join(option('exclude', other) for other in labels if kinds[other] != kinds[label])}"
        for label in labels
    )
    return (
        f"There are controls of several kinds: {described}. Compared with the wrong one, the difference between them would be reported as "
        f"a response. Choose one:\n{choices}\nor name the control of each condition, such as "
        f"{option('control-for', f'{example}={labels[0]}')}"
    )


def _no_control(cells: Mapping[str, int], found: Conditions, proposed: Sequence[str], missing: int) -> str:
    left_out = (
        f" Left out as unassigned unless --control names them: {listed(found.left_out)}." if found.left_out else ""
    )
    if missing:
        left_out += f" {missing:,} cells have no label: if they are the controls, write so in the file."
    elsewhere = " or one of another column with --control COLUMN=LABEL"
    if proposed:
        elsewhere += f", such as {option('control', proposed[0].partition(' (')[0])} (possible: {listed(proposed)})"
    return (
        f"No condition is recognized as a control. Name one with --control LABEL,{elsewhere}; labels: {listed(cells)}.{left_out}"
        if cells
        else f"All condition labels are left out: {listed(found.left_out)}. Name the control with --control LABEL."
    )


def _name_unnamed(
    cells: Mapping[str, int], found: Conditions, guides: Modality | None, named_elsewhere: NamedElsewhere
) -> None:
    """Name the conditions whose label does not say what was done, from another column.

    Raises:
        AtlasUnusable: no column names one.
    """
    unnamed = [label for label in found.perturbed if is_unnamed(label) and not (guides and not label.isdigit())]
    missing = []
    for label in unnamed:
        origins = [old for old, new in found.new_labels.items() if new == label]
        elsewhere = named_elsewhere(origins[0]) if len(origins) == 1 else None
        if elsewhere is None:
            missing.append(label)
            continue
        column, name = elsewhere
        found.notes.append(f"{label} is called {name}, after the column {column}.")
        entry = condition_entry(name, guides)
        del found.entries[label]
        found.entries[name] = entry
        found.new_labels[origins[0]] = name
    if missing and found.controls:
        renames = " ".join(option("rename", f"{label}=IFN-beta") for label in missing[:3])
        sizes = listed(f"{label} ({cells[label]:,} cells)" for label in missing)
        is_all = set(missing) == set(found.perturbed)  # without them there is nothing to ask about
        others = "" if is_all else f", or leave it out with {option('exclude', missing[0])}"
        raise AtlasUnusable(
            f"The condition {sizes} does not say what was done to the cells, so nobody could ask for it. Repeat the command with its "
            f"name, such as {renames} (with the name of your perturbation){others}."
        )


def _named_in(label: str, options: Options) -> str | None:
    """Return the control that a person named for a condition, by its label, its new label or its canonical name."""
    if not options.controls_for:
        return None
    name = condition_entry(label).perturbation or label
    for condition, control in options.controls_for.items():
        new = options.renamed.get(condition, condition)
        if label in {condition, new} or compact(name) in {compact(condition), compact(new)}:
            return options.renamed.get(control, control)
    return None


def _own_controls(cells: Mapping[str, int], kinds: Mapping[str, str], options: Options, found: Conditions) -> None:
    """Give each condition its own controls, where they are not the same for all."""
    if not options.controls_for:
        return
    for control in options.controls_for.values():
        if options.renamed.get(control, control) not in found.controls:
            raise AtlasUnusable(f"--control-for names {control}, which is no condition; available: {listed(cells)}.")
    used = set()
    defaults = sorted(
        {options.renamed.get(label, label) for label in options.controls} & set(found.controls)
        or {label for label, kind in kinds.items() if kind != "given"}
    )
    for label in found.perturbed:
        own = _named_in(label, options)
        used.add(own)
        found.entries[label] = found.entries[label].model_copy(update={"controls": [own] if own else defaults})
    unknown = [each for each in options.controls_for if not any(_matches(each, label) for label in found.perturbed)]
    if unknown:
        raise AtlasUnusable(
            f"--control-for names {listed(unknown)}, which is no condition; available: {listed(cells)}."
        )


def _matches(condition: str, label: str) -> bool:
    name = condition_entry(label).perturbation or label
    return condition == label or compact(condition) in {compact(label), compact(name)}
