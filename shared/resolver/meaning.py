"""What a question means: of the names found in it, the cell type and the perturbation that it is about."""

from collections.abc import Sequence

from shared.catalog_view import CatalogView
from shared.controls import control_words
from shared.ontology import cell_ontology
from shared.resolver.context import Part, part_of
from shared.resolver.lexicon import Lexicon, lexicon
from shared.resolver.phrases import Phrase, find_phrases
from shared.resolver.question import Question
from shared.resolver.resolution import Resolution
from shared.resolver.unrecognised import left_over, names_another_cause
from shared.validation_models import MatchedTerm
from shared.wording import Word

_MIXTURES = frozenset({"CL:0000000", "CL:0000738", "CL:0000988", "CL:2000001"})
"""Terms that mean many kinds of cells at once (cell, leukocyte, hematopoietic cell, PBMC): anything else named is meant instead."""
_NOT_THE_CELLS = (
    "receptor",
    "derived",
    "chemoattractant",
    "condition",
    "polarising",
    "polarizing",
    "polarisation",
    "polarization",
    "skewing",
    "secreted",
    "supernatant",
    "engager",
)
_SHAPED = (
    "polarised",
    "polarized",
    "skewed",
    "like",
)  # "Th1-polarised cells" are Th1 cells, "Th1-polarised T cells" too
_COMPANY = ("coculture", "cocultured", "culture", "cultured", "supernatant", "from", "feeder", "like")
_TELL_APART = ("distinguish", "discriminat", "differs", "different", "tell")  # one kind from another
_BESIDE = frozenset({"and", "or", "versus", "vs", "than", "compared", "unlike", "to", "from"})


def resolve(query: str, view: CatalogView) -> Resolution:
    """Find the cell type and the perturbation that a question is about.

    Args:
        query: the question as a person wrote it; any text will do.
        view: the catalog whose names count.
    """
    question = Question.of(query)
    names = lexicon(view)
    controls = _controls(question.words)
    phrases = [phrase for phrase in find_phrases(question, names) if not controls.issuperset(phrase.span)]
    cells = [phrase for phrase in phrases if phrase.is_cell_type]
    parts = {phrase: _part(phrase, question, cells) for phrase in phrases if not phrase.is_cell_type}
    cell_type = _cell_type(cells, question, view)
    perturbation = _perturbation(parts, question, names)
    opposed = {index for phrase, part in parts.items() if part is Part.OPPOSED for index in phrase.span}
    covered = frozenset(controls.union(*(phrase.span for phrase in phrases)))
    unknown = opposed or names_another_cause(question, covered, cells, names)
    return Resolution(
        cell_type=cell_type,
        perturbation=perturbation,
        observational=cell_type is not None and perturbation is None and not unknown,
        recognised=tuple(
            question.piece(phrase.start, phrase.end) for phrase in phrases if parts.get(phrase) is not Part.OPPOSED
        ),
        unrecognised=tuple(dict.fromkeys(left_over(question, covered - opposed, opposed))),
    )


def _part(phrase: Phrase, question: Question, cells: Sequence[Phrase]) -> Part:
    follows = any(cell.start == phrase.end for cell in cells)
    tied = follows and question.gap(phrase.end).strip() in {"", "-"}
    return part_of(question, phrase.start, phrase.end, before_cell_type=tied)


def _controls(words: Sequence[Word]) -> set[int]:
    """Indexes of words that name a control condition."""
    found: set[int] = set()
    keys = [word.key for word in words]
    for index in range(len(keys)):
        found.update(range(index, index + control_words(keys[index : index + 4])))
    return found


def _perturbation(parts: dict[Phrase, Part], question: Question, names: Lexicon) -> MatchedTerm | None:
    causes = [phrase for phrase, part in parts.items() if part > Part.NO_CAUSE]
    if not causes:
        return None
    likeliest = max(parts[phrase] for phrase in causes)
    equals = [phrase for phrase in causes if parts[phrase] == likeliest]
    best = equals[0]
    candidates = list(dict.fromkeys(name for phrase in equals for name in phrase.means))
    return MatchedTerm(
        name=best.means[0],
        matched_text=question.piece(best.start, best.end),
        match=best.match,
        kind=names.perturbations.kind(best.means[0]),
        candidates=candidates if len(candidates) > 1 else [],
    )


def _cell_type(cells: Sequence[Phrase], question: Question, view: CatalogView) -> MatchedTerm | None:
    words = question.words
    meant = [p for p in cells if not _follows(p, words, _NOT_THE_CELLS)]
    meant = [p for p in meant if not _follows(p, words, _SHAPED)] or meant
    meant = [p for p in meant if not _is_company(p, words)] or meant
    meant = [p for p in meant if not _is_put_otherwise(p, meant, question)]
    meant = [p for p in meant if p.means[0] not in _MIXTURES] or meant
    meant = [p for p in meant if not any(_is_wider(p, other, words) for other in meant)]
    if not meant:
        return None
    best = meant[0]
    best_means = sorted(_widest(best.means), key=lambda means: (means not in view.cell_ontology_ids, means))
    candidates = list(dict.fromkeys([*best_means, *(means for phrase in meant for means in _widest(phrase.means))]))
    term = cell_ontology().term(best_means[0])
    known = term is None or term.id in view.cell_ontology_ids
    return MatchedTerm(
        name=term.label if term else best_means[0],
        matched_text=question.piece(best.start, best.end),
        match=best.match if known or best.match == "fuzzy" else "ontology",
        cell_ontology_id=term.id if term else None,
        kind="cell_type",
        candidates=[_label(means) for means in candidates] if len(candidates) > 1 else [],
    )


def _follows(phrase: Phrase, words: Sequence[Word], beginnings: tuple[str, ...]) -> bool:
    return phrase.end < len(words) and words[phrase.end].key.startswith(beginnings)


def _widest(means: Sequence[str]) -> list[str]:
    """Without those that are kinds of another: a name of a cell type and of its human form means the cell type."""
    is_a = cell_ontology().is_a
    return [kind for kind in means if not any(kind != wide and is_a(kind, wide) for wide in means)]


def _is_company(phrase: Phrase, words: Sequence[Word]) -> bool:
    """Whether these are the cells that others were grown with or come from."""
    before = [word.key for word in words[: phrase.start]]
    told_apart = any(key == "differ" or key.startswith(_TELL_APART) for key in before)
    return any(key in _COMPANY and not (key == "from" and told_apart) for key in before[-2:])


def _is_put_otherwise(phrase: Phrase, meant: Sequence[Phrase], question: Question) -> bool:
    """Whether brackets behind or around it hold the same cells by a better name: "helper cells (Th9)", "Tregs (T cells)"."""
    is_a = cell_ontology().is_a
    for other in meant:
        if other.start == phrase.end and question.gap(phrase.end).strip() == "(":
            return not is_a(phrase.means[0], other.means[0])
        if other.end == phrase.start and question.gap(phrase.start).strip() == "(":
            return is_a(other.means[0], phrase.means[0])
    return False


def _is_wider(phrase: Phrase, other: Phrase, words: Sequence[Word]) -> bool:
    """Whether another phrase names a kind of what this one names: "T cells, above all Tregs" asks of Tregs, "T cells or Tregs" of both."""
    wide, narrow = phrase.means[0], other.means[0]
    between = {word.key for word in words[min(phrase.end, other.end) : max(phrase.start, other.start)]}
    return wide != narrow and cell_ontology().is_a(narrow, wide) and _BESIDE.isdisjoint(between)


def _label(means: str) -> str:
    term = cell_ontology().term(means)
    return term.label if term else means
