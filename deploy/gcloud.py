"""Run gcloud: read state as JSON and apply changes one command at a time. A dry run prints the changes instead.

A failing command stops the deployment with its error output. Errors that are known to be transient are retried: see
`deploy/retries.py`.
"""

import json
import os
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from deploy.retries import API_DISABLED, WAITING, Retries, advice

ALREADY_EXISTS: Final = re.compile(r"\bALREADY_EXISTS\b|\balready exists\b")
NOT_FOUND: Final = re.compile(
    r"\bNOT_FOUND\b|\bnot found\b|Cannot find service|HTTPError 404|could not be found|\b404\b"
)
WORKERS: Final = 4
FLAGS_ON_STDIN: Final = "--flags-file=-"
# The full URL of a resource; the wanted state often names a resource from `projects/` on.
RESOURCE_URL: Final = re.compile(r"^https?://[^/]+/.*?(projects/.+)$")

Resource = dict[str, Any]


@dataclass(frozen=True)
class Secret:
    """A value that a command reads from standard input and that is never printed.

    Attributes:
        value: the standard input.
        shell: shell command that generates such a value, shown in a dry run.
        hidden: the secret part of the value; empty means all of it.
    """

    value: str = field(repr=False)
    shell: str
    hidden: str = field(default="", repr=False)

    def hide(self, text: str) -> str:
        """Return a text without the secret, for the output of a command that may quote it."""
        return text.replace(self.hidden or self.value, "[secret]")


@dataclass(frozen=True)
class Answer:
    """The exit code and the output of a command."""

    code: int
    stdout: str
    stderr: str


class CommandFailed(Exception):
    """A command failed; the message has the command and its error output."""


