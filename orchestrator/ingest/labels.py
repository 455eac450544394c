"""What the columns of an atlas say of its cells: donor, cell type and condition of each, and what could not be understood."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from orchestrator.atlas.atlas import AtlasUnusable, Group
from orchestrator.ingest.coded import Coded
from orchestrator.ingest.column_controls import mark_controls, names_column
from orchestrator.ingest.columns import SAMPLE_COLUMNS, Columns, choose_columns, other_conditions
from orchestrator.ingest.conditions import listed, read_conditions
from orchestrator.ingest.confounding import about_confounding, confounded, find_confounding
from orchestrator.ingest.donors import (
    ONE_DONOR,
    about_reused_labels,
    donors_without_condition,
    spelled_alike,
    without_replicates,
)
from orchestrator.ingest.doubtful_cells import about_doubtful_cells
from orchestrator.ingest.exposures import with_exposures
from orchestrator.ingest.meaning import Meaning
from orchestrator.ingest.obs_columns import labels_of, plain
from orchestrator.ingest.options import Options
from orchestrator.ingest.species import about_species
from orchestrator.ingest.treatments import read_treatments
from shared.catalog.entries import ConditionEntry
from shared.resolver.guides import Modality, is_screen
from shared.resolver.labels import cell_type_entry, reference_name, told_apart
from shared.resolver.placeholders import is_unassigned

_FEW_LABELS = 50
_TECHNIQUES = (
    (re.compile(r"crispr[\W_]?a\b|activation|overexpress", re.IGNORECASE), Modality.OVEREXPRESSION),
    (
        re.compile(r"crispr[\W_]?i\b|interference|knock[\W_]?down|\bkd\b|[sr]irna|rnai", re.IGNORECASE),
        Modality.KNOCKDOWN,
    ),
    (re.compile(r"crispr|cas9|knock[\W_]?out|\bko\b", re.IGNORECASE), Modality.KNOCKOUT),
)


def understand(obs: pd.DataFrame, options: Options) -> Meaning:
    """Return what the columns of an atlas mean.

    Raises:
        AtlasUnusable: they are not understood; the message says which options to give.
    """
    columns = choose_columns(obs, options)
    cell_type = Coded.of(obs[columns.cell_type.column])
    of_file = Coded.of(obs[columns.condition.column])
    guides = _guides(obs, of_file, options)
    treated = read_treatments(obs, columns.condition.column, columns.more_conditions, options, guides)
    marked = mark_controls(obs, treated.cells, columns, treated.options)
    condition = marked.cells
    more = [label for name in treated.columns for label in labels_of(obs[name])]
    _check_labels(obs, options, [*of_file.labels, *condition.labels, *more, *cell_type.labels])
    conditions = read_conditions(
        condition.counts,
        marked.options,
        guides,
        lambda label: _named_elsewhere(obs, condition.mask(label), columns),
        combined=treated.entries,
        proposed=marked.proposed,
        missing=int((~condition.present).sum()),
    )
    left_out = {f"{columns.condition.column} {label!r}": cells for label, cells in conditions.left_out.items()}
    left_out |= treated.left_out
    missing = int((~condition.present | ~cell_type.present).sum()) - sum(treated.left_out.values())
    if missing:
        left_out["a missing label"] = missing
    condition = condition.relabeled(dict.fromkeys(condition.labels) | conditions.new_labels)
    new_types = _kept_types(cell_type, columns, options, left_out)
    cell_type = cell_type.relabeled(new_types)
    exposed = with_exposures(obs, condition, conditions.entries, columns)
    condition, entries = exposed.cells, {each.label: each for each in told_apart(list(exposed.entries.values()))}
    notes = [*treated.notes, *marked.notes, *conditions.notes, *exposed.notes]
    if guides:
        notes.append(f"The labels are guides: each is taken as the {guides} of its gene (--guides says otherwise).")
    pooled = list(_about_other_conditions(obs, columns, condition, treated.columns))
    donor = _donors(obs, columns, condition.where(cell_type.present), left_out, notes)
    if columns.donor is not None:
        pooled += about_reused_labels(obs, donor, columns.donor.column)
    found = Meaning(
        columns=columns,
        rows=_rows(donor, cell_type, condition),
        conditions=[],
        cell_types=[],
        n_file=len(obs),
        left_out=left_out,
        notes=notes,
        about_columns=[*pooled, *conditions.warnings],
    )
    if not found.rows:
        raise AtlasUnusable(f"No cell has a donor, a cell type and a condition. Left out: {listed(left_out)}.")
    _describe(found, entries, _term_ids(obs, columns, cell_type))
    found.check_sizes()
    confounding = list(find_confounding(obs, columns, found.rows, found.conditions))
    found.conditions = confounded(found.conditions, confounding)
    found.about_columns += [
        *about_species(obs, options.organism),
        *about_confounding(confounding),
        *about_doubtful_cells(obs, found.rows),
    ]
    donors = columns.donor
    if donors and plain(donors.column) in map(plain, SAMPLE_COLUMNS) and donors.why != "given" and found.arms.both:
        found.notes.append(f"{donors.column} is taken as the donor. If it does not name people, give --donor-column.")
    return found


def _check_labels(obs: pd.DataFrame, options: Options, labels: list[str]) -> None:
    """Refuse options about labels that the file lacks, which are most likely misspelled."""
    labels = list(dict.fromkeys(labels))
    known = {*labels, *options.renamed.values(), *(each for each in options.controls if names_column(obs, each))}
    for name, given in (("rename", options.renamed), ("exclude", options.excluded), ("control", options.controls)):
        unknown = [label for label in given if label not in known]
        if unknown:
            raise AtlasUnusable(
                f"--{name} names {listed(unknown)}, which the file lacks; its labels: {listed(labels)}."
            )


def _guides(obs: pd.DataFrame, condition: Coded, options: Options) -> Modality | None:
    """Return what the guides of the file do, or None if its conditions are no guides."""
    if options.guides:
        return Modality(options.guides)
    labels = list(condition.counts)
    if not is_screen(labels):
        return None
    for column in obs.columns:
        if obs[column].dtype == bool or pd.api.types.is_numeric_dtype(obs[column].dtype):
            continue
        found = labels_of(obs[column])
        if len(found) > 4:
            continue
        for label in found:
            for pattern, modality in _TECHNIQUES:
                if pattern.search(label):
                    return modality
    return Modality.KNOCKOUT


def _named_elsewhere(obs: pd.DataFrame, cells: np.ndarray, columns: Columns) -> tuple[str, str] | None:
    """Return the column and the label that name these cells' perturbation, if just one known name is the label of all of them."""
    found: dict[str, tuple[str, str]] = {}
    for name in map(str, obs.columns):
        column = obs[name]
        is_taken = name in {columns.cell_type.column, columns.condition.column}
        if is_taken or pd.api.types.is_numeric_dtype(column.dtype) or len(labels_of(column)) > _FEW_LABELS:
            continue
        labels = Coded.of(column[cells]).counts
        if len(labels) == 1 and (known := reference_name(next(iter(labels)))):
            found.setdefault(known, (name, known))
    return next(iter(found.values())) if len(found) == 1 else None


