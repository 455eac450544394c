"""Child processes that end with this one: each in its own session, stopped by process group, killed by the kernel if this process dies."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from local import launcher

GRACE_SECONDS: Final = 5.0


class Child:
    """A child process, from `start`."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        """The process id, which is also the id of the process group."""
        return self._process.pid

    def tail(self, lines: int = 10) -> str:
        """Return the last lines of the output, for an error message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def wait(self) -> int:
        """Wait until it ends by itself and return the exit code, 128 + signal as in Docker. Its children may still run: `kill` them."""
        code = await self._process.wait()
        return code if code >= 0 else 128 - code

    async def stop(self, grace_seconds: float = GRACE_SECONDS) -> int:
        """Send SIGTERM to its group, SIGKILL after the grace time, and return the exit code like `wait`."""
        self._signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self.wait(), grace_seconds)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            return await self.wait()
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill the process group, including what a process that ended left behind."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return  # the whole group has ended


async def start(
    command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Child:
    """Start a child process in its own session, so that signals for this process group do not reach it.

    Args:
        command: program and arguments.
        log: the file for its output, overwritten.
        env: its whole environment; None: this process's.
        cwd: its working directory; None: this process's.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
    return Child(process, log)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
