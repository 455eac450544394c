"""A finding of a check: what is so, and what to do about it."""

from enum import Enum
from typing import NamedTuple


class Level(Enum):
    """How a finding counts; the value is what is printed before it."""

    OK = "ok"
    KNOW = "know"
    FIX = "FIX"
    UNCHECKED = "?"


class Finding(NamedTuple):
    """One finding.

    Attributes:
        level: how it counts.
        text: one or more sentences.
        command: what to run; empty if there is nothing to run.
    """

    level: Level
    text: str
    command: str = ""


def fine(text: str) -> Finding:
    """Return a finding that is as it should be."""
    return Finding(Level.OK, text)


def know(text: str, command: str = "") -> Finding:
    """Return a finding that people should know, and that stops nothing."""
    return Finding(Level.KNOW, text, command)


def fix(text: str, command: str = "") -> Finding:
    """Return a finding that stops the deployment or the service."""
    return Finding(Level.FIX, text, command)


def unchecked(text: str, command: str = "") -> Finding:
    """Return that something could not be checked, and why."""
    return Finding(Level.UNCHECKED, text, command)
