"""Questions as people write them, and what they mean.

`questions.tsv` gives the Cell Ontology id, the canonical perturbation, how the perturbation matched, the candidates if several match
equally, and whether the question is observational. A `-` means none.

`blind_questions.tsv` holds questions whose answers were written down before the resolver was run on them: the table; the question; the
perturbation; the Cell Ontology id; whether it is observational; the reason for the question. A `-` means none and `?` either; `|`
separates equally correct answers, `&` things that the question names side by side, which must all be candidates.
"""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.entries import CellTypeEntry, ConditionEntry, DatasetEntry
from shared.catalog.ontology import cell_ontology
from shared.catalog.reference import datasets, perturbations
from shared.catalog.schemas import MatchedTerm
from shared.catalog.view import CatalogView
from shared.resolver import Resolution, resolve
from tests.support.catalogs import small_pbmc, small_view

VIEW = small_view()
LINES = (Path(__file__).parent / "questions.tsv").read_text(encoding="utf-8").splitlines()[1:]
QUESTIONS = [tuple(line.split("\t")) for line in LINES]
with (Path(__file__).parent / "blind_questions.tsv").open(encoding="utf-8", newline="") as file:
    BLIND = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
# A name that needs capitals means nothing without them, and in capitals Python writes ß as SS.
CASELESS = [q for q, *_ in QUESTIONS if not re.search(r"LIGHT|SF|ß|sf|light|trail|CAT|MET", q)]
SPELLED = [q for q, _, _, match, *_ in QUESTIONS if match in {"exact", "synonym"}]
PIECES = [
    "IL", "IFN", "TNF", "-", "-10", "1", "γ", "beta", "CD4", "+", "T", "cells", "(", ")", "/", ",", "to", "anti", "NK",
]  # fmt: skip
CONTROLS = ["PBS", "DMSO", "Dimethyl Sulfoxide", "vehicle", "untreated", "control", "mock", "medium"]


def meaning(found: Resolution) -> tuple[str | None, str | None, bool]:
    return (
        found.cell_type.cell_ontology_id if found.cell_type else None,
        found.perturbation.name if found.perturbation else None,
        found.observational,
    )


def test_the_table_is_long_enough_and_has_no_duplicates() -> None:
    assert len({question for question, *_ in QUESTIONS}) == len(QUESTIONS) >= 60


@pytest.mark.parametrize("row", QUESTIONS, ids=lambda row: str(row[0]))
def test_a_question_means_what_the_table_says(row: tuple[str, ...]) -> None:
    question, cell_type, perturbation, match, candidates, observational = (None if c == "-" else c for c in row)
    found = resolve(question or "", VIEW)
    assert meaning(found) == (cell_type, perturbation, observational == "yes")
    if found.perturbation:
        assert found.perturbation.match == match
        assert found.perturbation.candidates == (candidates.split(";") if candidates else [])


def fits(found: MatchedTerm | None, expected: str) -> bool:
    """Return whether a result is what the table says, by the name of the perturbation or the label of the cell type."""
    groups = [{name for name in group.split("|") if name != "-"} for group in expected.split("&")]
    if found is None:
        return len(groups) == 1 and "-" in expected.split("|")
    names = set(found.candidates) or {found.name}
    return all(group & names for group in groups) and (len(names) > 1) == (len(groups) > 1)


def labeled(expected: str) -> str:
    """Return the same with the labels of Cell Ontology ids."""
    terms = {term.id: term.label for term in cell_ontology() if term.id in expected}
    for term_id, label in terms.items():
        expected = expected.replace(term_id, label)
    return expected


def test_the_blind_tables_are_long_enough_and_have_no_duplicates() -> None:
    assert len({row["question"] for row in BLIND}) == len(BLIND) >= 150 + 60


@pytest.mark.parametrize("row", BLIND, ids=lambda row: row["question"])
def test_a_blind_question_means_what_its_author_expected(row: dict[str, str]) -> None:
    found = resolve(row["question"], VIEW)
    assert fits(found.perturbation, row["perturbation"]), found.perturbation
    assert fits(found.cell_type, labeled(row["cell_type"])), found.cell_type
    if row["observational"] != "?":
        assert found.observational == (row["observational"] == "yes")


