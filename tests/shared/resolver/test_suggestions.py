"""Answerable questions near to one that cannot be answered."""

import csv
from pathlib import Path

import pytest

from shared.catalog.view import CatalogView
from shared.resolver.interpretation import read
from shared.resolver.suggestions import MAX_SUGGESTIONS, suggest
from tests.support.catalogs import demo_entry, demo_view, small_view
from tests.support.readings import DEMO, interpret

QUESTIONS = []
for name in ("interpretations.tsv", "blind_interpretations.tsv"):
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as file:
        QUESTIONS += [row["question"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def suggestions(question: str, view: CatalogView = DEMO) -> list[str]:
    return suggest(read(question, view), view)


@pytest.mark.parametrize("view", [DEMO, small_view()], ids=["demo", "small"])
def test_a_refused_question_has_at_most_three_suggestions_and_each_can_be_answered(view: CatalogView) -> None:
    for question in QUESTIONS:
        found = suggestions(question, view)
        if interpret(question, view).answerable:
            assert found == [], question
        else:
            assert 1 <= len(found) <= MAX_SUGGESTIONS == 3, question
            assert len(set(found)) == len(found)
            assert all(interpret(each, view).answerable for each in found), question


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("CRISPR knockout of IFNGR1 in NK cells, then IFN-gamma", "How would NK cells respond to IFN-gamma?"),
        ("IFN-gamma plus TNF in NK cells", "How would NK cells respond to IFN-gamma?"),
        ("anti-TNF in NK cells", "How would NK cells respond to TNF-alpha?"),
        ("NK cells without IL-2", "How would NK cells respond to IL-2?"),
        ("How do murine NK cells respond to IL-2?", "How would NK cells respond to IL-2?"),
        ("Do NK cells respond to IL-2 or IL-6?", "How would NK cells respond to IL-2?"),
    ],
)
def test_what_the_question_names_comes_first(question: str, first: str) -> None:
    assert suggestions(question)[0] == first


def test_the_parts_of_a_combination_are_suggested_one_by_one() -> None:
    assert suggestions("IL-2 plus IL-6 in NK cells") == [
        "How would NK cells respond to IL-2?",
        "How would NK cells respond to IL-6?",
    ]


def test_the_members_of_a_family_are_suggested() -> None:
    found = suggestions("How would NK cells respond to interferon?")
    assert {each.removeprefix("How would NK cells respond to ").rstrip("?") for each in found} <= {
        "IFN-alpha1",
        "IFN-beta",
        "IFN-gamma",
    }


def test_the_nearest_cells_are_suggested_for_a_type_that_is_missing() -> None:
    view = demo_view(cells={"neutrophil": [30, 30, 30], "CD8_T": [300, 300, 300]})
    assert suggestions("How would monocytes respond to IFN-gamma?", view)[0] == (
        "How would neutrophils respond to IFN-gamma?"
    )


def test_without_the_cells_or_the_perturbation_the_ones_with_most_cells_are_suggested() -> None:
    assert suggestions("What does IFN-gamma do?")[0] == "How would CD8-positive T cells respond to IFN-gamma?"
    assert suggestions("What is the weather in Paris?")
    assert suggestions("How would NK cells respond to LPS?")[0].startswith("How would NK cells respond to ")


def test_a_perturbation_with_too_few_cells_is_not_suggested() -> None:
    entry = demo_entry()
    groups = [
        group.model_copy(update={"cells": 3, "donors": [1, 1, 1]}) if group.condition == "IL-2" else group
        for group in entry.groups
    ]
    view = small_view(entry.model_copy(update={"groups": groups}))
    found = suggestions("IL-2 plus IL-6 in NK cells", view)
    assert found == ["How would NK cells respond to IL-6?"]


@pytest.mark.parametrize("view", [CatalogView([]), CatalogView(small_view().datasets[:2])])
def test_without_an_ingested_atlas_nothing_is_suggested(view: CatalogView) -> None:
    assert suggestions("anti-TNF in NK cells", view) == []
