"""The loader of reference data: sorted tables are searched, and rows are parsed only when looked up."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import data
from shared.resolver import cell_names

CELLS = st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)


@given(st.dictionaries(CELLS, CELLS), CELLS)
def test_a_row_is_found_by_its_first_column_only(table: dict[str, str], other: str) -> None:
    rows = data.Rows(sorted(f"{key}\t{value}" for key, value in table.items()), lambda _, value: value)
    assert dict(rows) == table
    assert (len(rows), other in rows) == (len(table), other in table)
    assert rows.get(other) == table.get(other)


@pytest.mark.parametrize(
    ("name", "columns"),
    [("cell_ontology", ("cl_id", "label", "parents", "synonyms")), (cell_names.NAMES, cell_names.COLUMNS)],
)
def test_a_table_that_is_searched_is_sorted(name: str, columns: tuple[str, ...]) -> None:
    rows = data.rows(name, columns, lambda key, _: key)
    assert len(rows) > 3000
    assert all(one < other for one, other in pairwise(f"{key}\t" for key in rows))


def test_a_table_with_other_columns_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"cell_ontology\.tsv does not have the columns id, name"):
        data.rows("cell_ontology", ("id", "name"), lambda key, _: key)
