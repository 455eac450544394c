"""The lists of terms, foreign words and gene symbols: no duplicates, no names of the reference data, and no conflicts with one another."""

import unicodedata
from collections import Counter

from shared import data
from shared.catalog.normalize import compact, fold, join, singular, split
from shared.catalog.ontology import cell_ontology
from shared.resolver.lexicon import common_words
from shared.resolver.perturbation_names import reference_names

KINDS = {"species", "disease", "donor_attribute", "tissue", "stimulus", "antagonist", "mixture"}
ROWS = list(data.table("context_terms"))
PHRASES = [row["phrase"] for row in ROWS]


def needs_capitals(phrase: str) -> bool:
    return phrase.isalpha() and phrase.isupper() and len(phrase) <= 5


def without_plurals(phrase: str) -> str:
    return join(singular(word.key) for word in split(phrase))


def repeated(keys: list[str]) -> set[str]:
    return {key for key, count in Counter(keys).items() if count > 1}


def test_every_row_has_a_known_kind_and_a_meaning() -> None:
    assert {row["kind"] for row in ROWS} == KINDS
    assert [row["phrase"] for row in ROWS if not row["meaning"] and row["kind"] != "mixture"] == []
    ids = {row["meaning"] for row in ROWS if row["kind"] == "mixture"} - {""}
    assert {cl_id for cl_id in ids if cell_ontology().term(cl_id) is None} == set()


def test_no_phrase_is_listed_twice() -> None:
    assert repeated([fold(phrase) for phrase in PHRASES]) == set()
    assert repeated([compact(phrase) for phrase in PHRASES]) == set()
    assert repeated([without_plurals(phrase) for phrase in PHRASES]) == set()


def test_every_phrase_has_two_letters_or_is_a_research_code() -> None:
    for phrase in PHRASES:
        letters, digits = sum(c.isalpha() for c in phrase), sum(c.isdigit() for c in phrase)
        assert letters >= 2 or (letters == 1 and digits >= 3), phrase
        assert phrase == phrase.strip()
        assert split(phrase), phrase


def test_only_antagonists_are_perturbations_of_the_reference_data() -> None:
    others = [row["phrase"] for row in ROWS if row["kind"] != "antagonist"]
    assert {phrase for phrase in others if reference_names().find(compact(phrase))} == set()
    assert {phrase for phrase in others if reference_names().find(without_plurals(phrase))} == set()


def test_a_common_word_counts_only_in_capitals() -> None:
    plain = {phrase for phrase in PHRASES if not needs_capitals(phrase)}
    forms = {phrase: {fold(phrase), singular(fold(phrase)), f"{fold(phrase)}s"} for phrase in plain}
    assert {phrase for phrase in plain if forms[phrase] & common_words()} == set()


def test_every_stimulus_word_is_a_phrase() -> None:
    known = {compact(phrase) for phrase in PHRASES} | {without_plurals(phrase) for phrase in PHRASES}
    assert {word for word in data.words("stimuli") if not {word, singular(word)} & known} == set()


def test_foreign_words_are_not_names() -> None:
    folded = {fold(word) for word in data.words("foreign_words")}
    genes = {symbol.lower() for symbol in data.words("gene_symbols")}
    assert folded & common_words() == set()
    assert folded & {compact(phrase) for phrase in PHRASES} == set()
    assert folded & genes == set()
    assert {word for word in folded if reference_names().find(word)} == set()


def test_foreign_words_are_listed_with_and_without_accents() -> None:
    words = data.words("foreign_words")
    assert {word for word in words if word.isascii()} >= {without_accents(word) for word in words}


def without_accents(word: str) -> str:
    spelled = unicodedata.normalize("NFKD", word.replace("ß", "ss"))
    return "".join(c for c in spelled if not unicodedata.combining(c))


def test_gene_symbols_are_sorted_and_upper_case() -> None:
    lines = (data._FOLDER / "gene_symbols.txt").read_text(encoding="utf-8").splitlines()
    symbols = [line for line in lines if not line.startswith("#")]
    assert symbols == sorted({symbol.upper() for symbol in symbols})
    assert {"CD14", "IFNG", "C1ORF27"} <= set(symbols)
