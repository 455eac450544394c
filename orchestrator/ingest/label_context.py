"""What a condition label means beside the other labels of its column: a replicate, or a combination of what others name alone."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from shared.catalog.entries import ConditionEntry
from shared.resolver.controls import is_control
from shared.resolver.labels import COMBINATION, OTHER, condition_entry, reference_name

_NUMBERED: Final = re.compile(
    r"(?P<stem>.*[^\W\d_].*?)[\s_.\-]+(?:rep(?:licate)?[\s_.\-]?)?(?P<number>\d{1,2})", re.IGNORECASE
)
_JOIN: Final = re.compile(r"[\s_\-/,;.]+")


def in_context(
    entries: Mapping[str, ConditionEntry], controls: Iterable[str]
) -> tuple[dict[str, ConditionEntry], list[str]]:
    """Return the perturbed conditions of a column as its other labels explain them, and notes about that.

    Args:
        entries: what each label means alone.
        controls: labels of the control conditions.
    """
    replicates = _replicates(entries, controls)
    found = {**entries, **replicates}
    alone = {
        (each.agent or each.perturbation or label).casefold(): each.perturbation or label
        for label, each in found.items()
        if each.kind != COMBINATION and not _JOIN.search(label)
    }
    combinations = {
        label: entry.model_copy(update={"perturbation": " + ".join(names), "kind": COMBINATION, "members": names})
        for label, entry in found.items()
        if entry.kind == OTHER and (names := _members(entry.perturbation or label, alone))
    }
    notes = []
    if replicates:
        stems = sorted({each.perturbation or label for label, each in replicates.items()})
        notes.append(
            f"The numbers in the labels of {', '.join(stems)} are taken as replicates, as in the controls; their cells are pooled."
        )
    notes += [f"{label} is taken as {each.perturbation}." for label, each in combinations.items()]
    return {**found, **combinations}, notes


def _replicates(entries: Mapping[str, ConditionEntry], controls: Iterable[str]) -> dict[str, ConditionEntry]:
    """Return conditions whose numbers the controls have too: IFNb_1 and IFNb_2 beside PBS_1 and PBS_2."""
    of_controls = _numbers(controls)
    shared = max(of_controls.values(), key=len, default=frozenset[str]())
    found: dict[str, ConditionEntry] = {}
    for stem, numbers in _numbers(entries).items():
        entry = condition_entry(stem)
        if len(numbers) > 1 and numbers <= shared and not entry.is_control:
            for label in entries:
                if (match := _NUMBERED.fullmatch(label)) and match["stem"] == stem:
                    found[label] = entry.model_copy(update={"label": label, "perturbation": entry.perturbation or stem})
    return found


def _numbers(labels: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the numbers of labels by what stands before the number."""
    found: dict[str, frozenset[str]] = {}
    for label in labels:
        if match := _NUMBERED.fullmatch(label):
            found[match["stem"]] = found.get(match["stem"], frozenset()) | {match["number"]}
    return found


def _members(text: str, alone: Mapping[str, str]) -> list[str]:
    """Return the names of both parts of a label, of which one is a label of its own and the other is one too or is known; else nothing."""
    for match in _JOIN.finditer(text):
        parts = text[: match.start()], text[match.end() :]
        names = [alone.get(part.casefold()) or reference_name(part) for part in parts]
        is_sibling = any(part.casefold() in alone for part in parts)
        if is_sibling and all(names) and not any(map(is_control, parts)) and _differ(names):
            return sorted(filter(None, names), key=lambda name: (name.casefold(), name))
    return []


def _differ(names: Collection[str | None]) -> bool:
    return len(set(names)) == len(names)
