"""The server's own lines are kept out of the log, its errors are not. That a real server's are: `tests/e2e/test_functions_alone.py`."""

import logging

import pytest

from shared.http import startup


@pytest.mark.parametrize("name", ["uvicorn.access", "uvicorn.error"])
@pytest.mark.parametrize(
    ("level", "told"), [(logging.DEBUG, False), (logging.INFO, False), (logging.WARNING, False), (logging.ERROR, True)]
)
def test_only_errors_are_told(name: str, level: int, told: bool) -> None:
    startup.only_errors()
    record = logging.LogRecord(name, level, __file__, 1, "said", None, None)
    assert bool(logging.getLogger(name).filter(record)) is told


def test_asking_for_it_again_changes_nothing() -> None:
    startup.only_errors()
    before = [*logging.getLogger("uvicorn.access").filters]
    startup.only_errors()
    assert logging.getLogger("uvicorn.access").filters == before
