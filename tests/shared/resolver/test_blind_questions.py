"""Questions that were written down with their answers before the resolver was run on them, table after table.

Columns: the table; the question; the perturbation; the Cell Ontology id; whether it is observational; why it is there. A `-` stands for
nothing, `?` for either, `|` separates answers that are equally right, `&` things that the question names side by side, all of which must
be told as candidates.
"""

import csv
from pathlib import Path

import pytest

from shared.catalog.ontology import cell_ontology
from shared.catalog.schemas import MatchedTerm
from shared.resolver import resolve
from tests.support.catalogs import small_view

VIEW = small_view()
with (Path(__file__).parent / "blind_questions.tsv").open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def fits(found: MatchedTerm | None, expected: str) -> bool:
    """Whether what was found is what the table says, by the name of the perturbation or the label of the cell type."""
    groups = [{name for name in group.split("|") if name != "-"} for group in expected.split("&")]
    if found is None:
        return len(groups) == 1 and "-" in expected.split("|")
    told = set(found.candidates) or {found.name}
    return all(group & told for group in groups) and (len(told) > 1) == (len(groups) > 1)


def labelled(expected: str) -> str:
    """The same with the labels of Cell Ontology ids."""
    terms = {term.id: term.label for term in cell_ontology() if term.id in expected}
    for term_id, label in terms.items():
        expected = expected.replace(term_id, label)
    return expected


def test_the_tables_are_long_enough_and_ask_nothing_twice() -> None:
    assert len({row["question"] for row in ROWS}) == len(ROWS) >= 150 + 60


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["question"])
def test_a_question_means_what_its_author_expected(row: dict[str, str]) -> None:
    found = resolve(row["question"], VIEW)
    assert fits(found.perturbation, row["perturbation"]), found.perturbation
    assert fits(found.cell_type, labelled(row["cell_type"])), found.cell_type
    if row["observational"] != "?":
        assert found.observational == (row["observational"] == "yes")
