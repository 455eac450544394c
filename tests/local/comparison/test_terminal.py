"""The terminal shows the same figures as the page, at any width."""

from collections.abc import Callable

import numpy as np
import pytest

from haystack_client.terminal import Terminal
from local.comparison import terminal, words
from local.comparison.measure import Cells, Comparison


def test_the_truth_the_baselines_and_the_genes_of_both_sides_are_shown(
    compared: Callable[..., Comparison], withheld: Cells, really_changed: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    found = compared(withheld.counts, really_changed)
    terminal.show(Terminal(), found, None)
    shown = capsys.readouterr().out
    assert words.truth(found) in shown
    assert all(sentence in shown for sentence in words.sentences(found, None))
    for row in (*words.methods(found), *words.largest_predicted(found), *words.largest_measured(found)):
        assert any(all(cell in line for cell in row) for line in shown.splitlines()), row


def test_markup_in_a_name_is_shown_as_it_is(
    compared: Callable[..., Comparison], withheld: Cells, really_changed: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    found = compared(withheld.counts, really_changed)
    named = Comparison(**{**vars(found), "genes": tuple(f"[red]{gene}" for gene in found.genes)})
    terminal.show(Terminal(), named, None)
    assert f"[red]{words.largest_predicted(found)[0].gene}" in capsys.readouterr().out