def execute(command: Sequence[str], stdin: str) -> Answer:
    """Run a command without prompts."""
    environment = {**os.environ, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1", "NO_COLOR": "1"}
    if FLAGS_ON_STDIN in command:
        environment["CLOUDSDK_CORE_DISABLE_FILE_LOGGING"] = "1"  # gcloud writes all flags to its log
        environment["CLOUDSDK_CORE_LOG_HTTP"] = "0"
    done = subprocess.run(
        command,
        input=stdin,
        text=True,
        capture_output=True,
        check=False,
        env=environment,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def shell(command: Sequence[str]) -> str:
    """Quote a command for a shell; `$(...)` in an argument is left for the shell to expand."""
    words = ('"' + word.replace('"', '\\"') + '"' if "$(" in word else shlex.quote(word) for word in command)
    return " ".join(words)


def lookup(command: str, *args: str) -> str:
    """Return a shell expression that runs gcloud, for a value that a dry run does not know yet."""
    return f"$({shell(['gcloud', *command.split(), *args])})"


def covers(actual: object, wanted: object) -> bool:
    """Return whether the actual state has everything that is wanted; fields that the cloud adds are ignored.

    Mappings are compared by the wanted keys, sequences item by item, and resource URLs from `projects/` on.
    """
    if isinstance(wanted, Mapping):
        return isinstance(actual, Mapping) and all(covers(actual.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, str) and isinstance(actual, str):
        return RESOURCE_URL.sub(r"\1", actual) == RESOURCE_URL.sub(r"\1", wanted)
    if isinstance(wanted, list | tuple) and isinstance(actual, list | tuple):
        return len(actual) == len(wanted) and all(covers(one, other) for one, other in zip(actual, wanted, strict=True))
    return actual == wanted


def last_segment(name: object) -> str:
    """Return the last segment of a resource name or URL."""
    return str(name).rpartition("/")[2]


class Gcloud:
    """Run gcloud commands in one project.

    A command is its words (`run services list`), followed by its arguments.

    Args:
        project: project of every command.
        dry_run: print the commands that would change something.
        blind: read nothing, as if the project were empty; for a dry run without access.
        disabled_is_empty: an API that is not enabled has no resources; otherwise, it has just been enabled and is repeated.
        run: function that runs a command.
        wait: function that waits some seconds.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self,
        project: str,
        *,
        dry_run: bool = False,
        blind: bool = False,
        disabled_is_empty: bool = False,
        run: Callable[[Sequence[str], str], Answer] = execute,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dry_run = dry_run
        self.blind = blind
        self._disabled_is_empty = disabled_is_empty or dry_run
        self.changes = 0
        self._project = project
        self._execute = run
        self._wait = wait
        self._clock = clock
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(WORKERS)  # limits commands, however many steps wait

    def items(self, command: str, *args: str) -> list[Resource]:
        """Return the result of a list command; in a dry run, an empty list if the API is not enabled.

        Raises:
            CommandFailed: if the command failed.
        """
        return list(self._read(command, args) or [])

    def by_name(self, command: str, *args: str) -> dict[str, Resource]:
        """Return the result of a list command by the last segment of each name; see `items`."""
        # Cloud Run lists services in the format of Kubernetes, with the name in the metadata.
        named = (((item if "name" in item else item["metadata"])["name"], item) for item in self.items(command, *args))
        return {last_segment(name): item for name, item in named}

    def find(self, command: str, *args: str) -> Resource | None:
        """Return the result of a describe command, or None if the resource does not exist.

        Raises:
            CommandFailed: if the command failed for another reason.
        """
        found: Resource | None = self._read(command, args, absent=NOT_FOUND)
        return found

    def change(self, command: str, *args: str, exists_ok: bool = False, secret: Secret | None = None) -> None:
        """Run a command that changes something; in a dry run, print it.

        Args:
            command: the words after `gcloud`.
            args: the arguments.
            exists_ok: accept that the resource already exists.
            secret: value that the command reads from standard input.

        Raises:
            CommandFailed: if the command failed.
        """
        words = self._command(command, args)
        line = shell(words) if secret is None else f"{secret.shell} | {shell(words)}"
        with self._lock:
            self.changes += 1
            print(line if self.dry_run else f"+ {line}", flush=True)
        if self.dry_run:
            return
        answer = self._retry(words, secret)
        if answer.code and not (exists_ok and ALREADY_EXISTS.search(answer.stderr)):
            raise _failure(words, answer)

    def secret(self, command: str, *args: str) -> str:
        """Return the output of a command that reads a secret; in a dry run, nothing is read.

        Raises:
            CommandFailed: if the command failed.
        """
        if self.dry_run:
            return ""
        words = self._command(command, args)
        answer = self._retry(words)
        if answer.code:
            raise _failure(words, answer)
        return answer.stdout

    def note(self, text: str) -> None:
        """Print a comment between the commands."""
        with self._lock:
            print("\n".join(f"# {line}" for line in text.splitlines()), flush=True)

    def together(self, *steps: Callable[[], object]) -> None:
        """Run independent steps concurrently; in a dry run one after the other, to keep the output in order.

        Raises:
            CommandFailed: the first failure, after all steps have ended.
        """
        with ThreadPoolExecutor(1 if self.dry_run else WORKERS) as pool:
            for done in [pool.submit(step) for step in steps]:
                done.result()

    def _read(self, command: str, args: Sequence[str], absent: re.Pattern[str] | None = None) -> Any:  # noqa: ANN401  # JSON
        if self.blind:
            return None
        words = self._command(command, (*args, "--format=json"))
        answer = self._run(words) if self._disabled_is_empty else self._retry(words)
        if answer.code == 0:
            return json.loads(answer.stdout or "null")
        disabled = API_DISABLED.search(answer.stderr)
        if (disabled and self._disabled_is_empty) or (absent and absent.search(answer.stderr) and not disabled):
            return None
        raise _failure(words, answer)

    def _retry(self, words: Sequence[str], secret: Secret | None = None) -> Answer:
        retries, failed_at, told = Retries(), 0.0, False
        while (answer := self._run(words, secret)).code:
            failed_at = failed_at or self._clock()
            pause = retries.pause(answer.stderr, self._clock() - failed_at)
            if pause is None:
                break
            if retries.refused and not told:
                told = True
                self.note(f"{WAITING}\n{answer.stderr.strip()}")
            self._wait(pause)
        return answer

    def _run(self, words: Sequence[str], secret: Secret | None = None) -> Answer:
        with self._slots:
            answer = self._execute(words, "" if secret is None else secret.value)
        return answer if secret is None else Answer(answer.code, secret.hide(answer.stdout), secret.hide(answer.stderr))

    def _command(self, command: str, args: Sequence[str]) -> list[str]:
        return ["gcloud", *command.split(), *args, f"--project={self._project}", "--quiet"]


def _failure(words: Sequence[str], answer: Answer) -> CommandFailed:
    text = f"this command failed:\n{shell(words)}\nexit code {answer.code}: {answer.stderr.strip()}"
    found = advice(answer.stderr)
    return CommandFailed(f"{text}\n{found}" if found else text)