@given(st.sampled_from(QUESTIONS))
def test_matched_text_stands_in_the_question_as_written(row: tuple[str, ...]) -> None:
    found = resolve(row[0], VIEW)
    for term in filter(None, (found.cell_type, found.perturbation)):
        assert term.matched_text in row[0]
        assert term.matched_text in found.recognized


@given(st.sampled_from(CASELESS), st.sampled_from([str.upper, str.lower, str.title]))
def test_case_does_not_matter(question: str, change: Callable[[str], str]) -> None:
    assert meaning(resolve(change(question), VIEW)) == meaning(resolve(question, VIEW))


@given(st.sampled_from(SPELLED), st.sampled_from(["  ", "\t", "\n", "\u00a0"]))
def test_white_space_does_not_matter(question: str, space: str) -> None:
    spaced = f"{space}{question.replace(' ', space)}{space}"
    assert meaning(resolve(spaced, VIEW)) == meaning(resolve(question, VIEW))


@given(
    st.sampled_from(sorted(p.name for p in perturbations().values() if re.fullmatch(r"(IL|IFN|TNF)-[\w-]+", p.name)))
)
def test_hyphens_in_the_name_of_a_cytokine_do_not_matter(name: str) -> None:
    for written in (name.replace("-", separator) for separator in ("-", " ", "", "‑", "_")):
        found = resolve(f"How would monocytes respond to {written}?", VIEW).perturbation
        assert found is not None, written
        assert (found.name, found.candidates) == (name, [])


@pytest.mark.parametrize("name", sorted(perturbations()))
def test_every_canonical_name_means_itself(name: str) -> None:
    found = resolve(f"How would monocytes respond to {name} in culture?", VIEW).perturbation
    assert found is not None
    # A semicolon ends a name; each of the names around it means the compound.
    match = "synonym" if ";" in name else "exact"
    assert (found.name, found.match, found.candidates) == (name, match, [])
    assert found.kind == perturbations()[name].kind


@given(st.sampled_from(sorted(perturbations())), st.sampled_from(sorted(perturbations())))
def test_no_canonical_name_is_taken_for_a_misspelling_of_another(first: str, second: str) -> None:
    found = resolve(f"Monocytes treated with {first}.\nMonocytes treated with {second}.", VIEW).perturbation
    assert found is not None
    assert found.match in {"exact", "synonym"}
    assert set(found.candidates or [found.name]) == {first, second}


@pytest.mark.parametrize("entry", datasets(), ids=lambda entry: str(entry.name))
def test_labels_of_datasets_are_understood_if_they_say_cell(entry: DatasetEntry) -> None:
    for cell_type in entry.cell_types:
        if "cell" in cell_type.label.lower() and "/" not in cell_type.label:
            found = resolve(f"How would {cell_type.label} respond to IL-6?", VIEW).cell_type
            assert found is not None, cell_type.label
            assert found.cell_ontology_id == cell_type.cell_ontology_id, cell_type.label


@given(
    st.sampled_from(CONTROLS),
    st.sampled_from(["How would B cells respond to {}?", "{} in NK cells", "Tregs treated with {}"]),
)
def test_a_control_never_becomes_a_perturbation(control: str, question: str) -> None:
    for written in (control, control.upper(), control.lower()):
        found = resolve(question.format(written), VIEW)
        assert found.perturbation is None
        assert found.observational


@given(st.text(max_size=300))
def test_any_text_has_an_answer(text: str) -> None:
    found = resolve(text, VIEW)
    assert found == resolve(text, VIEW)
    assert found.explanation
    assert not (found.observational and found.perturbation)


@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_mixture_of_names_has_an_answer(pieces: list[str]) -> None:
    for joint in ("", " ", "-"):
        assert resolve(joint.join(pieces), VIEW).explanation


def test_a_name_inside_a_word_is_not_seen() -> None:
    for word in ("IL10RA", "IFNGR1", "preTNFx", "xIL6", "EGFR", "dasatinibol"):
        assert resolve(f"How would monocytes respond to {word}?", VIEW).perturbation is None, word