def _kept_types(
    cell_type: Coded, columns: Columns, options: Options, left_out: dict[str, int]
) -> dict[str, str | None]:
    new: dict[str, str | None] = {}
    for label, cells in cell_type.counts.items():
        name = options.renamed.get(label, label)
        if {label, name} & set(options.excluded) or (label not in options.renamed and is_unassigned(label)):
            new[label] = None
            left_out[f"{columns.cell_type.column} {label!r}"] = cells
        else:
            new[label] = name
    return new


def _donors(obs: pd.DataFrame, columns: Columns, condition: Coded, left_out: dict[str, int], notes: list[str]) -> Coded:
    if columns.donor is None:
        notes.append(
            "No column of donors is used: all cells count as one donor, so nothing is known about other people."
        )
        return Coded.constant(ONE_DONOR, len(obs))
    donor = Coded.of(obs[columns.donor.column])
    if missing := int((~donor.present & condition.present).sum()):
        left_out["a missing label"] = left_out.get("a missing label", 0) + missing
    new = {label: None for label in donor.labels if is_unassigned(label)}
    for label, cells in donor.where(condition.present).counts.items():
        if label in new:
            left_out[f"{columns.donor.column} {label!r}"] = cells
    donor = donor.relabeled(new)
    if alike := spelled_alike(donor.counts):
        example = next(iter(alike))
        notes.append(
            f"Labels of {columns.donor.column} that are spelled alike are one donor: {example} is {alike[example]}."
        )
        donor = donor.relabeled(alike)
    shorter = donors_without_condition(donor.crossed(condition).keys())
    if shorter is not None:
        example = next(iter(shorter))
        notes.append(f"Labels of {columns.donor.column} contain the condition: {example} is donor {shorter[example]}.")
        donor = donor.relabeled(shorter)
    stems = without_replicates(list(donor.counts))
    if stems is not None and columns.donor.why != "given":
        notes.append(
            f"Labels of {columns.donor.column} ({listed(sorted(stems))}) name replicates: the cells of all replicates are one donor. If "
            f"each is another person, give --donor-column {columns.donor.column}."
        )
        donor = donor.relabeled(stems)
    return donor


