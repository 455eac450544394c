"""Read the circumstances that a question names and a run does not take into account: dose, time, disease, donors, tissue."""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from shared.catalog.interpretation import CaveatCode
from shared.resolver.context import ContextTerm, TermKind
from shared.resolver.question import Question

_NUMBER = (
    r"(?:\d+(?:[.,]\d+)?(?:\s*(?:-|–|to|bis|and)\s*\d+(?:[.,]\d+)?)?|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|"
    r"twenty|twenty-four|forty-eight|seventy-two|several|few|half an|an|a|zwei|drei|sechs|deux|trois|dos|tres)(?=[\s-]))"
)
_DOSE = re.compile(
    rf"(?<![\w-]){_NUMBER}\s*(?:(?:n|p|u|µ|μ|m|f)?g\s*/\s*(?:m|d|µ|μ)?l|(?:n|p|u|µ|μ|m)g\s*(?:per|pro|par|por)\s*ml|"
    r"(?:n|p|u|µ|μ|m)g\s*/\s*kg|(?:[mk]?i\.?)?u(?:nits?)?\s*/\s*(?:ml|day|kg)|[mk]?iu|units?(?:\s*per\s*ml)?|(?:n|p|u|µ|μ|m|f)m|(?:n|u|µ|μ|m)g|"
    r"nanomolar|micromolar|millimolar|picomolar|(?:nano|micro|milli|pico)grams?(?:\s*(?:/|per)\s*(?:ml|millilit(?:er|re)))?|%|x\s*ec50|"
    r"fold dilution)(?![\w/])"
    r"|\b(?:low|high|lower|higher|increasing|escalating|small|large|saturating|suboptimal|sub-optimal|physiological|pharmacological|"
    r"therapeutic|different|various|varying|single|minimal|maximal|graded|double|half)[ -](?:doses?|dosages?|concentrations?|dosing)\b"
    r"|\bdos(?:e|age)[ -]?(?:depend\w*|respons\w*|escalation|titration)\b|\bdos[ie]s(?:abhängig| ?elev\w+)\b|\b(?:ec|ic)50\b"
    r"|\b(?:small|tiny|trace|large|low|high|minute) amounts?\b"
    r"|\b(?:twice|half) the dose\b|\b(?:niedrig|hoh|gering)\w* (?:dosis|dosen|konzentration\w*)\b"
    r"|\b(?:faibles?|fortes?) (?:doses?|concentrations?)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    rf"(?<![\w-]){_NUMBER}[\s-]*(?:hours?|hrs?|h|minutes?|mins?|days?|weeks?|wks?|months?|stunden?|std|tage?n?|heures?|jours?|semaines?|"
    r"horas?|d[ií]as?|semanas?|ore|giorni|d)(?:\s*(?:post|p\.?\s*[it])\b\.?)?(?![\w/])"
    r"|\b(?:day|days|hour|week|tag|jour|d[ií]a)\s\d+\b|\bovernight\b|\bover time\b|\b(?:kinetics|timecourse)\b"
    r"|\btime[ -]?(?:course|points?|dependent|series|kinetics)\w*\b|\b(?:long|short)[ -]term\b"
    r"|\b(?:early|late|immediate|initial)(?:\s(?:and|or|versus|vs\.?)\s(?:early|late))?\s(?:time|phase|response|hours)\w*\b"
    r"|\b(?:prolonged|sustained|transient|repeated|chronic|acute|brief|continuous)(?:ly)?\s(?:\S{1,20}\s){0,2}"
    r"(?:exposure|stimulation|treatment|signaling|signalling|administration|dosing)\b"
    r"|\b(?:chronically|acutely|transiently|repeatedly|briefly)\s(?:treated|exposed|stimulated)\b"
    r"|\b(?:minutes|hours|days|weeks)\s(?:of|after|later|following)\b|\bwithin\s(?:minutes|hours|days)\b"
    r"|\b(?:the|next|following)\s(?:next\s)?(?:morning|evening|day)\b|\b(?:hour|day|week|month|year)s?-long\b"
    r"|\b(?:chronic|prolonged|sustained|continuous|repeated)(?=\s(?:il|ifn|tnf|tgf|interleukin|interferon|cytokine))"
    r"|\bhow\s(?:long|quickly|fast|soon)\b|\b(?:ir)?reversib\w+\b"
    r"|\b(?:über nacht|toute la nuit)\b",
    re.IGNORECASE,
)
_AGE = re.compile(
    r"\b\d{1,3}[\s-]*(?:-?year|yr|jahr)s?(?:[\s-]*olds?)?\b|\b\d{2}\s*(?:y/o|yo)\b"
    r"|\b(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[- ]\w{3,5})?[- ]year[- ]olds?\b"
    r"|\b(?:aged|over|under|above|below|older than|younger than)\s\d{1,3}\b(?!\s*(?:%|h|n|u|m))",
    re.IGNORECASE,
)
_PROCESS = (
    r"(?:glycolysis|autophagy|mitophagy|respiration|metabolism|oxphos|oxidative phosphorylation|translation|transcription|apoptosis|"
    r"phagocytosis|endocytosis|secretion|proteasomes?|lysosomes?|mitochondria|ribosomes?|splicing|proteolysis|lipolysis)"
)
# Where the cells are, or what does not work in them: the atlases do not say.
_SETTING = re.compile(
    r"\bin vivo\b|\bin (?:the|a living) (?:body|organism)\b|(?<![\w-])\d+\s*(?:°\s*C?|degrees?)(?!\w)(?:\s(?:celsius|c)\b)?"
    rf"|\b(?:with|having) (?:impaired|defective|reduced|compromised|deficient|dysfunctional|altered|increased|poor) {_PROCESS}\b"
    rf"|\b(?:when|if|once|while|after) (?:their |the )?{_PROCESS} (?:is|was|are|were|gets|has been) "
    r"(?:shut|turned|switched|blocked|impaired|inhibited|disabled|defective|lost|compromised|off|reduced)\b(?: (?:down|off))?",
    re.IGNORECASE,
)
# What may stand between two parts of one circumstance: "lupus patients", "patients with lupus".
_LINK = re.compile(r"\s*-?\s*|\s+(?:with|of|suffering from|mit|avec|con)\s+")
_HEALTHY = frozenset({"healthy", "normal", "control"})
_CODES = {
    TermKind.SPECIES: CaveatCode.SPECIES,
    TermKind.DISEASE: CaveatCode.DISEASE,
    TermKind.DONOR_ATTRIBUTE: CaveatCode.DONOR_ATTRIBUTE,
    TermKind.TISSUE: CaveatCode.TISSUE,
}
_CONTRASTED = frozenset({"not", "unlike", "rather", "than", "non", "without", "instead", "no"})
# "I know this from mouse papers" is not about mice.
_LITERATURE = frozenset({"paper", "papers", "literature", "study", "studies", "work", "data", "experiments"})


class Circumstance(NamedTuple):
    """A circumstance that the question names."""

    code: CaveatCode
    start: int  # position of its first character
    end: int


def find_circumstances(question: Question, terms: Sequence[ContextTerm], names: Collection[int]) -> list[Circumstance]:
    """Return the doses, times, diseases, donors, tissues and species that a question names, in order.

    Args:
        names: indexes of the words of cell types and perturbations.
    """
    words = question.words
    named = [(words[index].start, words[index].end) for index in names]
    found = [*_ages(question)]
    ages = [(each.start, each.end) for each in found]
    for code, pattern in (
        (CaveatCode.DOSE, _DOSE),
        (CaveatCode.TIME, _TIME),
        (CaveatCode.UNKNOWN_WORDS, _SETTING),
    ):
        for match in pattern.finditer(question.text):
            # "chronic IFN-beta exposure" holds a name; a match that only touches one is part of it.
            touched = [span for span in [*named, *ages] if span[0] < match.end() and match.start() < span[1]]
            if all(match.start() < start and end < match.end() for start, end in touched):
                found.append(Circumstance(code, *match.span()))
    for term in terms:
        kind = _CODES.get(term.kind)
        if kind and not _is_contrasted(question, term) and not _is_age(words[term.start].start, ages):
            found.append(Circumstance(kind, words[term.start].start, words[term.end - 1].end))
    return _joined(question, sorted(found, key=lambda each: each.start))


def _joined(question: Question, found: Sequence[Circumstance]) -> list[Circumstance]:
    """Join neighbors of one kind ("lupus patients"), and drop the plain word for patients beside a disease."""
    joined: list[Circumstance] = []
    for each in found:
        last = joined[-1] if joined else None
        if last and last.code is each.code and _LINK.fullmatch(question.text[last.end : each.start]):
            joined[-1] = last._replace(end=max(last.end, each.end))
        else:
            joined.append(each)
    return joined


def _ages(question: Question) -> Iterator[Circumstance]:
    for match in _AGE.finditer(question.text):
        yield Circumstance(CaveatCode.DONOR_ATTRIBUTE, *match.span())


def _is_age(start: int, ages: Sequence[tuple[int, int]]) -> bool:
    return any(first <= start < last for first, last in ages)


def _is_contrasted(question: Question, term: ContextTerm) -> bool:
    """Return whether the question sets itself apart from the term: "human, not mouse", "healthy donors"."""
    before = [word.key for word in question.words[max(0, term.start - 2) : term.start]]
    if before[-1:] and before[-1] in {"plain", "good", "same"} and term.kind is TermKind.DONOR_ATTRIBUTE:
        return True
    after = [word.key for word in question.words[term.end : term.end + 1]]
    if term.kind is TermKind.SPECIES and after and after[0] in _LITERATURE:
        return True
    if term.kind is TermKind.SPECIES:
        keys = [word.key for word in question.words]
        is_human = any(
            key.startswith("human") and keys[max(0, place - 1) : place] != ["no"] for place, key in enumerate(keys)
        )
        return is_human and bool(_CONTRASTED & set(before)) and "or" not in before
    return bool(_CONTRASTED & set(before)) or bool(_HEALTHY & set(before) and term.kind is TermKind.DISEASE)
