"""What a question may consist of."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.fields import Query

QUERY: TypeAdapter[str] = TypeAdapter(Query)


@pytest.mark.parametrize(
    "text", ["IL-2 ", "    x    ", "IL-2\u200b\u200b\u200b", "\u2060" * 50, "a\u3164\u3164\u3164b", "\ufeffIL-2"]
)
def test_blanks_and_invisible_characters_do_not_make_a_question_long_enough(text: str) -> None:
    with pytest.raises(ValidationError, match="at least 5 characters"):
        QUERY.validate_python(text)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("IL2 CD8", "IL2 CD8"),
        ("\ufeff IFN-γ in mono\u00adcytes\u200b?", "IFN-γ in monocytes?"),
        ("CD14\u2060 mono\u200dcytes \u202eand IL-4\u202c", "CD14 monocytes and IL-4"),
        ("TNF\ufe0f on NK cells", "TNF on NK cells"),
        ("naïve  B\u00a0cells", "naïve  B\u00a0cells"),
    ],
)
def test_invisible_characters_are_removed_and_everything_else_stays(written: str, read: str) -> None:
    assert QUERY.validate_python(written) == read


@given(st.text(min_size=20, max_size=60).map(lambda text: f"NK {text} IL-4"))
def test_no_format_character_reaches_the_resolver(text: str) -> None:
    try:
        read = QUERY.validate_python(text)
    except ValidationError:
        return  # a control character or a surrogate
    assert not [character for character in read if unicodedata.category(character) == "Cf"]
    assert QUERY.validate_python(read) == read
