"""The page and the table of the comparison show every gene and need no network."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Browser

from local.comparison import page, words
from local.comparison.measure import Cells, Comparison
from tests.browser.conftest import browser

__all__ = ["browser"]  # fixture

RESULT = {"run_id": "run_1", "files": [{"name": "run_1_report.html"}], "evidence": None}


@pytest.fixture
def found(compared: Callable[..., Comparison], withheld: Cells, really_changed: np.ndarray) -> Comparison:
    return compared(withheld.counts, really_changed)


def test_the_page_shows_every_gene_and_the_same_figures_as_the_terminal(found: Comparison, tmp_path: Path) -> None:
    _, path = page.write(found, "Is <b>this</b> right?", RESULT, tmp_path)
    text = path.read_text()
    assert "Is &lt;b&gt;this&lt;/b&gt; right?" in text
    assert text.count("<title>") == 1 + len(found.genes)
    assert all(sentence in text for sentence in words.sentences(found, None))
    assert '<a href="run_1_report.html">' in text
    assert "GSE96583" in text
    assert not re.findall(r'(?:src|href)="(?!run_1_)|url\(|<script', text)


def test_the_table_has_a_row_for_each_gene_the_largest_measured_change_first(found: Comparison, tmp_path: Path) -> None:
    path, _ = page.write(found, "Why?", RESULT, tmp_path)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["gene"] for row in rows} == set(found.genes)
    changes = [abs(float(row["measured_change"])) for row in rows]
    assert changes == sorted(changes, reverse=True)
    assert sum(row["really_changed"] == "true" for row in rows) == found.n_changed
    assert sum(row["call"] == "right" for row in rows) == found.right.sum()


@pytest.mark.parametrize("width", [390, 1200])
async def test_the_page_fits_phones_and_screens(
    width: int, found: Comparison, browser: Browser, tmp_path: Path
) -> None:
    _, path = page.write(found, "How would CD14 monocytes respond to IFN-beta?", RESULT, tmp_path)
    opened = await browser.new_page(viewport={"width": width, "height": 800})
    await opened.goto(path.as_uri())
    assert await opened.evaluate("document.documentElement.scrollWidth") <= width
    await opened.close()
