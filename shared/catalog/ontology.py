"""The Cell Ontology: terms, what they are called, and how far apart they are.

Distance is counted in is-a edges: up from one term to a common ancestor and down to the other, by the common ancestor that makes the
sum least. Groupings that say nothing of lineage ("secretory cell", "motile cell", ...) are no common ancestor: terms that share only
those are unrelated, however few the edges. The facts are the release named in `shared/data/README.md`.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final, NamedTuple

from shared import data
from shared.catalog.normalize import compact

GROUPINGS = frozenset(
    {
        "CL:0000000",  # cell
        "CL:0000255",  # eukaryotic cell
        "CL:0002242",  # nucleate cell
        "CL:0000226",  # single nucleate cell
        "CL:0000225",  # anucleate cell
        "CL:0000219",  # motile cell
        "CL:0000151",  # secretory cell
        "CL:0000325",  # stuff accumulating cell
        "CL:0000211",  # electrically active cell
        "CL:0000393",  # electrically responsive cell
        "CL:0000404",  # electrically signaling cell
        "CL:0000183",  # contractile cell
        "CL:0000080",  # circulating cell
        "CL:0011115",  # precursor cell
        "CL:0011026",  # progenitor cell
        "CL:0000034",  # stem cell
    }
)
"""Terms that group cells by a property and not by lineage."""


class Term(NamedTuple):
    """A term of the Cell Ontology."""

    id: str
    label: str
    parents: tuple[str, ...]
    synonyms: tuple[str, ...]


class Relation(NamedTuple):
    """How two terms are related: `up` edges from the first to the common ancestor, `down` edges from there to the second."""

    ancestor: str
    up: int
    down: int

    @property
    def distance(self) -> int:
        """Edges between the two terms."""
        return self.up + self.down


class Ontology:
    """Terms and their is-a edges; an id that is not a term has no relatives, and nothing raises for it.

    Args:
        terms: the terms by id.
    """

    def __init__(self, terms: Mapping[str, Term]) -> None:
        self._terms = terms
        self._ancestors: dict[str, dict[str, int]] = {}
        self._names: dict[str, str] | None = None

    def __iter__(self) -> Iterator[Term]:
        return iter(self._terms.values())

    def __len__(self) -> int:
        return len(self._terms)

    def term(self, term_id: str) -> Term | None:
        """The term of this id, or None."""
        return self._terms.get(term_id)

    def find(self, name: str) -> Term | None:
        """The term whose label, or else whose synonym, is written like this, or None.

        Case, hyphens and Greek letters do not matter. A synonym of several terms means the first of them by id.
        """
        if self._names is None:
            ordered = sorted(self._terms.values(), key=lambda term: term.id)
            synonyms = {compact(s): term.id for term in reversed(ordered) for s in term.synonyms}
            self._names = synonyms | {compact(term.label): term.id for term in reversed(ordered)}
        found = self._names.get(compact(name))
        return self._terms[found] if found else None

    def parents(self, term_id: str) -> tuple[str, ...]:
        """The ids one is-a edge up."""
        term = self._terms.get(term_id)
        return term.parents if term else ()

    def ancestors(self, term_id: str) -> dict[str, int]:
        """Every id reached by is-a edges, with the fewest edges to it; the term itself is there with 0."""
        known = self._ancestors.get(term_id)
        if known is not None:
            return known
        edges = {term_id: 0} if term_id in self._terms else {}
        level = list(edges)
        while level:
            above = []
            for child in level:
                for parent in self.parents(child):
                    if parent not in edges:
                        edges[parent] = edges[child] + 1
                        above.append(parent)
            level = above
        self._ancestors[term_id] = edges
        return edges

    def is_a(self, term_id: str, ancestor_id: str) -> bool:
        """Whether a term is the other one or a kind of it."""
        return ancestor_id in self.ancestors(term_id)

    def relation(self, first: str, second: str) -> Relation | None:
        """How two terms are related, or None where they share no lineage.

        Among common ancestors that give the same distance the most specific one counts: the one with most ancestors of its own.
        """
        up, down = self.ancestors(first), self.ancestors(second)
        shared = [
            (up[common] + down[common], -len(self.ancestors(common)), common)
            for common in up.keys() & down.keys()
            if common not in GROUPINGS or common in {first, second}
        ]
        if not shared:
            return None
        ancestor = min(shared)[2]
        return Relation(ancestor, up[ancestor], down[ancestor])

    def distance(self, first: str, second: str) -> int | None:
        """Is-a edges between two terms, or None where they share no lineage."""
        relation = self.relation(first, second)
        return relation.distance if relation else None

    def nearest(self, target: str, candidates: Iterable[str]) -> list[tuple[str, int]]:
        """The related candidates with their distances, nearest first.

        At the same distance the candidate that shares the more specific ancestor with the target comes first (so a kind of the target
        before what the target is a kind of), then the lower id.
        """
        ranked = []
        for candidate in set(candidates):
            relation = self.relation(target, candidate)
            if relation:
                depth = len(self.ancestors(relation.ancestor))
                ranked.append((relation.distance, -depth, candidate))
        return [(candidate, distance) for distance, _, candidate in sorted(ranked)]


class _Rows(Mapping[str, Term]):
    """The terms of the table, each made when it is asked for: a question has to do with a few of the thousands."""

    def __init__(self, rows: Mapping[str, str]) -> None:
        self._rows = rows
        self._made: dict[str, Term] = {}

    def __getitem__(self, term_id: str) -> Term:
        if term_id not in self._made:
            label, parents, synonyms = self._rows[term_id].split("\t")
            found = (tuple(filter(None, cell.split("|"))) for cell in (parents, synonyms))
            self._made[term_id] = Term(term_id, label, *found)
        return self._made[term_id]

    def __contains__(self, term_id: object) -> bool:
        return term_id in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


@cache
def cell_ontology() -> Ontology:
    """The Cell Ontology of `shared/data`, read at the first call."""
    return Ontology(_Rows(data.rows("cell_ontology", ("cl_id", "label", "parents", "synonyms"))))


# FOLDED from lineage.py: """The major lineage of a cell type: the first of a few groups that the Cell Ontology places it under. The groups go from special to general, because terms have several parents: a retinal pigment epithelial cell is epithelial before it is neural, an erythrocyte erythroid before it is myeloid. """  # noqa: E501
LINEAGES: Final = (
    ("CL:0000586", "germline"),  # germ cell
    ("CL:0000542", "immune/lymphoid"),  # lymphocyte
    ("CL:0000945", "immune/lymphoid"),  # lymphocyte of B lineage
    ("CL:0000838", "immune/lymphoid"),  # lymphoid lineage restricted progenitor cell
    ("CL:0000764", "hematopoietic/erythroid"),  # erythroid lineage cell
    ("CL:0000556", "hematopoietic/megakaryocytic"),  # megakaryocyte
    ("CL:0000233", "hematopoietic/megakaryocytic"),  # platelet
    ("CL:0000763", "immune/myeloid"),  # myeloid cell
    ("CL:0000451", "immune/myeloid"),  # dendritic cell
    ("CL:0000113", "immune/myeloid"),  # mononuclear phagocyte
    ("CL:0000738", "immune"),  # leukocyte
    ("CL:0000988", "hematopoietic"),  # hematopoietic cell
    ("CL:0000115", "endothelial"),  # endothelial cell
    ("CL:0000066", "epithelial"),  # epithelial cell
    ("CL:0002319", "neural"),  # neural cell
    ("CL:0000187", "muscle"),  # muscle cell
    ("CL:0002320", "stromal"),  # connective tissue cell
    ("CL:0000499", "stromal"),  # stromal cell
    ("CL:0000057", "stromal"),  # fibroblast
    ("CL:0000134", "stromal"),  # mesenchymal stem cell
    ("CL:0008034", "stromal"),  # mural cell
)
"""Ancestor and lineage; the first one that fits counts."""


def lineage_of(cell_ontology_id: str) -> str | None:
    """The major lineage of a cell type, None where it belongs to none of the groups.

    Args:
        cell_ontology_id: the Cell Ontology id.
    """
    ancestors = cell_ontology().ancestors(cell_ontology_id)
    return next((lineage for ancestor, lineage in LINEAGES if ancestor in ancestors), None)
