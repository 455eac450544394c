"""The Cell Ontology: terms, their distances, and the major lineage of a cell type.

Distance counts is-a edges: up from one term to a common ancestor and down to the other, through the common ancestor with the smallest sum.
Groupings that say nothing about lineage ("secretory cell", "motile cell", ...) are not common ancestors: terms that share only those are
unrelated, however few the edges. The data is the release named in `shared/data/README.md`.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final, NamedTuple

from shared import data

# Terms that group cells by a property, not by lineage.
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
# Ancestors and their lineages; the first match counts. The groups go from specific to general because terms have several parents:
# a retinal pigment epithelial cell is epithelial before it is neural, an erythrocyte is erythroid before it is myeloid.
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


class Term(NamedTuple):
    """A term of the Cell Ontology."""

    id: str
    label: str
    parents: tuple[str, ...]
    synonyms: tuple[str, ...]

    @classmethod
    def of_row(cls, term_id: str, row: str) -> "Term":
        """Parse a row of the table."""
        label, *lists = row.split("\t")
        parents, synonyms = (tuple(filter(None, cell.split("|"))) for cell in lists)
        return cls(term_id, label, parents, synonyms)


class Relation(NamedTuple):
    """The path between two terms: `up` edges from the first to the common ancestor, `down` edges from there to the second."""

    ancestor: str
    up: int
    down: int

    @property
    def distance(self) -> int:
        """The number of edges between the two terms."""
        return self.up + self.down


class Ontology:
    """Terms by id and their is-a edges; an unknown id is related to nothing and raises no error."""

    def __init__(self, terms: Mapping[str, Term]) -> None:
        self._terms = terms
        self._ancestors: dict[str, dict[str, int]] = {}

    def __iter__(self) -> Iterator[Term]:
        return iter(self._terms.values())

    def term(self, term_id: str) -> Term | None:
        """Return the term of this id, or None."""
        return self._terms.get(term_id)

    def ancestors(self, term_id: str) -> dict[str, int]:
        """Return every id reachable by is-a edges with the smallest number of edges to it, including the term itself with 0."""
        if term_id in self._ancestors:
            return self._ancestors[term_id]
        edges = {term_id: 0} if term_id in self._terms else {}
        level = list(edges)
        while level:
            above = []
            for child in level:
                term = self._terms.get(child)
                for parent in term.parents if term else ():
                    if parent not in edges:
                        edges[parent] = edges[child] + 1
                        above.append(parent)
            level = above
        self._ancestors[term_id] = edges
        return edges

    def is_a(self, term_id: str, ancestor_id: str) -> bool:
        """Return whether a term is the other term or a subtype of it."""
        return ancestor_id in self.ancestors(term_id)

    def relation(self, first: str, second: str) -> Relation | None:
        """Return the shortest path between two terms, or None if they share no lineage.

        Among common ancestors at the same distance the most specific counts: the one with the most ancestors of its own.
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

    def nearest(self, target: str, candidates: Iterable[str]) -> list[tuple[str, int]]:
        """Return the related candidates with their distances, nearest first.

        At the same distance, the candidate that shares the more specific ancestor with the target comes first (so a subtype of the target
        before its supertype), then the lower id.
        """
        ranked = []
        for candidate in set(candidates):
            relation = self.relation(target, candidate)
            if relation:
                depth = len(self.ancestors(relation.ancestor))
                ranked.append((relation.distance, -depth, candidate))
        return [(candidate, distance) for distance, _, candidate in sorted(ranked)]


@cache
def cell_ontology() -> Ontology:
    """Return the Cell Ontology of `shared/data`, read at the first call."""
    return Ontology(data.rows("cell_ontology", ("cl_id", "label", "parents", "synonyms"), Term.of_row))


def lineage_of(cell_ontology_id: str) -> str | None:
    """Return the major lineage of a cell type, or None if it belongs to none of the groups."""
    ancestors = cell_ontology().ancestors(cell_ontology_id)
    return next((lineage for ancestor, lineage in LINEAGES if ancestor in ancestors), None)
