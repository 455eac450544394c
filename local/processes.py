"""Child processes that end with this one: each in its own session, stopped by process group, killed by the kernel if this process dies."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from local import launcher

GRACE_SECONDS: Final = 5.0
START_ATTEMPTS: Final = 3


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


@dataclass(eq=False)
class ServerProcess:
    """A child process that serves HTTP on a free port of 127.0.0.1.

    Attributes:
        command: returns the command for a port.
        ready_path: the path that answers 200 as soon as it serves, within `ready_seconds`.
    """

    name: str
    command: Callable[[int], Sequence[str]]
    ready_path: str
    ready_seconds: float
    log: Path
    _child: Child | None = field(default=None, init=False)

    async def start(self) -> str:
        """Start it, wait until it answers, and return `host:port`.

        Raises:
            RuntimeError: it exits or is not ready in time; the message contains the end of its output.
        """
        for _ in range(START_ATTEMPTS):
            # Another process may take the port before the server binds it; then another port is tried.
            port = free_port()
            self._child = child = await start(self.command(port), log=self.log)
            if await self._ready(port, child):
                return f"127.0.0.1:{port}"
            exited = not child.running
            await child.stop()
            if not exited:
                break
        raise RuntimeError(f"{self.name} did not start:\n{child.tail()}")

    async def stop(self) -> None:
        """Stop it."""
        if self._child is not None:
            await self._child.stop()

    async def ended(self) -> str:
        """Wait until it ends by itself, and return a sentence about that."""
        code = await self._child.wait() if self._child else 0
        return f"{self.name} ended unexpectedly (exit code {code}); its output is in {self.log}"

    async def _ready(self, port: int, child: Child) -> bool:
        deadline = time.monotonic() + self.ready_seconds
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=1.0, trust_env=False) as client:
            while child.running and time.monotonic() < deadline:
                try:
                    if (await client.get(self.ready_path)).is_success:
                        return child.running
                except httpx.TransportError:
                    pass  # not listening yet
                await asyncio.sleep(0.02)
        return False


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