def _rows(donor: Coded, cell_type: Coded, condition: Coded) -> dict[Group, np.ndarray]:
    """Return the sorted rows of each group."""
    complete = donor.present & cell_type.present & condition.present
    rows = np.flatnonzero(complete)
    keys = donor.codes[rows].astype(np.int64)
    for part in (cell_type, condition):
        keys = keys * len(part.labels) + part.codes[rows]
    order = np.argsort(keys, kind="stable")
    found, starts = np.unique(keys[order], return_index=True)
    groups = {}
    for key, members in zip(found.tolist(), np.split(rows[order], starts[1:]), strict=True):
        rest, condition_place = divmod(key, len(condition.labels))
        donor_place, type_place = divmod(rest, len(cell_type.labels))
        group = Group(donor.labels[donor_place], cell_type.labels[type_place], condition.labels[condition_place])
        groups[group] = members.astype(np.int64)
    return groups


def _term_ids(obs: pd.DataFrame, columns: Columns, cell_type: Coded) -> dict[str, str]:
    """Return the Cell Ontology id that the file gives for each cell type, if it gives one."""
    if columns.cell_type_id is None:
        return {}
    found: dict[str, dict[str, int]] = {}
    for (label, term), cells in cell_type.crossed(Coded.of(obs[columns.cell_type_id])).items():
        found.setdefault(label, {})[term] = cells
    return {label: max(terms, key=lambda term: terms[term]) for label, terms in found.items()}


def _describe(found: Meaning, entries: Mapping[str, ConditionEntry], term_ids: Mapping[str, str]) -> None:
    used = sorted({group.condition for group in found.rows})
    found.conditions = [entries[label] for label in used]
    types = sorted({group.cell_type for group in found.rows})
    found.cell_types = [cell_type_entry(label, term_ids.get(label)) for label in types]
    if not found.controls:
        raise AtlasUnusable("No control cell has a donor and a cell type. Check the columns of donors and cell types.")


def _about_other_conditions(
    obs: pd.DataFrame, columns: Columns, condition: Coded, used: Sequence[str]
) -> Iterator[str]:
    """Yield which cells of one condition were treated differently, as another column says."""
    for name in other_conditions(obs, columns):
        if name in used:
            continue
        other = Coded.of(obs[name])
        named = other.relabeled({label: None for label in other.labels if is_unassigned(label)}).crossed(condition)
        filled = Coded(np.where(other.present, other.codes, len(other.labels)), [*other.labels, "nan"]).crossed(
            condition
        )
        # A column repeats the conditions if it splits none, and names their guides or samples if each of its labels has one condition.
        if len(filled) > len({each for _, each in filled}) and len(named) > len({label for label, _ in named}):
            labels = sorted({label for label, _ in filled})
            yield (
                f"The column {name} also looks like conditions ({listed(labels)}) and is not used: cells that differ in it are "
                f"pooled. If it says what was done to the cells, give --condition-column {'+'.join([*used, name])}."
            )
