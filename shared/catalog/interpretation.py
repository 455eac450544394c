"""How a question was read: what it asks about, which cells answer it, and what was not taken into account.

One value that validation, the run's record and status, the result, the log, the AnnData file and the report all show.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field

from shared.fields import Model

# An interpretation is stored in its run's document and sent with every poll, so it stays small whatever the question says.
MAX_CAVEATS: Final = 30
MAX_GENES: Final = 20
MAX_EXCERPT: Final = 200
MAX_DETAIL: Final = 600


def _shortened(text: object, limit: int) -> object:
    return f"{text[: limit - 1]}…" if isinstance(text, str) and len(text) > limit else text


Excerpt = Annotated[str, BeforeValidator(lambda text: _shortened(text, MAX_EXCERPT))]
Detail = Annotated[str, BeforeValidator(lambda text: _shortened(text, MAX_DETAIL))]


class CaveatCode(StrEnum):
    """Stable name of a caveat."""

    INHIBITION = "inhibition"
    KNOCKOUT = "knockout"
    KNOCKDOWN = "knockdown"
    OVEREXPRESSION = "overexpression"
    ABSENCE = "absence"
    COMBINATION = "combination"
    SPECIES = "species"
    AMBIGUOUS_PERTURBATION = "ambiguous_perturbation"
    UNKNOWN_PERTURBATION = "unknown_perturbation"
    UNAVAILABLE_CELL_TYPE = "unavailable_cell_type"
    NO_PERTURBATION = "no_perturbation"
    NO_CELL_TYPE = "no_cell_type"
    SECOND_CELL_TYPE = "second_cell_type"
    PRETREATMENT = "pretreatment"
    DOSE = "dose"
    TIME = "time"
    DISEASE = "disease"
    DONOR_ATTRIBUTE = "donor_attribute"
    TISSUE = "tissue"
    RELATED_PERTURBATION = "related_perturbation"
    STAND_IN_CELL_TYPE = "stand_in_cell_type"
    MIXTURE_OF_CELL_TYPES = "mixture_of_cell_types"
    CONFOUNDED = "confounded"
    FEW_CELLS = "few_cells"
    UNKNOWN_WORDS = "unknown_words"
    SEMI_SYNTHETIC = "semi_synthetic"

    @property
    def blocking(self) -> bool:
        """Whether a question with this caveat cannot be answered."""
        return self in BLOCKING

    @property
    def ignored(self) -> bool:
        """Whether the caveat names a part of the question that the answer does not take into account."""
        return self in IGNORED


BLOCKING: Final = frozenset(
    {
        CaveatCode.INHIBITION, CaveatCode.KNOCKOUT, CaveatCode.KNOCKDOWN, CaveatCode.OVEREXPRESSION, CaveatCode.ABSENCE,
        CaveatCode.COMBINATION, CaveatCode.SPECIES, CaveatCode.AMBIGUOUS_PERTURBATION, CaveatCode.UNKNOWN_PERTURBATION,
        CaveatCode.UNAVAILABLE_CELL_TYPE, CaveatCode.NO_PERTURBATION, CaveatCode.NO_CELL_TYPE,
    }
)  # fmt: skip
IGNORED: Final = frozenset(
    {
        CaveatCode.SECOND_CELL_TYPE, CaveatCode.PRETREATMENT, CaveatCode.DOSE, CaveatCode.TIME, CaveatCode.DISEASE,
        CaveatCode.DONOR_ATTRIBUTE, CaveatCode.TISSUE, CaveatCode.UNKNOWN_WORDS,
    }
)  # fmt: skip


class Relation(StrEnum):
    """How the cells that are used relate to the cell type that the question names."""

    EXACT = "exact"
    SUBTYPE = "subtype"
    SUPERTYPE = "supertype"
    RELATED = "related"


class Evidence(StrEnum):
    """What the atlas has measured of the perturbation."""

    MEASURED_IN_CELL_TYPE = "measured_in_cell_type"
    MEASURED_IN_OTHER_CELL_TYPES = "measured_in_other_cell_types"
    RELATED_PERTURBATION = "related_perturbation"


class Direction(StrEnum):
    """The change of a gene that a question asks about."""

    UP = "up"
    DOWN = "down"
    ANY = "any"
    UNCHANGED = "unchanged"  # "Does IFN-beta fail to induce ISG15?", "Does IFN-gamma leave STAT1 unchanged?"


class Caveat(Model):
    """Something that narrows the answer, or that makes an answer impossible."""

    code: CaveatCode = Field(description="Stable name of the caveat.")
    text: Excerpt = Field(
        description="Part of the question concerned, as written; empty if it concerns the whole question."
    )
    detail: Detail = Field(description="What it means for the answer, in a sentence.")
    blocking: bool = Field(description="Whether the question cannot be answered because of it.")


class UsedCells(Model):
    """The cells of the atlas that stand for the cell type of the question."""

    label: str = Field(description="Label in the atlas.")
    name: str = Field(description="Cell Ontology label; the label in the atlas if there is no term.")
    cell_ontology_id: str | None = Field(description="Cell Ontology term; null if there is none.")
    relation: Relation = Field(description="`exact`, `subtype`, `supertype` or `related`, seen from the question.")
    distance: int = Field(description="Number of is_a steps in the Cell Ontology between the two; 0 if exact.")
    cells: int = Field(description="Number of control cells.")


class InterpretedCellType(Model):
    """The cell type that a question names, and the cells that are used for it."""

    name: str = Field(description="Cell Ontology label, or the label in the atlas.")
    cell_ontology_id: str | None = Field(description="Cell Ontology term; null if there is none.")
    matched_text: Excerpt = Field(description="Matched part of the question, as written.")
    match: str = Field(description="Kind of match: `exact`, `synonym`, `ontology`, `fuzzy` or `proposed`.")
    used: UsedCells | None = Field(description="Cells that answer the question; null if it cannot be answered.")


class InterpretedPerturbation(Model):
    """The perturbation that a question names, and what the atlas has measured of it."""

    name: str = Field(description="Catalog name.")
    kind: str = Field(description="Kind of perturbation, such as `cytokine` or `compound`.")
    matched_text: Excerpt = Field(description="Matched part of the question, as written.")
    match: str = Field(description="Kind of match: `exact`, `synonym`, `related`, `fuzzy` or `proposed`.")
    evidence: Evidence | None = Field(description="What the atlas has measured of it; null if it cannot be answered.")
    used: str | None = Field(
        description="Catalog name of the perturbation that answers the question: another one if `evidence` is "
        "`related_perturbation`; null if it cannot be answered."
    )


class AskedGene(Model):
    """A gene whose change the question asks about."""

    symbol: str = Field(description="Gene symbol.")
    direction: Direction = Field(description="Change that the question asks about: `up`, `down`, `any` or `unchanged`.")


def _most_important(caveats: list[Caveat]) -> list[Caveat]:
    # A question of 2000 characters can name more doses and times than anybody reads; what blocks it stays.
    if len(caveats) <= MAX_CAVEATS:
        return caveats
    return sorted(caveats, key=lambda caveat: not caveat.blocking)[:MAX_CAVEATS]


class Interpretation(Model):
    """How a question was read, and what was not taken into account."""

    answerable: bool = Field(description="Whether the question can be answered.")
    dataset: str | None = Field(description="Atlas that answers the question; null if it cannot be answered.")
    cell_type: InterpretedCellType | None = Field(description="Cell type; null if the question names none.")
    perturbation: InterpretedPerturbation | None = Field(description="Perturbation; null if the question names none.")
    genes: Annotated[list[AskedGene], AfterValidator(lambda genes: genes[:MAX_GENES])] = Field(
        [], description="Genes that the question asks about; empty if it asks about all."
    )
    caveats: Annotated[list[Caveat], AfterValidator(_most_important)] = Field(
        description="What was not understood, not available or not taken into account."
    )

    @property
    def reasons(self) -> list[str]:
        """Why the question cannot be answered, a sentence each."""
        return [caveat.detail for caveat in self.caveats if caveat.blocking]

    def has(self, code: CaveatCode) -> bool:
        """Return whether there is a caveat of this code."""
        return any(caveat.code is code for caveat in self.caveats)


class ReadQuestion(NamedTuple):
    """How a question is read, and similar questions that can be answered if it cannot be."""

    interpretation: Interpretation
    suggestions: Sequence[str] = ()
