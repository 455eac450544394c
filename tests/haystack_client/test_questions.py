"""Many questions: files, grids and keys."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haystack_client.errors import RequestRefused
from haystack_client.questions import Question, grid, keys, of, read

QUESTIONS = st.lists(
    st.builds(Question, st.sampled_from(["a", "b"]), st.fixed_dictionaries({"max_iterations": st.integers(1, 2)}))
)


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_text_has_a_question_on_each_line(tmp_path: Path) -> None:
    path = written(tmp_path, "questions.txt", "\ufeffFirst, please?\r\n\n# a comment\n  Second?  \n")
    assert read(path, {"max_iterations": 2}) == [
        Question("First, please?", {"max_iterations": 2}),
        Question("Second?", {"max_iterations": 2}),
    ]


def test_a_table_has_options_that_override_the_common_ones(tmp_path: Path) -> None:
    text = '\ufeffQuery, max_iterations,control_strategy\n"A, B?",3,\n\nC?,,query_as_control\n'
    path = written(tmp_path, "questions.csv", text)
    assert read(path, {"max_iterations": 2, "random_seed": None}) == [
        Question("A, B?", {"max_iterations": 3, "random_seed": None}),
        Question("C?", {"max_iterations": 2, "random_seed": None, "control_strategy": "query_as_control"}),
    ]
    assert read(written(tmp_path, "questions.tsv", "query\trandom_seed\nA?\t5\n")) == [
        Question("A?", {"random_seed": 5})
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("q.csv", "question\nA?\n", r"q\.csv has no column `query`"),
        ("q.csv", "", r"q\.csv has no column `query`"),
        ("q.csv", "query\n", r"q\.csv has no questions\. Write one on each line"),
        ("q.txt", "# nothing\n", r"q\.txt has no questions"),
        ("q.csv", "query,note\nA?,x\n", r"has the column `note`, which is not an option of a run"),
        ("q.csv", "query,max_iterations\nA?,many\n", r"line 2: max_iterations must be a whole number, not `many`"),
        ("q.csv", "query,max_iterations\n,3\n", r"line 2 has no question"),
        ("q.csv", "query\nA, B?\n", r"line 2 has more fields than columns"),
    ],
)
def test_a_file_that_is_wrong_gets_a_sentence(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(RequestRefused, match=message):
        read(written(tmp_path, name, text))


def test_a_file_that_cannot_be_read_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RequestRefused, match=r"missing\.csv cannot be read: No such file"):
        read(tmp_path / "missing.csv")
    (tmp_path / "q.csv").write_bytes(b"query\n\xff?\n")
    with pytest.raises(RequestRefused, match="is not UTF-8 text"):
        read(tmp_path / "q.csv")


def test_a_grid_asks_about_each_pair_once() -> None:
    found = grid(
        ["NK cells, B cells", '"CD4-positive, alpha-beta T cells"', "B cells"], ["IL-2,TNF"], {"max_iterations": 1}
    )
    assert len(found) == 6
    assert found[1] == Question("How would NK cells respond to TNF?", {"max_iterations": 1})
    assert found[4].query == "How would CD4-positive, alpha-beta T cells respond to IL-2?"


@pytest.mark.parametrize(("cells", "agents"), [(["NK cells"], []), ([], ["TNF"]), ([" , "], ["TNF"])])
def test_a_grid_needs_both_sides(cells: list[str], agents: list[str]) -> None:
    with pytest.raises(RequestRefused, match="needs both --cell-types and --perturbations"):
        grid(cells, agents)


def test_questions_of_python_are_texts_or_mappings() -> None:
    common: dict[str, Any] = {"max_iterations": 2}
    assert of(["A?", {"query": "B?", "max_iterations": 1}], common) == [
        Question("A?", common),
        Question("B?", {"max_iterations": 1}),
    ]
    with pytest.raises(RequestRefused, match="Question 2 has no `query`"):
        of(["A?", {"max_iterations": 1}], {})


@given(QUESTIONS, st.data())
def test_keys_are_unique_and_stay_the_same_when_rows_move(questions: list[Question], data: st.DataObject) -> None:
    found = keys(questions)
    assert len(set(found)) == len(questions)
    moved = data.draw(st.permutations(questions))
    assert sorted(keys(moved)) == sorted(found)
    assert keys([*questions, Question("c")])[:-1] == found


def test_an_option_without_a_value_does_not_change_the_key() -> None:
    assert keys([Question("a", {"random_seed": None})]) == keys([Question("a")])