def test_a_cell_type_says_how_it_matched() -> None:
    def match(text: str) -> str | None:
        found = resolve(f"How would {text} respond to IL-6?", VIEW).cell_type
        return found.match if found else None

    assert match("CD14 Mono") == "exact"
    assert match("natural killer cells") == "exact"
    assert match("CD8 lymphocytes") == "synonym"
    assert match("Kupffer cells") == "ontology"
    assert match("macrofages") == "fuzzy"


def test_cell_types_that_match_equally_are_candidates() -> None:
    found = resolve("How do CD4 and CD8 T cells respond to IL-7?", VIEW).cell_type
    assert found is not None
    assert found.candidates == ["CD4-positive, alpha-beta T cell", "CD8-positive, alpha-beta T cell"]
    narrowed = resolve("How do T cells, above all Tregs, respond to IL-7?", VIEW).cell_type
    assert narrowed is not None
    assert (narrowed.name, narrowed.candidates) == ("regulatory T cell", [])


def test_names_of_an_ingested_dataset_are_understood() -> None:
    entry = small_pbmc().model_copy(
        update={
            "cell_types": [CellTypeEntry(label="Weird Cluster", cell_ontology_id=None, cell_ontology_label=None)],
            "conditions": [ConditionEntry(label="STAT1_KO", perturbation="STAT1_KO", kind="gene", is_control=False)],
        }
    )
    found = resolve("How do weird cluster cells respond to STAT1 KO?", small_view(entry))
    assert found.cell_type is not None
    assert (found.cell_type.name, found.cell_type.cell_ontology_id) == ("Weird Cluster", None)
    assert found.perturbation is not None
    assert (found.perturbation.name, found.perturbation.kind) == ("STAT1_KO", "gene")
    assert resolve("How do weird cluster cells respond to STAT1 KO?", VIEW).perturbation is None


def test_a_label_that_is_a_plain_word_needs_the_word_cell() -> None:
    assert resolve("How do mast cells respond to IL-4?", VIEW).cell_type is not None
    assert resolve("Sail before the mast with IL-4 in plasma", VIEW).cell_type is None
    found = resolve("How would MDC respond to IL-4?", VIEW).cell_type
    assert found is not None
    assert found.cell_ontology_id == "CL:0000113"


def test_the_explanation_lists_what_was_and_was_not_recognized() -> None:
    found = resolve("How would CD14 monocytes respond to foobarin and anti-TNF?", VIEW)
    assert found.recognized == ("CD14 monocytes",)
    assert found.unrecognized == ("foobarin", "anti-TNF")
    assert found.explanation == (
        'Recognized: "CD14 monocytes" as the cell type CD14-positive monocyte (CL:0001054). No perturbation was recognized. '
        "Not recognized: foobarin, anti-TNF."
    )


@pytest.mark.parametrize(
    ("question", "cell_type"),
    [
        ("How would CD14 monocytes of donors who were never treated generally respond to IFN-gamma?", "CL:0001054"),
        (
            "How would pro-B cells nearly always respond to IL-7?",
            "CL:0000826",
        ),  # "nearly" was once corrected to "early"
        ("Do kidney cells hence respond to IL-6, perhaps indirectly?", "CL:1000497"),
    ],
)
def test_plain_words_are_neither_names_nor_misspelled_ones(question: str, cell_type: str) -> None:
    found = resolve(question, VIEW)
    assert found.cell_type is not None
    assert (found.cell_type.cell_ontology_id, found.unrecognized) == (cell_type, ())


def test_an_empty_catalog_still_knows_the_reference_names() -> None:
    found = resolve("How would CD14 monocytes respond to IFN-gamma?", CatalogView([]))
    assert found.cell_type is not None
    assert found.cell_type.match == "ontology"


@pytest.mark.timeout(10)  # guards against exponential time; it is not a measurement
def test_the_longest_question_is_bounded_too() -> None:
    long = ("CD4-positive alpha-beta T cell interleukin tumour necrosis factor qwertyuiop asdfghjkl " * 40)[:2000]
    assert resolve(long, VIEW).cell_type is not None
