"""The catalog as one question sees it: the reference datasets, replaced by ingested ones of the same name. Immutable and pure."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from shared.catalog.entries import CellTypeEntry, ConditionEntry, DatasetEntry
from shared.catalog.exposure import strength
from shared.catalog.ontology import cell_ontology, lineage_of
from shared.catalog.reference import perturbations as reference_perturbations
from shared.catalog.schemas import CellTypeInfo, DatasetInfo, PerturbationInfo
from shared.errors import DatasetNotFound


class CatalogView:
    """All known datasets by name; an ingested dataset replaces the reference dataset of the same name."""

    def __init__(self, reference: Iterable[DatasetEntry], ingested: Iterable[DatasetEntry] = ()) -> None:
        entries = {entry.name: entry for entry in reference} | {entry.name: entry for entry in ingested}
        self._entries = dict(sorted(entries.items()))
        self._perturbations: dict[str | None, list[PerturbationInfo]] = {}

    @cached_property
    def datasets(self) -> tuple[DatasetEntry, ...]:
        """All datasets, ordered by name."""
        return tuple(self._entries.values())

    @cached_property
    def ingested(self) -> tuple[DatasetEntry, ...]:
        """The datasets whose cells are available, ordered by name."""
        return tuple(entry for entry in self.datasets if entry.ingested)

    @cached_property
    def cell_ontology_ids(self) -> frozenset[str]:
        """The Cell Ontology ids that occur in any dataset."""
        ids = (cell_type.cell_ontology_id for entry in self.datasets for cell_type in entry.cell_types)
        return frozenset(filter(None, ids))

    def dataset_names(self) -> list[str]:
        """Return the names of all datasets, in order."""
        return list(self._entries)

    def dataset(self, name: str) -> DatasetEntry:
        """Return the dataset of this name.

        Raises:
            DatasetNotFound: the name is unknown; the error lists the known names.
        """
        try:
            return self._entries[name]
        except KeyError:
            raise DatasetNotFound(name, self.dataset_names()) from None

    def describe(self, name: str) -> DatasetInfo:
        """Summarize a dataset, without its lists of cell types and perturbations.

        Raises:
            DatasetNotFound: the name is unknown; the error lists the known names.
        """
        entry = self.dataset(name)
        return DatasetInfo(
            name=entry.name,
            title=entry.title,
            description=entry.description,
            licence=entry.licence,
            source=entry.source,
            ingested=entry.ingested,
            semi_synthetic=entry.semi_synthetic,
            cells=entry.n_cells,
            genes=entry.n_genes,
            donors=entry.donors,
            control_conditions=control_labels(entry),
            perturbations=len(entry.counts.labels),
            cell_types=len(self.cell_types(name)),
        )

    def perturbations(self, dataset: str | None = None) -> list[PerturbationInfo]:
        """List the perturbations of one dataset or of all, ordered by name, without controls.

        Cell counts cover the selected datasets that are ingested.

        Raises:
            DatasetNotFound: the dataset is unknown.
        """
        if dataset not in self._perturbations:
            self._perturbations[dataset] = _perturbation_infos(self._selected(dataset))
        return list(self._perturbations[dataset])

    def cell_types(self, dataset: str | None = None) -> list[CellTypeInfo]:
        """List the cell types of one dataset or of all, ordered by name; labels of the same Cell Ontology term are one cell type.

        Raises:
            DatasetNotFound: the dataset is unknown.
        """
        found: dict[str, list[tuple[DatasetEntry, CellTypeEntry]]] = {}
        for entry in self._selected(dataset):
            for cell_type in entry.cell_types:
                found.setdefault(cell_type.cell_ontology_id or cell_type.label, []).append((entry, cell_type))
        return sorted((_cell_type_info(places) for places in found.values()), key=lambda info: _by_name(info.name))

    def with_perturbation(self, name: str) -> list[DatasetEntry]:
        """Return the datasets, ingested or not, that contain the perturbation of this canonical name."""
        return [entry for entry in self.datasets if perturbation_labels(entry, name)]

    def _selected(self, dataset: str | None) -> Sequence[DatasetEntry]:
        return self.datasets if dataset is None else (self.dataset(dataset),)


def cells_in(entry: DatasetEntry, *, conditions: Iterable[str] | None = None, cell_type: str | None = None) -> int:
    """Count the cells of a dataset in these conditions and of this cell type, by label; None means any."""
    counts = entry.counts
    if conditions is None:
        return counts.cell_types.total() if cell_type is None else counts.cell_types[cell_type]
    wanted = frozenset(conditions)
    if cell_type is None:
        return counts.cells(wanted)
    return sum(group.cells for group in counts.groups(wanted, cell_type))


def control_labels(entry: DatasetEntry, perturbation: str | None = None) -> list[str]:
    """Return the labels of a dataset's control conditions.

    Args:
        perturbation: only those that belong to the perturbation of this canonical name; None: all.
    """
    labels = entry.counts.controls
    if perturbation is None or not entry.counts.has_own_controls:
        return list(labels)
    own = {label for each in _conditions_of(entry, perturbation) for label in each.controls or labels}
    return [label for label in labels if label in own] if own else list(labels)


def own_controls(entry: DatasetEntry) -> dict[str, tuple[str, ...]]:
    """Return the labels of the control conditions of each condition; empty if all conditions share those of the dataset."""
    if not entry.counts.has_own_controls:
        return {}
    labels = control_labels(entry)
    return {each.label: tuple(each.controls or labels) for each in entry.conditions if not each.is_control}


def perturbation_labels(entry: DatasetEntry, name: str) -> list[str]:
    """Return the condition labels in a dataset for the perturbation of this canonical name.

    If the dataset has it only in several doses or at several times, these are the labels of `default_name`.
    """
    return list(entry.counts.labels.get(default_name(entry, name), ()))


def confounded_with(entry: DatasetEntry, name: str) -> list[str]:
    """Return the columns, such as a batch, that tell the cells under the perturbation of this canonical name from their controls."""
    return list(dict.fromkeys(column for each in _conditions_of(entry, name) for column in each.confounded_with))


def default_name(entry: DatasetEntry, name: str) -> str:
    """Return the perturbation of a dataset that answers for this name: of several doses the highest, and of these the latest time."""
    counts = entry.counts
    if name in counts.labels or name not in counts.names_by_agent:
        return name

    def exposure(each: str) -> tuple[float, float]:
        condition = counts.conditions[each][0]
        return strength(condition.dose, condition.time)

    return max(counts.names_by_agent[name], key=exposure)


def _conditions_of(entry: DatasetEntry, name: str) -> Sequence[ConditionEntry]:
    return entry.counts.conditions.get(default_name(entry, name), ())


def _by_name(name: str) -> tuple[str, str]:
    return name.casefold(), name


def _perturbation_infos(entries: Sequence[DatasetEntry]) -> list[PerturbationInfo]:
    found: dict[str, list[tuple[DatasetEntry, ConditionEntry]]] = {}
    for entry in entries:
        for condition in entry.conditions:
            if condition.perturbation is not None and not condition.is_control:
                found.setdefault(condition.perturbation, []).append((entry, condition))
    controls = {entry.name: cells_in(entry, conditions=control_labels(entry)) for entry in entries if entry.ingested}
    return [_perturbation_info(name, found[name], controls) for name in sorted(found, key=_by_name)]


def _perturbation_info(
    name: str, places: list[tuple[DatasetEntry, ConditionEntry]], controls: Mapping[str, int]
) -> PerturbationInfo:
    known = reference_perturbations().get(name) or reference_perturbations().get(places[0][1].agent or name)
    ingested = list({entry.name: entry for entry, _ in places if entry.ingested}.values())
    return PerturbationInfo(
        name=name,
        type=places[0][1].kind,
        synonyms=list(known.synonyms) if known else [],
        targets=list(known.targets) if known else [],
        receptors=list(known.receptors) if known else [],
        family=known.family if known else None,
        datasets=list(dict.fromkeys(entry.name for entry, _ in places)),
        cell_count=sum(cells_in(e, conditions=perturbation_labels(e, name)) for e in ingested) if ingested else None,
        control_count=sum(_control_count(entry, name, controls) for entry in ingested) if ingested else None,
    )


def _control_count(entry: DatasetEntry, name: str, controls: Mapping[str, int]) -> int:
    if not entry.counts.has_own_controls:
        return controls[entry.name]
    return cells_in(entry, conditions=control_labels(entry, name))


def _cell_type_info(places: list[tuple[DatasetEntry, CellTypeEntry]]) -> CellTypeInfo:
    first = places[0][1]
    term = cell_ontology().term(first.cell_ontology_id) if first.cell_ontology_id else None
    name = term.label if term else first.label
    labels = (cell_type.label for _, cell_type in places if cell_type.label != name)
    ingested = [(entry, cell_type) for entry, cell_type in places if entry.ingested]
    return CellTypeInfo(
        name=name,
        cell_ontology_id=first.cell_ontology_id,
        lineage=lineage_of(first.cell_ontology_id) if first.cell_ontology_id else None,
        synonyms=list(dict.fromkeys([*(term.synonyms if term else ()), *labels])),
        datasets=list(dict.fromkeys(entry.name for entry, _ in places)),
        cell_count=sum(cells_in(e, cell_type=cell_type.label) for e, cell_type in ingested) if ingested else None,
    )
