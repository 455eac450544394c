"""Guess which columns of an atlas say the cell type, the condition, the donor, the dose and the time, from their names and their labels."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from orchestrator.atlas.errors import AtlasUnusable
from orchestrator.ingest.exposure_columns import (
    MOST_DOSES,
    UNITS,
    dose_column,
    dose_unit_column,
    is_before,
    is_exposure,
    time_column,
    time_unit_column,
    unit_columns,
)
from orchestrator.ingest.obs_columns import Choice, given_column, labels_of, listed_columns, plain
from orchestrator.ingest.options import NO_COLUMN, Options
from shared.resolver.context import is_term
from shared.resolver.controls import is_control
from shared.resolver.guides import is_screen
from shared.resolver.labels import OTHER, cell_type_entry, condition_entry
from shared.resolver.placeholders import is_false, is_unassigned, is_unnamed

# A line stands for its cell type, which does not tell lines apart.
CELL_LINE_COLUMNS: Final = ("cell_line", "cellline", "cell.line", "cell line", "cell_line_name")
CELL_TYPE_COLUMNS: Final = (
    "cell_type", "cell_types", "celltype", "cell_ontology_class", "cluster_id", "cell_type_annotations", "annotation", "annotations",
    "celltypes", "cell_label", "predicted_celltype", "majority_voting", "cell", "celltype_l2", "celltype.l2", "predicted.celltype.l2",
    *CELL_LINE_COLUMNS,
)  # fmt: skip
CONDITION_COLUMNS: Final = (
    "condition", "cytokine", "perturbation", "sm_name", "treatment", "stimulation", "stimulus", "group_id", "stim", "drug", "compound",
    "perturbation_name", "gene", "guide", "guide_identity", "guide_id", "target_gene", "target", "sgrna", "grna", "group", "agent",
    "status", "label",
)  # fmt: skip
DONOR_COLUMNS: Final = (
    "donor_id", "donor", "donors", "donor_name", "individual", "individual_id", "subject", "subject_id", "patient", "patient_id",
    "participant", "participant_id", "person", "ind", "animal", "animal_id", "mouse", "mouse_id",
)  # fmt: skip
# Columns that say what was done to the cells, also as a second one: "treatment2", "costimulation".
_TREATMENT: Final = re.compile(
    r"(?P<surely>(?:second(?:ary)?[_. ]?|2nd[_. ]?|co[_. -]?|pre[_. -]?)(?:treatment|stimulation|stimulus|stim|drug)|"
    r"(?:condition|perturbation|treatment|stimulation|stimulus|stim|drug|cytokine|compound)[_. ]?[2-9]|"
    r"drug|cytokine|compound|ligand|agonist|inhibitor|antibody)|"
    r"(?P<maybe>treatment|stimulation|stimulus|stimulant|stim)(?:[_. ]?name)?",
    re.IGNORECASE,
)
_HASHTAGS: Final = re.compile(r"hto|hash|multi_?id|cmo|souporcell|demux|tag", re.IGNORECASE)
# A sample is often of one donor in one condition.
SAMPLE_COLUMNS: Final = ("sample_id", "sample", "sample_name", "orig.ident", "orig_ident")
REPLICATE_COLUMNS: Final = (
    "replicate",
    "replicate_id",
    "rep",
    "batch",
    "batch_id",
    "plate",
    "well",
    "library",
    "library_id",
    "lane",
    "pool",
)
_WELL: Final = re.compile(r"[A-P](?:0?[1-9]|1\d|2[0-4])")
# Columns of CELLxGENE's schema that describe donors and samples, not what was done to the cells.
_DESCRIBING: Final = (
    "disease", "tissue", "assay", "sex", "development_stage", "organism", "self_reported_ethnicity", "suspension_type", "tissue_type",
    "observation_joinid", "is_primary_data", "phase",
)  # fmt: skip
_NO_CONDITIONS: Final = frozenset(map(plain, (*DONOR_COLUMNS, *SAMPLE_COLUMNS, *REPLICATE_COLUMNS)))
_CONDITIONS: Final = frozenset(map(plain, CONDITION_COLUMNS))
_NO_CELL_TYPES: Final = _NO_CONDITIONS | {
    *UNITS, "condition", "treatment", "perturbation", "drug", "compound", "cytokine", "guide", "guideidentity", "guideid", "targetgene",
    "sgrna", "grna",
}  # fmt: skip
_LABELS_READ: Final = 300  # of each column, to judge it
_KNOWN: Final = 0.5
# Grades of a column as one of conditions: a control beside others, and the highest.
_LIKELY: Final = 2
_SURE: Final = 4


@dataclass(frozen=True)
class Columns:
    """The columns that give the cells their meaning."""

    cell_type: Choice
    condition: Choice
    more_conditions: tuple[str, ...]  # columns that may act together with it
    donor: Choice | None
    dose: Choice | None
    dose_unit: str | None  # a column
    time: Choice | None
    time_unit: str | None  # a column
    replicate: str | None
    cell_type_id: str | None  # a column with Cell Ontology ids
    described: tuple[str, ...]  # columns that describe donors and samples


def choose_columns(obs: pd.DataFrame, options: Options) -> Columns:
    """Return the columns that give the cells their meaning, given or guessed.

    Raises:
        AtlasUnusable: a given column does not exist, or no cell type or condition is found.
    """
    cell_type = given_column(obs, options.cell_type_column, "--cell-type-column") or _cell_type(obs)
    condition, more = _given_conditions(obs, options.condition_column) or (_condition(obs, {cell_type.column}), None)
    taken = {cell_type.column, condition.column, *(more or ())}
    donor = None
    if options.donor_column != NO_COLUMN:
        donor = given_column(obs, options.donor_column, "--donor-column") or _donor(obs, taken)
    dose = dose_column(obs, options, taken)
    time = time_column(obs, options, taken)
    term_ids = f"{cell_type.column}_ontology_term_id"
    skipped = {each.column for each in (donor, dose, time) if each}
    return Columns(
        cell_type=cell_type,
        condition=condition,
        more_conditions=tuple(_second_conditions(obs, taken | skipped)) if more is None else more,
        donor=donor,
        dose=dose,
        dose_unit=dose_unit_column(obs, dose),
        time=time,
        time_unit=time_unit_column(obs, time),
        replicate=_named(obs, [name for name in REPLICATE_COLUMNS if donor is None or name != donor.column]),
        cell_type_id=term_ids if term_ids in obs else None,
        described=tuple(name for name in _DESCRIBING[:6] if name in obs and name not in taken),
    )


def _given_conditions(obs: pd.DataFrame, given: str | None) -> tuple[Choice, tuple[str, ...]] | None:
    """Return the columns that a person names: one, or several that act together ("drug+cytokine")."""
    names = [given] if given is None or given in obs else given.split("+")
    found = [given_column(obs, name and name.strip(), "--condition-column") for name in names]
    if found[0] is None:
        return None
    return found[0], tuple(each.column for each in found[1:] if each)


def _second_conditions(obs: pd.DataFrame, taken: set[str]) -> list[str]:
    """Return further columns of which every label is a control, nothing, or something that was done to the cells."""
    found = []
    for name in map(str, obs.columns):
        if name in taken or name in _DESCRIBING or not _is_label_column(obs[name]) or is_exposure(name):
            continue
        if plain(name) in _NO_CONDITIONS or name.endswith("_term_id"):
            continue
        if _says_what_was_done(obs[name], name, len(obs)):
            found.append(name)
    return found


def _says_what_was_done(column: "pd.Series[object]", name: str, n_cells: int) -> bool:
    """Return whether a column is one of treatments: by its name, or because a control is beside known perturbations, not diseases."""
    labels = [label for label in labels_of(column) if not is_unassigned(label)]
    others = [label for label in labels if not (is_control(label) or is_false(label))]
    named = _TREATMENT.fullmatch(name)
    if named and others and len(labels) <= MOST_DOSES and (named["surely"] or len(others) < len(labels)):
        return True
    if _grade(column, n_cells)[0] < _SURE:
        return False
    return is_screen(labels) or any(condition_entry(label).kind != OTHER for label in others[:_LABELS_READ])


def other_conditions(obs: pd.DataFrame, columns: Columns) -> list[str]:
    """Return further columns that say what was done to the cells, by their names or labels, such as a second treatment."""
    chosen = (columns.cell_type, columns.condition, columns.donor, columns.dose, columns.time)
    skipped = {each.column for each in chosen if each} | {*_DESCRIBING} | unit_columns(obs)
    found = []
    for name in map(str, obs.columns):
        is_other = name in skipped or plain(name) in _NO_CONDITIONS
        if is_other or not _is_label_column(obs[name]) or name.endswith("_term_id"):
            continue
        if is_exposure(name):
            continue
        is_named = plain(name) in _CONDITIONS and len(labels_of(obs[name])) <= MOST_DOSES
        if is_named or _grade(obs[name], len(obs))[0] >= _LIKELY:
            found.append(name)
    return found


def _named(obs: pd.DataFrame, names: Iterable[str]) -> str | None:
    """Return the first column with one of these names, in any case and with any separators: "DonorID", "donor id"."""
    by_name = {plain(str(column)): str(column) for column in reversed(obs.columns)}
    return next((by_name[plain(name)] for name in names if plain(name) in by_name), None)


def _is_label_column(column: "pd.Series[object]") -> bool:
    return not pd.api.types.is_float_dtype(column.dtype) and not pd.api.types.is_datetime64_any_dtype(column.dtype)


def _is_count(label: str) -> bool:
    # A column of 0 and 1 with missing values is one of floats.
    return label.isdigit()


def _sampled(column: "pd.Series[object]", n_cells: int) -> list[str]:
    """Return labels to judge a column by; none if nearly every cell has its own."""
    labels = labels_of(column)
    if not labels or (len(labels) > _LABELS_READ and len(labels) * 4 > n_cells):
        return []
    return labels[:: max(1, len(labels) // _LABELS_READ)]


def _cell_type(obs: pd.DataFrame) -> Choice:
    found: list[tuple[tuple[bool, bool, int], Choice]] = []
    named = [name for each in CELL_TYPE_COLUMNS if (name := _named(obs, (each,)))]
    for place, name in enumerate(dict.fromkeys([*named, *map(str, obs.columns)])):
        if not _is_label_column(obs[name]) and name not in named:
            continue
        labels = [label for label in _sampled(obs[name], len(obs)) if not is_unassigned(label)]
        if not labels or (name.casefold().endswith("_ontology_term_id")) or name in _DESCRIBING:
            continue
        if plain(name) in _NO_CELL_TYPES:  # "r1" is also the name of a photoreceptor
            continue
        terms = {cell_type_entry(label).cell_ontology_id for label in labels} - {None}
        share = sum(cell_type_entry(label).cell_ontology_id is not None for label in labels) / len(labels)
        is_known = share >= _KNOWN and bool(terms)
        if is_known or name in named:
            is_number = all(re.fullmatch(r"\d+", label) for label in labels)
            why = f"{round(100 * share)}% of its {len(labels)} labels are known cell types" if is_known else "its name"
            rank = (
                is_known,
                not is_number,
                len(terms) if name not in named else len(terms) + len(obs.columns) * 1000 - place,
            )
            found.append((rank, Choice(name, why)))
    lines = next((name for each in CELL_LINE_COLUMNS if (name := _named(obs, (each,)))), None)
    best = max(found, key=lambda each: each[0])[1] if found else None
    if lines and best and best.column != lines and _are_lines(labels_of(obs[lines])):
        return Choice(lines, "cell lines; several of them share a cell type")
    if not best and (ids := _named(obs, ("cell_type_ontology_term_id", "cell_ontology_id"))):
        return Choice(ids, "Cell Ontology ids; no column has names of cell types")
    if not best:
        raise AtlasUnusable(
            "obs has no column of cell types: none has a usual name or labels that are known cell types. Name one with "
            f"--cell-type-column; available: {listed_columns(obs)}."
        )
    return best


def _are_lines(labels: Sequence[str]) -> bool:
    return bool(labels) and not any(is_unassigned(label) or "primary" in label.casefold() for label in labels)


def _condition(obs: pd.DataFrame, taken: set[str]) -> Choice:
    found: list[tuple[tuple[int, int], Choice]] = []
    named = [name for each in CONDITION_COLUMNS if (name := _named(obs, (each,))) and name not in taken]
    skipped = {*taken, *_DESCRIBING} | unit_columns(obs)
    for name in dict.fromkeys([*named, *map(str, obs.columns)]):
        usual = len(named) - named.index(name) if name in named else 0
        is_other = name in skipped or plain(name) in _NO_CONDITIONS
        is_label = _is_label_column(obs[name]) or (usual and all(map(_is_count, labels_of(obs[name]))))
        if ((is_other or is_exposure(name)) and not usual) or not is_label or name.endswith("_term_id"):
            continue
        grade, why = _grade(obs[name], len(obs))
        if grade > 1 or (usual and grade) or (usual and not found):
            found.append(((grade, usual), Choice(name, why if grade else "its name")))
    if not found:
        raise AtlasUnusable(
            "obs has no column of conditions: none has a usual name or labels that are a control and perturbations. Name one with "
            f"--condition-column; available: {listed_columns(obs)}.{_hint(obs)}"
        )
    return max(found, key=lambda each: each[0])[1]


def _hint(obs: pd.DataFrame) -> str:
    """Return how to take a column as conditions that only a person can know to be one: of times, hashtags or diseases."""
    for name in filter(is_exposure, map(str, obs.columns)):
        labels = labels_of(obs[name])
        before = [label for label in labels if is_before(label)]
        if before and len(before) < len(labels) <= MOST_DOSES:
            after = next(label for label in labels if label not in before)
            options = f"--condition-column {name} --control {before[0]} --rename {after}=NAME"
            return (
                f" If cells of {name} {before[0]} are from before the treatment, give {options} (NAME: the treatment)."
            )
    for name in map(str, obs.columns):
        labels = [label for label in labels_of(obs[name]) if not is_unassigned(label)] if _HASHTAGS.search(name) else []
        if 1 < len(labels) <= MOST_DOSES:
            return (
                f" If the tags in {name} identify samples, name the condition of each: --condition-column {name} --rename {labels[0]}=ctrl "
                f"--rename {labels[1]}=NAME ..., or add columns of conditions and donors with --cells TABLE."
            )
    if "disease" in obs and len(labels := labels_of(obs["disease"])) > 1:
        healthy = next((label for label in labels if label.casefold() in {"normal", "healthy"}), labels[0])
        return f" To use the disease as the condition, give --condition-column disease --control {healthy}."
    return ""


def _grade(column: "pd.Series[object]", n_cells: int) -> tuple[int, str]:
    """Return how much the labels of a column look like conditions, and why."""
    labels = [label for label in _sampled(column, n_cells) if not is_unassigned(label)]
    if len(labels) < 2 and not (labels and len(_sampled(column, n_cells)) > 1):
        return 0, ""
    controls = [label for label in labels if is_control(label)]
    others = [label for label in labels if label not in controls]
    if pd.api.types.is_bool_dtype(column.dtype):
        return 1, "it says yes or no"
    known = [label for label in others if _is_known(label)]
    guides = is_screen(labels)
    if controls and (known or guides):
        what = "genes that guides target" if guides and not known else "perturbations"
        return _SURE, f"its labels are a control ({controls[0]}) and known {what}"
    if controls and others and all(map(is_unnamed, others)):
        return 2, f"its labels are a control ({controls[0]}) and another"
    if controls:
        return 3, f"its labels include a control ({controls[0]})"
    return (2, "its labels are known perturbations") if len(known) >= _KNOWN * len(labels) and known else (0, "")


def _is_known(label: str) -> bool:
    entry = condition_entry(label)
    name = (entry.agent or entry.perturbation or "").casefold()
    return entry.kind not in {OTHER, "control"} or (entry.kind == OTHER and is_term(name))


def _donor(obs: pd.DataFrame, taken: set[str]) -> Choice | None:
    for name in (_named(obs, (each,)) for each in DONOR_COLUMNS):
        if name and name not in taken:
            return Choice(name, "its name")
    for name in (_named(obs, (each,)) for each in SAMPLE_COLUMNS):
        labels = labels_of(obs[name]) if name else []
        # Seurat writes the name of the project into orig.ident.
        if name and name not in taken and labels != ["SeuratProject"] and not _are_wells(labels):
            return Choice(name, "its name; no column is named after donors")
    return None


def _are_wells(labels: Sequence[str]) -> bool:
    """Return whether labels are wells of a plate: "A1", "B12". The samples "P1" and "P2" are not."""
    return all(map(_WELL.fullmatch, labels)) and len({label[0] for label in labels}) > 1
