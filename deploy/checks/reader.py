"""Read the state of a project with gcloud, for checks: each command once, and without retries.

Unlike a deployment, a check goes on after a refusal. So each reason for which gcloud returns nothing has its own error.
"""

import json
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from deploy.gcloud import NOT_FOUND, Answer, Resource, execute, last_segment, shell
from deploy.retries import API_DISABLED

LOGGED_OUT: Final = re.compile(
    r"do not currently have an active account|refreshing (?:your )?(?:current )?auth tokens|[Rr]eauthentication|"
    r"gcloud auth login|invalid authentication credentials|UNAUTHENTICATED|invalid_grant"
)
REFUSED: Final = re.compile(
    r"PERMISSION_DENIED|\bHTTPError 403\b|does not have permission|Required '|[Pp]ermission '|\b403\b"
)
PERMISSION: Final = re.compile(r"\b[a-z]+\.[A-Za-z]+\.[a-z]+[A-Za-z]*\b(?!\.)")
# The command that gcloud names in an error, which looks like a permission.
COMMAND: Final = re.compile(r"\(gcloud\.[^)]*\)")
API: Final = re.compile(r"\b(?!type\b)([a-z]+)\.googleapis\.com\b")


class Unreadable(Exception):
    """gcloud failed for a reason that has no name here; the message is its first line."""


class NotAllowed(Unreadable):
    """The person may not read this.

    Attributes:
        permission: the missing permission; empty if gcloud does not name it.
    """

    def __init__(self, permission: str) -> None:
        super().__init__(permission)
        self.permission = permission


class ApiDisabled(Unreadable):
    """The API is not enabled in the project.

    Attributes:
        api: its short name, such as `compute`; empty if gcloud does not name it.
    """

    def __init__(self, api: str) -> None:
        super().__init__(api)
        self.api = api


class LoggedOut(Unreadable):
    """Nobody is logged in to gcloud, or the login has expired."""


class Reader:
    """Read a project.

    Args:
        project: project of every command that names no other.
        run: function that runs a command.
    """

    def __init__(self, project: str, *, run: Callable[[Sequence[str], str], Answer] = execute) -> None:
        self.project = project
        self._run = run
        self._locks: dict[tuple[str, ...], threading.Lock] = {}
        self._answers: dict[tuple[str, ...], Answer] = {}
        self._lock = threading.Lock()

    def find(self, command: str, *args: str) -> Resource | None:
        """Return the result of a describe command, or None if the resource does not exist.

        Raises:
            Unreadable: or one of its kinds.
        """
        found: Resource | None = self._read(command, args)
        return found

    def items(self, command: str, *args: str) -> list[Any]:
        """Return the result of a list command.

        Raises:
            Unreadable: or one of its kinds.
        """
        return list(self._read(command, args) or [])

    def by_name(self, command: str, *args: str) -> dict[str, Resource]:
        """Return the result of a list command by the last segment of each name; see `items`."""
        named = (((item if "name" in item else item["metadata"])["name"], item) for item in self.items(command, *args))
        return {last_segment(name): item for name, item in named}

    def say(self, command: str, *args: str) -> str:
        """Return the output of a command as text.

        Raises:
            Unreadable: or one of its kinds.
        """
        answer = self._answer((*command.split(), *args, *self._where(args)))
        if answer.code:
            raise _reason(answer.stderr)
        return answer.stdout.strip()

    def _read(self, command: str, args: Sequence[str]) -> Any:  # noqa: ANN401  # JSON
        answer = self._answer((*command.split(), *args, "--format=json", *self._where(args)))
        if answer.code == 0:
            return json.loads(answer.stdout or "null")
        error = _reason(answer.stderr)
        if type(error) is Unreadable and NOT_FOUND.search(answer.stderr):
            return None
        raise error

    def _where(self, args: Sequence[str]) -> tuple[str, ...]:
        elsewhere = any(each.startswith("--project=") for each in args)
        return ("--quiet",) if elsewhere else (f"--project={self.project}", "--quiet")

    def _answer(self, words: tuple[str, ...]) -> Answer:
        """Run a command, or return its answer if it ran before."""
        with self._lock:
            lock = self._locks.setdefault(words, threading.Lock())
        with lock:
            if words not in self._answers:
                self._answers[words] = self._run(["gcloud", *words], "")
            return self._answers[words]


def _reason(stderr: str) -> Unreadable:
    """Return why gcloud failed."""
    if API_DISABLED.search(stderr):
        named = API.search(stderr)
        return ApiDisabled(named[1] if named else "")
    if LOGGED_OUT.search(stderr):
        return LoggedOut("You are not logged in to gcloud, or your login has expired.")
    if REFUSED.search(stderr):
        named = PERMISSION.search(COMMAND.sub("", stderr))
        return NotAllowed(named[0] if named else "")
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return Unreadable(
        next((line for line in lines if line.startswith("ERROR")), lines[0] if lines else "gcloud failed")
    )


def command(*words: str) -> str:
    """Return a gcloud command for people to copy."""
    return shell(["gcloud", *words])
