"""Read questions against the demo atlas, for tests of the resolver."""

from collections.abc import Sequence

from shared.catalog.interpretation import CaveatCode, Interpretation
from shared.catalog.view import CatalogView
from shared.resolver.interpretation import read
from shared.resolver.parse import Parsed, parse
from tests.support.catalogs import demo_view

DEMO = demo_view()
# Caveats that come from the atlas and not from the words of a question.
OF_THE_ATLAS = {CaveatCode.STAND_IN_CELL_TYPE, CaveatCode.FEW_CELLS, CaveatCode.SEMI_SYNTHETIC}


def interpret(question: str, view: CatalogView = DEMO) -> Interpretation:
    """Return how a question is read."""
    return read(question, view).interpretation


def taken_apart(question: str) -> Parsed:
    """Return the parts of a question."""
    return parse(question, DEMO)


def told(question: str, code: CaveatCode, view: CatalogView = DEMO) -> list[str]:
    """Return the parts of the question that the caveats of a code concern."""
    return [caveat.text for caveat in interpret(question, view).caveats if caveat.code is code]


def codes(question: str) -> set[CaveatCode]:
    """Return the codes of the caveats that come from the words of a question."""
    return {caveat.code for caveat in interpret(question).caveats} - OF_THE_ATLAS


def pieces(parsed: Parsed, spans: Sequence[range]) -> list[str]:
    """Return parts of a question as written."""
    return [parsed.found.question.piece(span.start, span.stop) for span in spans]
