"""Plain words of a question and words that may be names, in several languages and with typing errors."""

import pytest

from shared.catalog.interpretation import CaveatCode
from shared.resolver.plain_words import foreign_words, plain_words, unknown_words
from shared.resolver.question import Question
from tests.support.readings import codes, told


def plain(text: str) -> list[str]:
    question = Question.of(text)
    return [question.words[index].text for index in sorted(plain_words(question, ()).all)]


def unknown(text: str, known: tuple[int, ...] = ()) -> list[str]:
    question = Question.of(text)
    return [question.piece(start, end) for start, end in unknown_words(question, plain_words(question, known), known)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How would they respond", ["How", "would", "they", "respond"]),
        ("wich genes chnage", ["wich", "genes", "chnage"]),
        ("Wie reagieren sie auf", ["Wie", "reagieren", "sie", "auf"]),
        ("foobarin zorbly", []),
        ("die Zellen", ["die", "Zellen"]),
    ],
)
def test_plain_words_are_told_with_their_misspellings_and_translations(text: str, expected: list[str]) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        ("How do foobarin cells respond?", (), ["foobarin"]),
        ("the zorbly-quux treatment", (), ["zorbly-quux"]),
        ("zorbly and quux", (), ["zorbly", "quux"]),
        ("zorbly quux", (), ["zorbly quux"]),
        ("zorbly. quux", (), ["zorbly", "quux"]),
        ("zorbly quux", (0,), ["quux"]),
        ("a b c 24 5x", (), []),
    ],
)
def test_unknown_words_come_in_runs(text: str, known: tuple[int, ...], expected: list[str]) -> None:
    assert unknown(text, known) == expected


def test_a_word_that_may_be_a_treatment_is_plain_but_may_be_asked_about() -> None:
    found = plain_words(Question.of("how does sleep change them"), ())
    assert found.never_asked < found.all


def test_a_name_misspells_nothing() -> None:
    question = Question.of("genez and respont")
    assert plain_words(question, ()).all == {0, 1, 2}
    assert plain_words(question, (0,)).all == {1, 2}


def test_foreign_words_are_folded() -> None:
    assert {"wie", "comment", "como"} & foreign_words()
    assert all(word == word.lower() for word in foreign_words())


@pytest.mark.parametrize(
    "question",
    [
        "Wie reagieren Monozyten auf IFN-gamma?",
        "Comment les cellules NK répondent-elles à l'IL-2 ?",
        "¿Cómo responden los linfocitos B a la IL-6?",
        "wich genes chnage in NK cells wiht IL-2?",
        "Please kindly tell me, if at all possible, what IL-2 would do to NK cells!",
    ],
)
def test_questions_in_plain_words_leave_nothing_unknown(question: str) -> None:
    assert codes(question) == set()


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("frobnicated monocytes with TNF", "frobnicated"),
        ("IL-2 and zorbly CD8 T cells", "zorbly"),
        ("IFN-gamma on monocytes, qwertz style", "qwertz"),
    ],
)
def test_an_unknown_word_is_told(question: str, text: str) -> None:
    assert told(question, CaveatCode.UNKNOWN_WORDS) == [text]


@pytest.mark.parametrize(
    "question",
    [
        "Walk me through what IFN-gamma does to monocytes",
        "How do monocytes handle TNF?",
        "What happens in the dish when monocytes encounter TNF?",
        "Monocytes are bathed in IFN-gamma. What changes?",
        "In a nutshell, what does IL-2 do to NK cells?",
        "Break down what goes on inside monocytes in a flask with TNF",
    ],
)
def test_regression_turns_of_speech_get_no_note(question: str) -> None:
    assert codes(question) == set()
