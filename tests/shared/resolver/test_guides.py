"""The genes that labels of guides name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.resolver.guides import Modality, is_screen, targets_of


@pytest.mark.parametrize(
    ("label", "genes"),
    [
        ("KLF1+ctrl", ("KLF1",)), ("sgKLF1-2", ("KLF1",)), ("KLF1_g1", ("KLF1",)), ("p_sgELF1_4", ("ELF1",)), ("STAT1KO", ("STAT1",)),
        ("IFNAR1-/-", ("IFNAR1",)), ("siSTAT1", ("STAT1",)), ("sgKLF1_sgSTAT1", ("KLF1", "STAT1")),
    ],
)  # fmt: skip
def test_a_label_of_guides_names_its_genes(label: str, genes: tuple[str, ...]) -> None:
    found = targets_of(label)
    assert found is not None
    assert found.genes == genes


@pytest.mark.parametrize(
    "label", ["IFN-beta", "TNF", "KLF1", "TNF+ctrl", "anti-TNF", "AAVS1", "IL-6", "dexamethasone", "stim"]
)
def test_other_labels_name_no_guides(label: str) -> None:
    assert targets_of(label) is None


def test_labels_of_a_screen_may_be_bare_symbols() -> None:
    for label, genes in (
        ("KLF1", ("KLF1",)),
        ("10005_ZBTB4_P1_ENSG00000174282", ("ZBTB4",)),
        ("NKX2-1_2", ("NKX2-1",)),
    ):
        found = targets_of(label, is_screen=True)
        assert found is not None
        assert found.genes == genes


def test_what_was_done_is_read_from_the_label() -> None:
    actions = {
        "STAT1_KO": Modality.KNOCKOUT,
        "STAT3 siRNA": Modality.KNOCKDOWN,
        "FOXP3 overexpression": Modality.OVEREXPRESSION,
    }
    for label, action in actions.items():
        found = targets_of(label)
        assert found is not None
        assert found.modality is action


def test_symbols_of_cytokines_are_guides_only_beside_guides() -> None:
    assert is_screen(["KLF1", "STAT1", "non-targeting"])
    assert is_screen(["IFNG", "TNF", "non-targeting"])
    assert not is_screen(["IFNG", "TNF", "PBS"])
    assert not is_screen(["IFNG", "TNF", "NT"])


@given(st.text(max_size=40))
def test_any_text_has_an_answer(text: str) -> None:
    targets_of(text)
    targets_of(text, is_screen=True)
