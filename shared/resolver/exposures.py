"""Match the dose and the time that a question names with those that an atlas measured, and say which of several answers."""

from collections.abc import Iterable
from typing import NamedTuple

from shared.catalog.entries import ConditionEntry, DatasetEntry
from shared.catalog.exposure import have_order, parse_dose, parse_time, strength
from shared.catalog.interpretation import Caveat, CaveatCode
from shared.catalog.plans import QueryPlan, atlases_with
from shared.catalog.schemas import MatchedTerm
from shared.catalog.view import CatalogView, default_name
from shared.resolver import caveats
from shared.resolver.circumstances import Circumstance
from shared.resolver.question import Question

_HIGH, _LOW = "high dose", "low dose"


class AskedExposure(NamedTuple):
    """The doses and times that a question names: the form that is shown (None if it is no amount), by the text of the question."""

    doses: dict[str, str | None]
    times: dict[str, str | None]

    @property
    def dose(self) -> str | None:
        """The dose that the question asks about, if it names just one."""
        return _only(self.doses)

    @property
    def time(self) -> str | None:
        """The time that the question asks about, if it names just one."""
        return _only(self.times)


class SettledExposure(NamedTuple):
    """What answers a question of the doses and times of an atlas."""

    term: MatchedTerm  # the perturbation, with the dose and time that answer if the atlas has several
    notes: list[Caveat]
    answered: frozenset[str]  # texts of the question that are taken into account, or that a note is about


def asked_exposure(question: Question, circumstances: Iterable[Circumstance]) -> AskedExposure:
    """Return the doses and times that a question names."""
    asked = AskedExposure({}, {})
    for each in circumstances:
        text = question.text[each.start : each.end]
        if each.code is CaveatCode.DOSE:
            asked.doses[text] = parse_dose(text)
        elif each.code is CaveatCode.TIME:
            asked.times[text] = parse_time(text)
    return asked


def with_exposure(term: MatchedTerm, asked: AskedExposure, view: CatalogView) -> MatchedTerm:
    """Return the perturbation in the dose and at the time that the question names, if an ingested atlas has it so."""
    if asked.dose is None and asked.time is None:
        return term
    for entry in atlases_with(view, term.name):
        fitting = [each for each in _variants(entry, term.name) if _fits(each, asked)]
        if not fitting and asked.dose in {_HIGH, _LOW} and (variants := _variants(entry, term.name)):
            choose = max if asked.dose == _HIGH else min
            amount = choose(strength(each.dose, None) for each in variants)
            fitting = [each for each in variants if strength(each.dose, None) == amount]
        if fitting:
            best = max(fitting, key=lambda each: strength(each.dose, each.time))
            return term.model_copy(update={"name": best.perturbation})
    return term


def settle(term: MatchedTerm, asked: AskedExposure, plan: QueryPlan | None) -> SettledExposure:
    """Return which dose and time of the atlas of a plan answer, with a note unless the question names just these."""
    if plan is None or plan.related:
        return SettledExposure(term, [], frozenset())
    entry = plan.dataset
    name = default_name(entry, term.name)
    condition = entry.counts.conditions[name][0]
    variants = _variants(entry, condition.agent or name)
    settled = term.model_copy(update={"name": name})
    notes: list[Caveat] = []
    answered: set[str] = set()
    kinds = (
        (CaveatCode.DOSE, asked.doses, condition.dose, [each.dose for each in variants]),
        (CaveatCode.TIME, asked.times, condition.time, [each.time for each in variants]),
    )
    for code, texts, used, measured in kinds:
        others = sorted({each for each in measured if each}, key=lambda each: _order(code, each))
        if used is None:
            continue
        for text, amount in texts.items():
            is_extreme = (
                amount in {_HIGH, _LOW} and used == (others[-1] if amount == _HIGH else others[0]) if others else False
            )
            if amount != used and not is_extreme:
                notes.append(caveats.other_exposure(code, text, settled.name, used, others))
            answered.add(text)
        if not texts and len(others) > 1:
            notes.append(caveats.default_exposure(code, settled.name, used, others, have_order=have_order(others)))
    return SettledExposure(settled, notes, frozenset(answered))


def _variants(entry: DatasetEntry, agent: str) -> list[ConditionEntry]:
    """Return a condition of a dataset for each dose and time of a perturbation; none if it has only one."""
    return [entry.counts.conditions[name][0] for name in entry.counts.names_by_agent.get(agent, ())]


def _fits(condition: ConditionEntry, asked: AskedExposure) -> bool:
    return asked.dose in {None, condition.dose} and asked.time in {None, condition.time}


def _order(code: CaveatCode, text: str) -> tuple[float, float]:
    return strength(text, None) if code is CaveatCode.DOSE else strength(None, text)


def _only(amounts: dict[str, str | None]) -> str | None:
    known = {amount for amount in amounts.values() if amount}
    return next(iter(known)) if len(known) == 1 and len(amounts) == 1 else None
