"""What a question was taken for, and how that is told to a person."""

from typing import NamedTuple

from shared.validation_models import MatchedTerm


class Resolution(NamedTuple):
    """What a question was taken for.

    Attributes:
        cell_type: the cell type, or None.
        perturbation: the perturbation, or None.
        observational: the question asks of cells as they are: it names a cell type and neither a perturbation nor anything in the
            place of one.
        recognised: pieces of the question that mean something here, as written.
        unrecognised: words that might name something and do not here, as written.
    """

    cell_type: MatchedTerm | None
    perturbation: MatchedTerm | None
    observational: bool
    recognised: tuple[str, ...]
    unrecognised: tuple[str, ...]

    @property
    def explanation(self) -> str:
        """Sentences for a person: what was recognised as what, and what was not."""
        roles = ((self.cell_type, "cell type"), (self.perturbation, "perturbation"))
        taken = [_told(term, role) for term, role in roles if term]
        if taken:
            missing = [f"No {role} was recognised." for term, role in roles if term is None]
            sentences = [f"Recognised: {'; '.join(taken)}.", *missing]
        else:
            sentences = ["Neither a cell type nor a perturbation was recognised."]
        if self.unrecognised:
            sentences.append(f"Not recognised: {', '.join(self.unrecognised)}.")
        return " ".join(sentences)


def _told(term: MatchedTerm, role: str) -> str:
    known_as = f"{term.name} ({term.cell_ontology_id})" if term.cell_ontology_id else term.name
    return f'"{term.matched_text}" as the {role} {known_as}'
