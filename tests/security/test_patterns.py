"""Parsing takes linear time: sixteen times the text takes about sixteen times the work, not 256 times or more.

The tests compare two processor times of the same machine, each the minimum of some tries, and no absolute time.
"""

import re
import time
from collections.abc import Callable

import pytest
from starlette.responses import Response

from shared.catalog.reference import datasets
from shared.catalog.schemas import ControlStrategyValidationRequest
from shared.catalog.view import CatalogView
from shared.http.responses import compress
from shared.resolver import validation
from shared.runs.schemas import RFC3339
from tests.functions.conftest import small_dataset

# Between linear (16) and quadratic (256), the noise of a busy machine has a factor of four on either side.
LONGER = 16
# The geometric mean of the two.
WORSE_THAN_LINEAR = LONGER**1.5
TRIES = 3


def work(act: Callable[[], object]) -> float:
    """Return the minimum processor time of some tries."""
    times = []
    for _ in range(TRIES):
        began = time.process_time()
        act()
        times.append(time.process_time() - began)
    return max(min(times), 1e-4)  # the resolution of the clock


def growth(act: Callable[[str], object], unit: str, size: int) -> float:
    """Return the ratio of the work for a text of repeated units, with an end that matches nothing, to that for a shorter one."""

    def of(length: int) -> float:
        text = "How would it " + (unit * length)[: length - 14] + "!"
        return work(lambda: act(text))

    return of(size) / of(size // LONGER)


def test_quadratic_time_is_detected() -> None:
    assert growth(re.compile(r" *\?").search, " ", 8000) > WORSE_THAN_LINEAR


UNITS = [
    "CD4 ",
    "cd14+",
    "cd4-cd8+",
    "1 ",
    "11",
    "- ",
    "(",
    "a ",
    "IL-",
    "natural killer T ",
    "not ",
    "monocyt ",
    "x,",
    "İ",
    " \n",
]


@pytest.mark.parametrize("unit", UNITS)
def test_reading_a_question_of_two_thousand_characters_is_linear(unit: str) -> None:
    view = CatalogView(datasets(), [small_dataset()])

    def read(text: str) -> object:
        return validation.validate(ControlStrategyValidationRequest(query=text), view)

    read("How would CD14 monocytes respond to IFN-gamma?")  # names are indexed once
    assert growth(read, unit, 2000) < WORSE_THAN_LINEAR


@pytest.mark.parametrize("unit", ["gzip ; q=0.", "gzip ", "gzip;q=0.0000", " ,", ";"])
def test_reading_an_accept_encoding_is_linear(unit: str) -> None:
    body = b"x" * 2000

    def read(text: str) -> None:
        compress(Response(body), text + "gzip;q=0")

    assert growth(read, unit, 60_000) < WORSE_THAN_LINEAR


@pytest.mark.parametrize("unit", ["2026-03-01T12:00:00.0", "0", "00:"])
def test_reading_a_time_is_linear(unit: str) -> None:
    assert growth(RFC3339.search, unit, 60_000) < WORSE_THAN_LINEAR
