"""A question comes from the metadata of the service, whatever its atlas holds."""

from typing import Any

from deploy import question


class Metadata:
    """A service with these perturbations and cell types, which answers only some questions."""

    def __init__(self, answerable: set[str], suggestions: list[str]) -> None:
        self._answerable = answerable
        self._suggestions = suggestions
        self.perturbations = [_entry("drug A", 10), _entry("drug B", 90), _entry("drug C", None)]

    def __call__(self, _: str, path: str, **options: Any) -> Any:  # noqa: ANN401  # JSON
        if path == question.PERTURBATIONS:
            return self.perturbations
        if path == question.CELL_TYPES:
            assert options["query"] == {"dataset": "mine"}
            return [_entry("neurons", 5), _entry("glia", 50)]
        query = options["body"]["query"]
        return {"interpretation": {"answerable": query in self._answerable}, "suggestions": self._suggestions}


def _entry(name: str, cells: int | None) -> dict[str, object]:
    return {"name": name, "cell_count": cells, "datasets": ["mine"]}


def test_the_perturbation_and_the_cells_with_the_most_cells_are_asked_about() -> None:
    both = {"How would glia respond to drug B?", "How would neurons respond to drug A?"}
    assert question.answerable(Metadata(both, [])) == "How would glia respond to drug B?"


def test_a_question_that_is_not_answerable_gives_way_to_the_next() -> None:
    found = question.answerable(Metadata({"How would neurons respond to drug A?"}, []))
    assert found == "How would neurons respond to drug A?"


def test_a_suggestion_of_the_service_will_do() -> None:
    assert question.answerable(Metadata(set(), ["What does drug A do?"])) == "What does drug A do?"


def test_a_service_without_an_answer_or_an_atlas_has_no_question() -> None:
    metadata = Metadata(set(), [])
    assert question.answerable(metadata) is None
    metadata.perturbations = []
    assert question.answerable(metadata) is None
