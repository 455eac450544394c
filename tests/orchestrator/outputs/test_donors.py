"""The figure that compares donors."""

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.outputs import donors
from tests.support.orchestrator.changes import make_response
from tests.support.orchestrator.search_results import FALLING, RISING, differential


def drawn(count: int, spread: float = 0.0) -> donors.Panel:
    found = differential()
    response = make_response(found, donors=count)
    noise = np.random.default_rng(0).normal(0, spread, response.donor_effects.shape)
    panel = donors.panel(found, replace(response, donor_effects=response.donor_effects + noise))
    assert panel is not None
    return panel


def test_the_called_genes_that_change_most_have_a_row_each_from_rising_to_falling() -> None:
    panel = drawn(2)
    assert [row.gene for row in panel.rows] == [*RISING, *reversed(FALLING)]
    assert [row.rises for row in panel.rows] == [True] * len(RISING) + [False] * len(FALLING)
    assert all((row.mean > panel.zero) is row.rises for row in panel.rows)


def test_there_are_at_most_twelve_rows_and_long_names_are_cut() -> None:
    found = differential({RISING[0]: "ENSG00000111111.12"})
    called = replace(found, is_de=found.statistic != 0)
    panel = donors.panel(called, make_response(called))
    assert panel is not None
    assert len(panel.rows) == donors.GENES
    assert panel.rows[0].gene == "ENSG0000011111…"


def test_a_donor_has_a_dot_in_each_row_at_its_own_response() -> None:
    panel = drawn(3, spread=0.3)
    for row in panel.rows:
        assert [dot.text.partition(":")[0] for dot in row.dots] == ["donor 1", "donor 2", "donor 3"]
        assert [dot.y for dot in row.dots] == sorted(dot.y for dot in row.dots)
    # STAT1 rises by 3.4 on average, without noise in each donor.
    assert [dot.text for dot in drawn(2).rows[0].dots] == ["donor 1: +3.40", "donor 2: +3.40"]
    assert [dot.x for dot in drawn(2).rows[0].dots] == [drawn(2).rows[0].mean] * 2


def test_the_interval_is_1_96_standard_errors_on_each_side() -> None:
    row, other = drawn(2).rows[:2]
    # The standard error is 0.1, and the means of both rows differ by known changes.
    per_unit = (row.mean - other.mean) / (3.4 - np.linspace(3.4, 0.9, len(RISING))[1])
    assert row.high - row.mean == pytest.approx(0.196 * per_unit, abs=0.3)
    assert row.mean - row.low == pytest.approx(0.196 * per_unit, abs=0.3)


@pytest.mark.parametrize("count", [2, 8, 50])
def test_dots_stay_in_their_row_and_inside_the_axes(count: int) -> None:
    panel = drawn(count, spread=0.5)
    for row in panel.rows:
        assert len(row.dots) == count
        for dot in row.dots:
            assert abs(dot.y - row.y) + panel.radius <= donors.ROW / 2
            assert panel.left <= dot.x <= panel.right


def test_one_donor_or_no_called_gene_gives_no_figure() -> None:
    found = differential()
    assert donors.panel(found, make_response(found, donors=1)) is None
    nothing = differential(changed=False)
    assert donors.panel(nothing, make_response(nothing)) is None


def test_few_donors_are_named_and_many_are_counted() -> None:
    assert donors.described(["a", "b"]) == "from top to bottom: a, b"
    many = [f"donor {i}" for i in range(9)]
    assert donors.described(many) == "9 donors, in alphabetical order from top to bottom"
