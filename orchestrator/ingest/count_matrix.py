"""Which matrix of a file holds raw counts, and the counts in it.

Layers that are named as counts come first, then raw, X and the other layers. A matrix is judged by rows from all over it
(`orchestrator.ingest.values`); of the chosen one, every value is checked.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.ingest import values
from orchestrator.ingest.by_gene import SortedMatrix
from orchestrator.ingest.defects import ADVICE, FRACTIONS, Defect, defects_of
from orchestrator.ingest.genes import Genes
from orchestrator.ingest.matrices import Matrix
from orchestrator.ingest.progress import Report, silent
from orchestrator.ingest.sources import Source
from orchestrator.ingest.tally import Tally

RAW: Final = "raw/X"
_LAYER: Final = "layers/"
CHECK, WRITE = "checking counts", "writing counts"
# Names of layers, the best first. After them come raw, X, and layers with other names.
_LAYERS: Final = (
    r"counts",
    r"raw[_. -]?counts?",
    r"counts?[_. -].*",
    r".*counts?.*",
    r"raw.*",
    r"(n[_. -]?)?umis?([_. -].*)?",
)
# Names of what was made of counts: tried last, because rounded or cut values can pass for counts.
_MADE: Final = (
    r".*(norm|log|scale|cpm|tpm|binar|(^|[_. -])bin(s|ned)?($|[_. -])|rank|imput|magic|denois).*|sct([_. -].*)?|spliced"
)
# Parts of the counts only.
_PARTS: Final = frozenset({"unspliced", "ambiguous", "velocity", "variance_velocity"})

_WHAT_TO_DO: Final = "Store raw counts in X, in layers['counts'] or in raw, or name their place with --layer."


@dataclass(frozen=True)
class Counts:
    """The counts of an atlas: cells × genes, whole, by gene symbol. They are read from the file block by block."""

    name: str  # "X", "layers/counts", "raw/X"
    kind: str  # "counts", "fractional counts", or what they are recovered from: a key of `values.UNDO`
    layout: str  # for the summary: "CSR"
    genes: Genes
    tally: Tally
    notes: tuple[str, ...]
    matrix: Matrix

    def blocks(self, report: Report = silent, phase: str = WRITE) -> Iterator[tuple[int, sparse.csr_matrix]]:
        """Yield the first cell and the counts of each block of cells, in order."""
        n_cells = self.matrix.shape[0]
        for first, block in self.matrix.blocks():
            report(phase, first, n_cells)
            yield first, merged(_whole(block, self.kind), self.genes)
        report(phase, n_cells, n_cells)


class Rejected(NamedTuple):
    """A matrix that is not used, and why."""

    name: str
    reason: str
    only_fractions: bool = False  # whether all that is wrong is that values are not whole
    advice: str = ""


def find_counts(
    source: Source,
    n_cells: int,
    genes_of: Callable[[pd.DataFrame], Genes],
    layer: str | None = None,
    report: Report = silent,
    *,
    parts: NDArray[np.int32] | None = None,
) -> Counts:
    """Return the counts of a file, after checking all of their values.

    Args:
        n_cells: number of cells that the file names.
        genes_of: makes the genes of a matrix from its table of genes.
        layer: name of the matrix to use (`X`, `raw`, or of a layer), instead of the first that holds counts.
        parts: the part of each cell whose sums are wanted (`Tally`).

    Raises:
        AtlasUnusable: no matrix holds counts, or the chosen one has values that counts do not have; the message says what to do.
    """
    names = [_forced(source, layer)] if layer is not None else ranked(source.matrices)
    kinds: dict[str, str] = {}
    rejected: list[Rejected] = []
    for name in names:
        matrix = source.matrices[name]
        problem = matrix if isinstance(matrix, str) else _shape_problem(matrix, n_cells)
        if isinstance(matrix, str) or problem:
            rejected.append(Rejected(name, f"{name} is {problem}"))
            continue
        sample = matrix.sample()
        kinds[name] = values.kind_of(sample)
        if kinds[name] == values.COUNTS:
            found = _checked(source, name, values.COUNTS, genes_of, report, parts=parts)
            if isinstance(found, Counts):
                return _with_notes(found, source, names, rejected)
            if found.only_fractions and values.are_fractional_counts(sample):
                kinds[name] = values.FRACTIONAL
            else:
                rejected.append(found)
                del kinds[name]
    for name, kind in kinds.items():
        found = Rejected(name, f"{name} holds {kind}")
        if _is_usable(kind, forced=layer is not None) or kind in {values.NEGATIVE, values.NOT_FINITE}:
            found = _checked(source, name, kind, genes_of, report, parts=parts)
        if isinstance(found, Counts):
            return _with_notes(found, source, names, rejected)
        rejected.append(found)
    raise AtlasUnusable(_refusal(source, rejected, names))


def _is_usable(kind: str, *, forced: bool) -> bool:
    return kind in values.UNDO or kind == values.FRACTIONAL or (forced and kind in values.NO_COUNTS)


def ranked(names: Mapping[str, object]) -> list[str]:
    """Return the names of matrices in the order in which they are tried."""
    tried = (name for name in names if name.removeprefix(_LAYER) not in _PARTS)
    return sorted(tried, key=lambda name: (_rank(name), name))


def _rank(name: str) -> int:
    if not name.startswith(_LAYER):
        return len(_LAYERS) + (name != RAW)
    layer = name.removeprefix(_LAYER).casefold()
    if re.fullmatch(_MADE, layer):
        return len(_LAYERS) + 3
    return next((place for place, known in enumerate(_LAYERS) if re.fullmatch(known, layer)), len(_LAYERS) + 2)


def _forced(source: Source, layer: str) -> str:
    """Return the name of the matrix that a person named.

    Raises:
        AtlasUnusable: there is none.
    """
    names = (layer, f"{_LAYER}{layer}", RAW if layer.casefold() in {"raw", "raw.x"} else "")
    found = next((name for name in names if name in source.matrices), None)
    if found is None:
        available = ", ".join(name.removeprefix(_LAYER) for name in source.matrices) or "none"
        raise AtlasUnusable(f"There is no matrix {layer}. --layer can be one of: {available}.")
    return found


def merged(block: sparse.csr_matrix, genes: Genes) -> sparse.csr_matrix:
    """Return rows with a column for each symbol: genes of the same symbol added, others left out, zeros not stored."""
    n_symbols = len(genes.symbols)
    if n_symbols == block.shape[1] and (genes.column_of == np.arange(n_symbols)).all():
        result = block
    else:
        columns = genes.column_of[block.indices]
        kept = columns >= 0
        pointers = np.concatenate([[0], np.cumsum(kept)])[block.indptr]
        result = sparse.csr_matrix(
            (block.data[kept], columns[kept].astype(np.int32), pointers), (block.shape[0], n_symbols)
        )
        result.sum_duplicates()
    if not result.data.all():
        result.eliminate_zeros()
    return result


def _checked(
    source: Source,
    name: str,
    kind: str,
    genes_of: Callable[[pd.DataFrame], Genes],
    report: Report,
    *,
    parts: NDArray[np.int32] | None,
) -> Counts | Rejected:
    """Read all of a matrix: return its counts, or why they are none."""
    matrix = source.matrices[name]
    assert not isinstance(matrix, str)
    var = source.read_var(name)
    if len(var) != matrix.shape[1]:
        return Rejected(name, f"{name} has {matrix.shape[1]} genes, but var names {len(var)}")
    genes = genes_of(var)
    tally = Tally(matrix.shape[0], len(genes.symbols), parts)
    defects: dict[str, Defect] = {}
    for first, block in matrix.blocks():
        report(CHECK, first, matrix.shape[0])
        found = defects_of(block, kind)
        if found:
            for what, defect in found.items():
                before = defects.get(what)
                defects[what] = (
                    before._replace(n_values=before.n_values + defect.n_values)
                    if before
                    else defect._replace(cell=defect.cell + first)
                )
        if not defects:
            tally.add(first, merged(_whole(block, kind), genes))
    report(CHECK, matrix.shape[0], matrix.shape[0])
    if defects:
        _release(matrix)
        where = " and ".join(_located(source, var, what, defect) for what, defect in defects.items())
        advice = next((ADVICE[what] for what in ADVICE if what in defects), "")
        return Rejected(name, f"{name} has {where}", set(defects) == {FRACTIONS}, advice)
    if not tally.largest:
        return Rejected(name, f"{name} holds no counts of a known gene")
    notes = (f"warning: {name} holds {tally.about_cut}",) if tally.about_cut else ()
    return Counts(name, kind, matrix.layout, genes, tally, notes, matrix)


def _whole(block: sparse.csr_matrix, kind: str) -> sparse.csr_matrix:
    """Return rows of whole counts."""
    if kind in values.UNDO:
        return values.recovered(block, kind)
    block.data = np.rint(block.data, out=block.data)
    return block


def _located(source: Source, var: pd.DataFrame, what: str, defect: Defect) -> str:
    cells = source.read_obs().index
    return f"{defect.n_values} {what} (the first in cell {cells[defect.cell]}, gene {var.index[defect.column]})"


def _shape_problem(matrix: Matrix, n_cells: int) -> str | None:
    if 0 in matrix.shape:
        return f"empty: {matrix.shape[0]} cells × {matrix.shape[1]} genes"
    return f"of {matrix.shape[0]} cells, but obs names {n_cells}" if matrix.shape[0] != n_cells else None


def _release(matrix: Matrix) -> None:
    if isinstance(matrix, SortedMatrix):
        matrix.close()


def _with_notes(found: Counts, source: Source, names: list[str], rejected: list[Rejected]) -> Counts:
    """Return counts with notes on how they were made, and on other matrices."""
    notes = [*found.notes]
    notes += [f"not used: {each.reason}" for each in rejected if names.index(each.name) < names.index(found.name)]
    if found.name == f"{_LAYER}spliced":
        notes.append(
            "layers/spliced holds only spliced reads, which is what most pipelines count in cells; reads in layers/unspliced and "
            "layers/ambiguous are not added. For nuclei, store their sum in a layer of its own, and name that with --layer"
        )
    if found.kind == values.FRACTIONAL:
        notes.append(
            f"{found.name} holds fractional counts (ambient-corrected or shared between genes): they are rounded"
        )
    elif found.kind in values.NO_COUNTS:
        notes.append(f"warning: {found.name} holds {found.kind}, and is used because --layer names it")
    elif found.kind in values.UNDO:
        notes.append(
            f"{found.name} holds {found.kind} of counts scaled by cell: the counts are recovered from it exactly"
        )
    else:
        if values.vary_little(found.matrix.sample()):
            notes.append(
                f"warning: the numbers of {found.name} vary less than counts do, as rounded logarithms would: make sure that they are raw"
            )
        notes += [
            f"{name} holds other whole numbers: {found.name} is used (--layer {name.removeprefix(_LAYER)} takes the other)"
            for name in names
            if name != found.name and _disagrees(source.matrices[name], found.matrix)
        ]
    return replace(found, notes=tuple(notes))


def _disagrees(other: Matrix | str, chosen: Matrix) -> bool:
    """Return whether another matrix, as far as that is cheap to see, holds other counts of the same genes."""
    if isinstance(other, str) or not (other.cheap_sample and chosen.cheap_sample) or other.shape != chosen.shape:
        return False
    sample, mine = other.sample(), chosen.sample()  # of the same cells, unless one is a wide dense matrix
    if values.kind_of(sample) not in {values.COUNTS, *values.NO_COUNTS}:
        return False
    if sample.shape != mine.shape:
        return False
    return bool((sample != mine).nnz)


def _refusal(source: Source, rejected: list[Rejected], names: list[str]) -> str:
    """Return why a file is refused: every place that was looked at and what it holds, and what to do."""
    if not rejected:
        return f"This is {source.what} without a matrix. {_WHAT_TO_DO}"
    advice = [each.advice for each in rejected if each.advice] or [_WHAT_TO_DO]
    reasons = "; ".join(each.reason for each in sorted(rejected, key=lambda each: names.index(each.name)))
    forced = next((each.name for each in rejected if each.reason.endswith(values.NO_COUNTS)), None)
    if forced:
        advice.append(f"--layer {forced.removeprefix(_LAYER)} takes it all the same.")
    return f"No raw counts found: {reasons}. {' '.join(dict.fromkeys(advice))}"
