"""The caveats of an interpretation, each with the sentence that a user reads."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from shared.catalog.entries import CellTypeEntry
from shared.catalog.interpretation import Caveat, CaveatCode, Relation, UsedCells
from shared.catalog.plans import MIN_GROUP_CELLS, MIN_QUERY_CELLS, RelatedPerturbation
from shared.catalog.schemas import MatchedTerm

_MANIPULATIONS: Final = MappingProxyType(
    {
        CaveatCode.INHIBITION: "The question is about inhibition ({text}). A run predicts what adding a perturbation does.",
        CaveatCode.KNOCKOUT: "The question is about cells with a missing or changed gene ({text}), which no ingested atlas contains.",
        CaveatCode.KNOCKDOWN: "The question is about a knockdown ({text}), which no ingested atlas contains.",
        CaveatCode.OVEREXPRESSION: "The question is about overexpression ({text}), which no ingested atlas contains.",
        CaveatCode.ABSENCE: "The question is about cells without a perturbation ({text}). A run predicts what adding one does.",
        CaveatCode.SPECIES: "The question is about another species ({text}); the ingested atlases contain human cells.",
    }
)
_IGNORED: Final = MappingProxyType(
    {
        CaveatCode.DOSE: "The dose ({text}) is not taken into account: the answer is for the dose of the atlas.",
        CaveatCode.TIME: "The time ({text}) is not taken into account: the answer is for the time of the atlas.",
        CaveatCode.DISEASE: "The disease ({text}) is not taken into account: the answer is for the donors of the atlas.",
        CaveatCode.DONOR_ATTRIBUTE: "The donors ({text}) are not taken into account: the answer is for the donors of the atlas.",
        CaveatCode.TISSUE: "The tissue ({text}) is not taken into account: the answer is for the cells of the atlas.",
        CaveatCode.PRETREATMENT: "The earlier treatment ({text}) is not taken into account: the answer is for cells without it.",
        CaveatCode.UNKNOWN_WORDS: "“{text}” was not understood and is not taken into account.",
    }
)


def caveat(code: CaveatCode, text: str, detail: str) -> Caveat:
    """Return a caveat; its code says whether it blocks."""
    return Caveat(code=code, text=text, detail=detail, blocking=code.blocking)


def about_text(code: CaveatCode, text: str) -> Caveat:
    """Return the caveat for a part of the question whose code says everything."""
    return caveat(code, text, (_MANIPULATIONS.get(code) or _IGNORED[code]).format(text=text))


def needed(text: str) -> Caveat:
    """Return the caveat of a question that asks whether cells need a gene."""
    detail = f"Whether a gene is needed ({text}) shows only in cells without it, which no ingested atlas contains."
    return caveat(CaveatCode.KNOCKOUT, text, detail)


def no_cell_type(unrecognized: Sequence[str]) -> Caveat:
    """Return the caveat of a question that names no known cell type."""
    missing = f" Not recognized: {', '.join(unrecognized)}." if unrecognized else ""
    return caveat(CaveatCode.NO_CELL_TYPE, "", f"The question names no known cell type.{missing}")


def no_perturbation() -> Caveat:
    """Return the caveat of a question that names no perturbation."""
    return caveat(CaveatCode.NO_PERTURBATION, "", "The question names no perturbation.")


def unknown_perturbation(text: str, *, known: bool = False, name: str = "") -> Caveat:
    """Return the caveat for a treatment that no atlas has.

    Args:
        known: whether the catalog knows it, so that an operator could ingest a dataset with it.
        name: its name in the catalog, if the question uses another.
    """
    called = f"{text} ({name})" if name else text
    if known:
        detail = f"No ingested atlas has cells treated with {called}, although the catalog knows it."
    else:
        detail = f"The question names {called}, which no ingested atlas contains."
    return caveat(CaveatCode.UNKNOWN_PERTURBATION, text, detail)


def ambiguous_perturbation(text: str, names: Sequence[str]) -> Caveat:
    """Return the caveat for a name of several perturbations."""
    return caveat(
        CaveatCode.AMBIGUOUS_PERTURBATION, text, f"“{text}” may mean {_listed(names, 'or')}. Name one of them."
    )


def group(text: str) -> Caveat:
    """Return the caveat for a word that names a group of perturbations."""
    return caveat(CaveatCode.AMBIGUOUS_PERTURBATION, text, f"“{text}” names many perturbations. Name one of them.")


def alternatives(text: str, names: Sequence[str]) -> Caveat:
    """Return the caveat for perturbations that the question compares."""
    detail = f"The question asks about {_listed(names, 'and')}. A run answers for one perturbation; ask one question for each."
    return caveat(CaveatCode.AMBIGUOUS_PERTURBATION, text, detail)


def combination(text: str, names: Sequence[str], together: str | None = None) -> Caveat:
    """Return the caveat for perturbations that act together.

    Args:
        together: the condition of an atlas that has all of them, if the question compares it with something else than controls.
    """
    if together:
        detail = f"A run compares cells with controls, not with cells under {names[0]}. Ask how the cells respond to {together}."
        return caveat(CaveatCode.COMBINATION, text, detail)
    detail = f"The question combines {_listed(names, 'and')}. No atlas has cells treated with all of them: ask about one at a time."
    return caveat(CaveatCode.COMBINATION, text, detail)


def unavailable_cell_type(term: MatchedTerm, perturbation: str | None, nearest: Sequence[str]) -> Caveat:
    """Return the caveat for a cell type that nothing in the atlases may stand for."""
    under = f" with {perturbation}" if perturbation else ""
    near = f" The nearest available types are {_listed(nearest, 'and')}." if nearest else ""
    lack = f"No ingested atlas{under} has at least {MIN_QUERY_CELLS} control cells of {term.name}"
    detail = f"{lack}, of a subtype, or of a close supertype.{near}"
    return caveat(CaveatCode.UNAVAILABLE_CELL_TYPE, term.matched_text, detail)


def too_few_perturbed(term: MatchedTerm, dataset: str) -> Caveat:
    """Return the caveat for a perturbation with too few cells in every atlas."""
    detail = f"{dataset} has fewer than {MIN_GROUP_CELLS} cells of one donor under {term.name}, which is too few for a prediction."
    return caveat(CaveatCode.UNKNOWN_PERTURBATION, term.matched_text, detail)


def second_cell_type(text: str, answered: str) -> Caveat:
    """Return the caveat for another cell type that the question names."""
    detail = f"The answer is for {answered} only; ask another question for {text}."
    return caveat(CaveatCode.SECOND_CELL_TYPE, text, detail)


def default_exposure(code: CaveatCode, name: str, used: str, measured: Sequence[str], *, have_order: bool) -> Caveat:
    """Return the caveat for a question that names no dose or time of a perturbation that was measured in several.

    Args:
        have_order: whether the measured ones can be compared.
    """
    kind, most = ("dose", "highest") if code is CaveatCode.DOSE else ("time", "latest")
    of_all = f"{used} is the {most} of the measured {kind}s {_listed(measured, 'and')}"
    if not have_order:
        listed = _listed(measured, "and")
        of_all = f"the measured {kind}s are {listed}, and it is not known which of them is the {most}. Name one in the question"
    detail = f"The question names no {kind}. The answer is for {name}: {of_all}."
    return caveat(code, "", detail)


def other_exposure(code: CaveatCode, text: str, name: str, used: str, measured: Sequence[str]) -> Caveat:
    """Return the caveat for a dose or time that the atlas did not measure."""
    kind = "dose" if code is CaveatCode.DOSE else "time"
    more = f" Measured {kind}s: {_listed(measured, 'and')}." if len(measured) > 1 else ""
    detail = f"The {kind} ({text}) is not taken into account: the answer is for {name}, measured at {used}.{more}"
    return caveat(code, text, detail)


def cell_state(text: str, name: str) -> Caveat:
    """Return the caveat for a state of the cells that the atlas does not distinguish."""
    return caveat(
        CaveatCode.UNKNOWN_WORDS,
        text,
        f"The atlas has no {text} cells; “{text}” is not taken into account, the answer is for {name}.",
    )


def subset(text: str, name: str) -> Caveat:
    """Return the caveat for cells that the question tells from others of their type by a marker."""
    detail = f"“{text}” names some of the cells, which is not taken into account: the answer is for {name}."
    return caveat(CaveatCode.UNKNOWN_WORDS, text, detail)


def setting(text: str) -> Caveat:
    """Return the caveat for where cells are: in vivo, or at a temperature."""
    detail = f"The setting ({text}) is not taken into account: the answer is for the setting of the atlas."
    return caveat(CaveatCode.UNKNOWN_WORDS, text, detail)


def other_outcome(text: str, name: str) -> Caveat:
    """Return the caveat for an outcome that is not gene expression."""
    return caveat(CaveatCode.UNKNOWN_WORDS, text, f"The answer is about gene expression, not about {name}.")


def not_asked(text: str) -> Caveat:
    """Return the caveat for a perturbation that the question names beside the one that it asks about."""
    return caveat(
        CaveatCode.UNKNOWN_WORDS, text, f"{text} is not taken into account: the answer is for one perturbation."
    )


def absent_cells(text: str) -> Caveat:
    """Return the caveat for other cells that the question says are missing."""
    detail = (
        f"That other cells are missing ({text}) is not taken into account: the answer is for the cells of the atlas."
    )
    return caveat(CaveatCode.SECOND_CELL_TYPE, text, detail)


def mixture(text: str, used: UsedCells) -> Caveat:
    """Return the caveat for a name of many cell types."""
    detail = f"“{text}” names a mixture of cell types. The answer is for {cells(used)}, the most frequent of them in the atlas."
    return caveat(CaveatCode.MIXTURE_OF_CELL_TYPES, text, detail)


def stand_in(term: MatchedTerm, used: UsedCells, others: Sequence[str]) -> Caveat:
    """Return the caveat for cells that stand for the cell type of the question.

    Args:
        others: labels of further subtypes in the atlas, which a run does not answer for.
    """
    relation = "a supertype" if used.relation is Relation.SUPERTYPE else "a subtype"
    more = f" Other subtypes in the atlas: {', '.join(others)}." if others and used.relation is Relation.SUBTYPE else ""
    detail = (
        f"The atlas has too few cells labeled {term.name}. The answer is for {cells(used)}, {relation} of it.{more}"
    )
    return caveat(CaveatCode.STAND_IN_CELL_TYPE, term.matched_text, detail)


def related(term: MatchedTerm, used: RelatedPerturbation) -> Caveat:
    """Return the caveat for a perturbation that is inferred from another one."""
    source = f"{used.name}, which shares {used.shared}"
    detail = f"No ingested atlas has {term.name}. The answer is inferred from {source}: treat it as a hypothesis."
    return caveat(CaveatCode.RELATED_PERTURBATION, term.matched_text, detail)


def variant(term: MatchedTerm) -> Caveat:
    """Return the caveat for a close variant of a perturbation of the catalog."""
    detail = f"The catalog has no {term.matched_text}. The answer is for {term.name}, which signals through the same receptors."
    return caveat(CaveatCode.RELATED_PERTURBATION, term.matched_text, detail)


def one_of_family(term: MatchedTerm) -> Caveat:
    """Return the caveat for a family name of which the atlases have one member."""
    others = [name for name in term.candidates if name != term.name]
    detail = f"{term.matched_text} may also mean {_listed(others, 'or')}. The answer is for {term.name}, the one that the atlases contain."
    return caveat(CaveatCode.RELATED_PERTURBATION, term.matched_text, detail)


def confounded(perturbation: str, columns: Sequence[str]) -> Caveat:
    """Return the caveat for cells that differ from their controls in a batch, too."""
    detail = (
        f"In the atlas, cells under {perturbation} and their controls differ in {_listed(columns, 'and')}, too: a response cannot be told "
        "from this difference."
    )
    return caveat(CaveatCode.CONFOUNDED, "", detail)


def few_cells(used: UsedCells, perturbation: str, perturbed: int) -> Caveat:
    """Return the caveat for small numbers of cells."""
    numbers = f"{used.cells} control cells of {used.label} and {perturbed} under {perturbation}"
    detail = f"The atlas has {numbers}: estimates from so few cells vary a lot."
    return caveat(CaveatCode.FEW_CELLS, "", detail)


def semi_synthetic(dataset: str) -> Caveat:
    """Return the caveat for an atlas with simulated cells."""
    detail = f"The perturbed cells of {dataset} are simulated: the answer shows how the service works, not biology."
    return caveat(CaveatCode.SEMI_SYNTHETIC, "", detail)


def cells(used: UsedCells) -> str:
    """Return the cells that are used, in words: "MDC (mononuclear phagocyte)"."""
    return used.label if used.label == used.name else f"{used.label} ({used.name})"


def name_of(entry: CellTypeEntry) -> str:
    """Return a cell type of an atlas in words: "MDC (mononuclear phagocyte)"."""
    term = entry.cell_ontology_label
    return entry.label if term in {None, entry.label} else f"{entry.label} ({term})"


def _listed(names: Sequence[str], last: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"
