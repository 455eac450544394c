"""Say what a question names and a run does not take into account: circumstances, earlier treatments, other cells, unknown words."""

from collections.abc import Collection, Iterator, Sequence

from shared.catalog.interpretation import Caveat, CaveatCode
from shared.catalog.schemas import MatchedTerm
from shared.resolver import caveats
from shared.resolver.asked_cells import absent_cells, second_cell_types
from shared.resolver.circumstances import Circumstance
from shared.resolver.cues import is_cue
from shared.resolver.genes import asked_genes
from shared.resolver.outcomes import find_outcomes
from shared.resolver.parse import Parsed
from shared.resolver.plain_words import unknown_words
from shared.resolver.states import tied_state
from shared.resolver.subsets import subset


def ignored(
    parsed: Parsed,
    cell_type: MatchedTerm | None,
    own: MatchedTerm | None,
    circumstances: Sequence[Circumstance],
    *,
    answered: Collection[str] = (),
) -> Iterator[Caveat]:
    """Yield what a question names and a run does not take into account, and other species, which block.

    Args:
        cell_type: the cells that it asks about.
        own: the condition of an atlas that is exactly what the question describes, if there is one.
        circumstances: what `find_circumstances` returns.
        answered: texts of doses and times that are taken into account.
    """
    found, causes = parsed.found, parsed.causes
    question = found.question
    yield from (
        caveats.about_text(CaveatCode.PRETREATMENT, question.piece(span.start, span.stop)) for span in causes.earlier
    )
    in_name = own.name.casefold() if own else ""
    for each in circumstances:
        text = question.text[each.start : each.end]
        if text not in answered and (text.casefold() not in in_name or not own):
            is_setting = each.code is CaveatCode.UNKNOWN_WORDS
            yield caveats.setting(text) if is_setting else caveats.about_text(each.code, text)
    if cell_type:
        yield from (caveats.second_cell_type(text, cell_type.matched_text) for text in second_cell_types(parsed))
        yield from (caveats.absent_cells(text) for text in absent_cells(parsed).values())
    read_spans = [
        *(term.span for term in parsed.terms),
        *(agent.span for agent in parsed.agents),
        *(gene.span for gene in parsed.genes),
        *(range(each.start, each.end) for each in parsed.manipulations),
        *causes.earlier,
        subset(parsed),
        tied_state(parsed),
    ]
    known = found.covered.union(*read_spans)
    known |= {
        index
        for index, word in enumerate(question.words)
        if is_cue(word.key) or any(each.start < word.end and word.start < each.end for each in circumstances)
    }
    if cell_type and not found.subjects:
        known |= {index for index, word in enumerate(question.words) if word.text in cell_type.matched_text}
    is_about_genes = bool(parsed.genes or asked_genes(question, parsed.genes, causes))
    outcomes = find_outcomes(question, found.covered.union(*read_spans), asks_genes=is_about_genes)
    yield from (caveats.other_outcome(question.words[each.place].text, each.name) for each in outcomes)
    known |= {each.place for each in outcomes}
    for start, end in unknown_words(question, parsed.plain, known):
        yield caveats.about_text(CaveatCode.UNKNOWN_WORDS, question.piece(start, end))
    for agent in causes.aside:
        text = parsed.piece(agent)
        yield caveats.not_asked(text) if agent.is_known else caveats.about_text(CaveatCode.UNKNOWN_WORDS, text)
