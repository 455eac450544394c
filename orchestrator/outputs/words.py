"""Numbers and names as the texts of the outputs write them."""

import re
from collections.abc import Sequence

# −log10 of the smallest p-value that is written out or drawn at its height; it is near the limit of a double.
MAX_HEIGHT = 300.0


def signed(number: float) -> str:
    """Return a number with its sign and two decimals."""
    return f"{number:+.2f}".replace("-", "−")


def p_value(number: float) -> str:
    """Return a p-value for people; `report.js` and the command line format it in the same way."""
    if number >= 0.001:
        return f"{number:.3f}"
    if number <= 10.0**-MAX_HEIGHT:
        return "< 1e−300"
    digits, _, exponent = f"{number:.1e}".partition("e-")
    return f"{digits}e−{int(exponent)}"


def listed(names: Sequence[str]) -> str:
    """Return names as an enumeration in words."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def plural(cell_type: str) -> str:
    """Return the plural of a cell type's name: of its noun, or with the word "cells" after a label such as MDC."""
    noun, of, rest = cell_type.partition(" of ")
    if not re.search(r"\b[A-Z]?[a-z]{3,}$", noun):
        return f"{cell_type} cells"
    return cell_type if noun.endswith("s") else f"{noun}s{of}{rest}"
