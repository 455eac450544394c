"""Runs gcloud: reads as JSON, changes one by one. In a dry run it prints the changes and makes none.

A failing command stops the deployment with its own words, save what is known to pass by itself: an API that has just been enabled, an
account that has just been made.
"""

import json
import os
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

ALREADY_EXISTS: Final = re.compile(r"\bALREADY_EXISTS\b|\balready exists\b")
NOT_FOUND: Final = re.compile(
    r"\bNOT_FOUND\b|\bnot found\b|Cannot find service|HTTPError 404|could not be found|\b404\b"
)
API_DISABLED: Final = re.compile(r"\bSERVICE_DISABLED\b|has not been used in project|is not enabled")
PASSING: Final = re.compile(
    API_DISABLED.pattern + r"|[Ss]ervice account \S+ does not exist|concurrent policy changes|\bis not ready\b"
)
ATTEMPTS: Final = 7
WORKERS: Final = 4


@dataclass(frozen=True)
class Secret:
    """What a command reads from its standard input and nobody is to see.

    Attributes:
        value: the secret itself.
        shell: the shell command that would make another, for a dry run.
    """

    value: str
    shell: str


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str


class CommandFailed(Exception):
    """A command did not do what it was to do; the message has the command and what it said."""


def execute(command: Sequence[str], stdin: str) -> Answer:
    """Run a command, never asking anything."""
    done = subprocess.run(
        command,
        input=stdin,
        text=True,
        capture_output=True,
        check=False,
        env={**os.environ, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1", "NO_COLOR": "1"},
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def shell(command: Sequence[str]) -> str:
    """The command as a line for a shell, where `$(...)` in an argument is left for the shell to fill in."""
    words = []
    for word in command:
        if "$(" in word:
            words.append('"' + word.replace('"', '\\"') + '"')
        else:
            words.append(shlex.quote(word))
    return " ".join(words)


class Gcloud:
    """gcloud in one project.

    Args:
        project: the project of every command.
        dry_run: print the commands that would change something.
        blind: read nothing, as if the project were empty; for a dry run without access.
        run: how a command is run.
        wait: how to wait some seconds.
    """

    def __init__(
        self,
        project: str,
        *,
        dry_run: bool = False,
        blind: bool = False,
        run: Callable[[Sequence[str], str], Answer] = execute,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.dry_run = dry_run
        self.blind = blind
        self.changes = 0
        self._project = project
        self._execute = run
        self._wait = wait
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(WORKERS)  # however many steps wait, no more than this run

    def items(self, *args: str) -> list[dict[str, Any]]:
        """What a list command gives; nothing where the API is not enabled yet in a dry run.

        Raises:
            CommandFailed: it failed.
        """
        found = self._read(args)
        return [] if found is None else list(found)

    def find(self, *args: str) -> dict[str, Any] | None:
        """What a describe command gives, or None where there is no such thing.

        Raises:
            CommandFailed: it failed for another reason.
        """
        found: dict[str, Any] | None = self._read(args, absent=NOT_FOUND)
        return found

    def change(self, *args: str, exists_ok: bool = False, secret: Secret | None = None) -> None:
        """Run a command that changes something; in a dry run, print it.

        Args:
            args: the words after `gcloud`.
            exists_ok: that it is there already is no failure.
            secret: what the command reads from its standard input.

        Raises:
            CommandFailed: it failed.
        """
        command = self._command(args)
        line = shell(command) if secret is None else f"{secret.shell} | {shell(command)}"
        with self._lock:
            self.changes += 1
            print(line if self.dry_run else f"+ {line}", flush=True)
        if self.dry_run:
            return
        answer = self._try(command, "" if secret is None else secret.value)
        if answer.code and not (exists_ok and ALREADY_EXISTS.search(answer.stderr)):
            raise _failure(command, answer)

    def note(self, text: str) -> None:
        """Say something between the commands, as a comment."""
        with self._lock:
            print("\n".join(f"# {line}" for line in text.splitlines()), flush=True)

    def together(self, *steps: Callable[[], object]) -> None:
        """Take steps that do not wait for each other side by side; in a dry run one after the other, to print in order.

        Raises:
            CommandFailed: the first failure, once every step has come to its end.
        """
        with ThreadPoolExecutor(1 if self.dry_run else WORKERS) as pool:
            for done in [pool.submit(step) for step in steps]:
                done.result()

    def _read(self, args: Sequence[str], absent: re.Pattern[str] | None = None) -> Any:  # noqa: ANN401  # JSON
        if self.blind:
            return None
        command = self._command((*args, "--format=json"))
        answer = self._run(command, "") if self.dry_run else self._try(command, "")
        if answer.code == 0:
            return json.loads(answer.stdout or "null")
        if self.dry_run and API_DISABLED.search(answer.stderr):
            return None
        if absent is not None and absent.search(answer.stderr) and not API_DISABLED.search(answer.stderr):
            return None
        raise _failure(command, answer)

    def _try(self, command: Sequence[str], stdin: str) -> Answer:
        for attempt in range(1, ATTEMPTS):
            answer = self._run(command, stdin)
            if answer.code == 0 or not PASSING.search(answer.stderr):
                return answer
            self._wait(5.0 * attempt)
        return self._run(command, stdin)

    def _run(self, command: Sequence[str], stdin: str) -> Answer:
        with self._slots:
            return self._execute(command, stdin)

    def _command(self, args: Sequence[str]) -> list[str]:
        return ["gcloud", *args, f"--project={self._project}", "--quiet"]


def _failure(command: Sequence[str], answer: Answer) -> CommandFailed:
    return CommandFailed(f"{shell(command)}\nexit code {answer.code}: {answer.stderr.strip()}")
