"""An interpretation is a small value, whatever the question says."""

from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.interpretation import (
    MAX_CAVEATS,
    MAX_DETAIL,
    MAX_EXCERPT,
    MAX_GENES,
    AskedGene,
    CaveatCode,
    Direction,
    Interpretation,
)
from tests.support.builders import caveat, interpretation

LONG = "\N{DNA DOUBLE HELIX}" * 2000


def test_a_caveat_quotes_at_most_the_beginning_of_a_long_part() -> None:
    long = caveat(CaveatCode.UNKNOWN_WORDS, LONG, LONG)
    assert (len(long.text), len(long.detail)) == (MAX_EXCERPT, MAX_DETAIL)
    assert long.text.endswith("…")
    assert caveat(CaveatCode.DOSE, "x" * MAX_EXCERPT).text == "x" * MAX_EXCERPT


def test_of_too_many_caveats_those_that_block_stay_first() -> None:
    times = [caveat(CaveatCode.TIME, f"{hours} h") for hours in range(2 * MAX_CAVEATS)]
    blocked = interpretation(*times, caveat(CaveatCode.KNOCKOUT))
    assert len(blocked.caveats) == MAX_CAVEATS
    assert not blocked.answerable
    assert blocked.caveats[0].code is CaveatCode.KNOCKOUT
    assert blocked.caveats[1:] == times[: MAX_CAVEATS - 1]


def test_caveats_keep_their_order() -> None:
    caveats = [caveat(CaveatCode.DOSE), caveat(CaveatCode.KNOCKOUT), caveat(CaveatCode.TIME)]
    assert interpretation(*caveats).caveats == caveats


def test_the_largest_interpretation_is_a_small_part_of_a_document() -> None:
    genes = [AskedGene(symbol=f"GENE{number}", direction=Direction.ANY) for number in range(1000)]
    largest = interpretation(*(caveat(CaveatCode.UNKNOWN_WORDS, LONG, LONG) for _ in range(1000)))
    largest = Interpretation(**(largest.model_dump() | {"genes": genes}))
    assert len(largest.genes) == MAX_GENES
    assert len(largest.model_dump_json().encode()) < 128 * 1024  # of 1 MiB


@given(st.lists(st.sampled_from(CaveatCode), max_size=2 * MAX_CAVEATS))
def test_a_stored_interpretation_comes_back_as_it_was(codes: list[CaveatCode]) -> None:
    made = interpretation(*(caveat(code, LONG, LONG) for code in codes))
    assert Interpretation.from_stored(made.model_dump()) == made
    assert Interpretation.from_stored_json(made.model_dump_json()) == made
    assert made.answerable is not any(code.blocking for code in codes)
