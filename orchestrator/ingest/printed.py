"""What the process of an ingest prints, for its record and for the log of its job."""

import os
import re
import subprocess
import threading
from collections.abc import Callable
from typing import IO, Final

from shared import logs
from shared.logs import Severity

MOST_CHARACTERS: Final = 64_000
_STYLE: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Printed:
    """What the ingest prints: all of it for the record, and its last line as progress.

    Args:
        edit: changes a line before it is shown.
        on_line: receives each line.
    """

    def __init__(self, edit: Callable[[str], str], on_line: Callable[[str], None]) -> None:
        self._edit, self._on_line = edit, on_line
        self._lines: list[str] = []
        self._errors: list[str] = []
        self._lock = threading.Lock()
        self._last = ""

    def read(self, process: "subprocess.Popen[bytes]") -> int:
        """Read both outputs of a process until it ends, and return its exit code."""
        pairs = ((process.stdout, False), (process.stderr, True))
        threads = [
            threading.Thread(target=self._follow, args=(stream, errors), daemon=True) for stream, errors in pairs
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            threads[0].join(0.2)
            threads[1].join(0.2)
            if self._last:
                self._on_line(self._last)
        return process.wait()

    @property
    def text(self) -> str:
        """The end of the output, without lines that replaced each other."""
        return "\n".join(self._lines)[-MOST_CHARACTERS:]

    @property
    def last_message(self) -> str:
        """The last message on standard error: its last line that is not indented, and the lines after it."""
        first = next((place for place in range(len(self._errors) - 1, -1, -1) if self._errors[place][:1].strip()), 0)
        return "\n".join(self._errors[first:])

    def _follow(self, stream: IO[bytes], errors: bool) -> None:
        pending = b""
        while chunk := os.read(stream.fileno(), 65536):
            *ended, pending = re.split(rb"(?<=[\r\n])", pending + chunk)
            for each in ended:
                self._add(each, errors)
        if pending:
            self._add(pending + b"\n", errors)

    def _add(self, raw: bytes, errors: bool) -> None:
        line = self._edit(_STYLE.sub("", raw.decode(errors="replace"))).rstrip()
        with self._lock:
            self._last = line.strip() or self._last
            if raw.endswith(b"\n"):
                self._lines.append(line)
                if errors:
                    self._errors.append(line)
                if line:
                    logs.log(Severity.INFO, "the ingest printed", line=line)
