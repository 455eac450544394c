"""Columns of obs: their labels as text, and the one that a person names."""

import re
from dataclasses import dataclass
from typing import Final

import pandas as pd

from orchestrator.atlas.errors import AtlasUnusable

_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_MOST_LABELS: Final = 200_000


@dataclass(frozen=True)
class Choice:
    """A column and why it was chosen."""

    column: str
    why: str


def plain(name: str) -> str:
    """Return the name of a column without case and separators: "donorid" of "Donor ID" and of "donor_id"."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def words_of(name: str) -> set[str]:
    """Return the words in the name of a column, in lower case: "plate" and "id" of "Plate ID" and of "plateId"."""
    return {word.casefold() for word in _WORD.findall(name)}


def labels_of(column: "pd.Series[object]") -> list[str]:
    """Return the distinct labels of a column as text, without missing ones."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return [as_label(each) for each in column.cat.categories]
    return [as_label(each) for each in column.dropna().unique()[:_MOST_LABELS]]


def as_label(value: object) -> str:
    """Return a value of a column as text without spaces around it; whole numbers without a decimal point."""
    if isinstance(value, bytes):
        return value.decode(errors="replace").strip()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()  # "P1 " is the donor P1


def given_column(obs: pd.DataFrame, name: str | None, option: str) -> Choice | None:
    """Return the column that an option names, or None if it is not given.

    Raises:
        AtlasUnusable: there is no such column.
    """
    if name is None:
        return None
    if name not in obs:
        raise AtlasUnusable(
            f"obs has no column {name}. Give another one with {option}; available: {listed_columns(obs)}."
        )
    return Choice(name, "given")


def listed_columns(obs: pd.DataFrame) -> str:
    """Return the names of all columns in words."""
    return ", ".join(map(str, obs.columns)) or "none"
