"""Cloud Storage for the local service, whole: the key, fake-gcs-server, and the gateway that clients and signed URLs go to."""

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import httpx

from local.serving import listening, serving_on
from local.storage.fake_gcs import FakeGcs
from local.storage.gateway import storage_gateway
from local.storage.signing_key import SigningKey

KEY_FILE: Final = "signing-key.json"
LOG_FILE: Final = "fake-gcs-server.log"
BUCKETS: Final = "buckets"


class StorageServer:
    """A Cloud Storage on 127.0.0.1.

    Point the service's settings at it: `storage_emulator_host` is what `start` gives, `signing_key_file` is `key_file`.

    Args:
        data_dir: where objects, log and key file are kept; None: objects in memory, the rest in a temporary folder.
        bucket: the bucket that is there from the start.
        port: where to listen; 0: any free port.
        key: the signing account's key; a fresh one unless given.
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
        """The service-account file to sign URLs with; there while the server runs."""
        if self._key_file is None:
            raise RuntimeError("the storage server is not running")
        return self._key_file

    async def start(self) -> str:
        """Start everything and give the URL for clients.

        Raises:
            OSError: the port is taken.
            RuntimeError: fake-gcs-server does not start.
        """
        async with AsyncExitStack() as stack:
            folder = (self._data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory()))).resolve()
            folder.mkdir(parents=True, exist_ok=True)
            listener, url = stack.enter_context(listening(self._port))
            buckets = None if self._data_dir is None else folder / BUCKETS
            fake = FakeGcs(public_url=url, data_dir=buckets, log=folder / LOG_FILE)
            stack.push_async_callback(fake.stop)
            upstream = await fake.start()
            await _create_bucket(upstream, self._bucket)
            gateway = storage_gateway(upstream=upstream, keys={self.key.email: self.key.public_key})
            await stack.enter_async_context(serving_on(listener, gateway))
            self._key_file = folder / KEY_FILE
            stack.callback(self._forget_key)
            self.key.write(self._key_file)
            self._running = stack.pop_all()
        return url

    async def stop(self) -> None:
        """Stop everything; nothing is left running, and the key is gone."""
        await self._running.aclose()

    def _forget_key(self) -> None:
        if self._key_file is not None:
            self._key_file.unlink(missing_ok=True)
            self._key_file = None


async def _create_bucket(upstream: str, bucket: str) -> None:
    async with httpx.AsyncClient(base_url=upstream, trust_env=False) as client:
        answer = await client.post("/storage/v1/b", params={"project": "local"}, json={"name": bucket})
    if answer.status_code != httpx.codes.CONFLICT:  # kept from an earlier start
        answer.raise_for_status()
