"""Cytokines named by their receptor."""

import pytest

from shared import data
from shared.catalog.reference import perturbations
from shared.resolver import resolve
from tests.support.catalogs import small_view

VIEW = small_view()


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("a CD40 agonist", ["CD40L"]),
        ("agonistic anti-CD40 antibody", ["CD40L"]),
        ("an agonist of OX40", ["OX40L"]),
        ("4-1BB ligation", ["4-1BBL"]),
        ("the c-Met ligand", ["HGF"]),
        ("IL-2 receptor agonist", ["IL-2"]),
        ("IL-7R agonists", ["IL-7"]),
        ("CD95L", ["FasL"]),
        ("a CSF1R ligand", ["M-CSF", "IL-34"]),
        ("triggering through TNFR2", ["TNF-alpha"]),
    ],
)
def test_an_activated_receptor_means_its_ligand(written: str, names: list[str]) -> None:
    found = resolve(f"How would B cells respond to {written}?", VIEW).perturbation
    assert found is not None
    assert (found.candidates or [found.name]) == names


@pytest.mark.parametrize(
    "question",
    [
        "How many B cells have CD40?",
        "CD40+ B cells in blood",
        "CD40 blockade in B cells",
        "How would B cells respond to an IL-6 receptor antagonist?",
        "B cells that express 4-1BB",
        "CD4 T cell activation in blood",
        "The B cells met activation criteria",
    ],
)
def test_a_receptor_that_is_not_activated_is_not_a_perturbation(question: str) -> None:
    assert resolve(question, VIEW).perturbation is None


def test_every_ligand_of_the_table_is_a_known_perturbation() -> None:
    for row in data.table("receptor_names"):
        assert set(filter(None, row["means"].split("|"))) <= perturbations().keys(), row["name"]
