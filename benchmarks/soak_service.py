"""The local service for a soak, in pieces that can be hurt one by one: the functions are a process of their own, and so is Firestore.

Batch, Cloud Storage, Pub/Sub and the scheduler are the local service's stand-ins, in this process; they outlive the functions, as
Google's do.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

from benchmarks.soak_job import write_image
from benchmarks.soak_store import FirestoreStore, SqliteStore, Store
from local import processes
from local.batch.server import BatchStandIn
from local.events import PATH as RECONCILE_PATH
from local.events import Events
from local.gateway import OIDC_KEYS_PATH
from local.key_set import KeySet
from local.oidc import TokenIssuer
from local.processes import Child, free_port
from local.service import BUCKET, PROJECT, REGION, ROOT, TOPIC
from local.storage.server import StorageServer

READY_SECONDS: Final = 60.0
INHERITED: Final = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")


class Functions:
    """The functions behind the gateway, in one process at a time, always on the same port.

    Args:
        port: where.
        env: their settings.
        folder: for their logs and the keys' file.
        keys: public keys of the local tokens, as a set of JSON web keys.
    """

    def __init__(self, port: int, env: Mapping[str, str], folder: Path, keys: KeySet) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._env = env
        self._folder = folder
        self._keys_file = folder / "oidc-keys.json"
        self._keys_file.write_text(json.dumps(keys))
        self._child: Child | None = None
        self.lives = 0

    @property
    def pid(self) -> int | None:
        """The process that serves now, if one does."""
        return self._child.pid if self._child is not None and self._child.running else None

    async def start(self) -> None:
        """Start a process and wait until it is ready, its store included.

        Raises:
            RuntimeError: it ended, or was not ready in time; with the end of its output.
        """
        self.lives += 1
        command = [sys.executable, "-m", "benchmarks.soak_gateway", str(self._port), str(self._keys_file)]
        log = self._folder / f"functions-{self.lives}.log"
        self._child = await processes.start(command, log=log, env=self._env, cwd=ROOT)
        deadline = time.monotonic() + READY_SECONDS
        async with httpx.AsyncClient(base_url=self.url, timeout=5.0, trust_env=False) as client:
            while self._child.running and time.monotonic() < deadline:
                try:
                    if (await client.get("/api/v1/health/ready")).is_success:
                        return
                except httpx.TransportError:
                    pass  # not listening yet
                await asyncio.sleep(0.05)
        raise RuntimeError(f"the functions did not get ready:\n{self._child.tail(20)}")

    async def stop(self) -> int:
        """End the process as a new revision does: SIGTERM, and time for the answers under way. Gives its exit code."""
        return await self._child.stop() if self._child is not None else 0

    async def kill(self) -> None:
        """End the process now, whatever it is doing."""
        assert self._child is not None
        os.killpg(self._child.pid, signal.SIGKILL)
        await self._child.wait()


class SoakedService:
    """The running service.

    Args:
        functions: the functions.
        store: their store.
        batch_host: where the Batch stand-in listens.
    """

    def __init__(self, functions: Functions, store: Store, batch_host: str) -> None:
        self.functions = functions
        self.store = store
        self.batch_host = batch_host

    async def restart_functions(self) -> int:
        """Stop the functions by SIGTERM and start them anew; gives the exit code of those that ended."""
        code = await self.functions.stop()
        await self.functions.start()
        return code

    async def kill_store(self, seconds: float) -> None:
        """Kill the store, and have it back after so many seconds; one that lives in the functions dies and returns with them."""
        if self.store.outlives_gateway:
            await self.store.kill(seconds)
        else:
            await self.functions.kill()
            await self.functions.start()


@asynccontextmanager
async def running(kind: str, folder: Path) -> AsyncIterator[SoakedService]:
    """Run the service on `firestore` or `sqlite`, with all its data below a folder; when the block is left, nothing of it runs."""
    async with AsyncExitStack() as stack:
        store: Store = FirestoreStore(folder) if kind == "firestore" else SqliteStore(folder)
        stack.push_async_callback(store.stop)
        store_env = await store.start()
        storage = StorageServer(data_dir=folder / "storage", bucket=BUCKET)
        stack.push_async_callback(storage.stop)
        storage_url = await storage.start()
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        issuer = TokenIssuer(storage.key)
        events = Events(url, issuer)
        stack.push_async_callback(events.stop)
        shared_env = {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "PROJECT": PROJECT,
            "REGION": REGION,
            "RESULTS_BUCKET": BUCKET,
            "ATLAS_DIR": str(folder / "atlases"),
            "STORAGE_EMULATOR_HOST": storage_url,
            "NO_PROXY": "127.0.0.1,localhost",
            "PYTHONPATH": str(ROOT),
            **store_env,
        }
        batch = BatchStandIn(
            log_dir=folder / "jobs",
            job_env=shared_env,
            cwd=write_image(folder / "image"),
            on_notification=events.publish,
        )
        stack.push_async_callback(batch.stop)
        batch_host = f"127.0.0.1:{await batch.start()}"
        functions_env = {
            **shared_env,
            "ENVIRONMENT": "development",
            "BATCH_EMULATOR_HOST": batch_host,
            "JOB_IMAGE": "haystack/soak",
            "JOB_TOPIC": TOPIC,
            "SIGNING_KEY_FILE": str(storage.key_file),
            "RECONCILE_AUDIENCE": url + RECONCILE_PATH,
            "RECONCILE_CALLER": storage.key.email,
            "OIDC_KEYS_URL": url + OIDC_KEYS_PATH,
        }
        functions = Functions(port, functions_env, folder, issuer.key_set())
        stack.push_async_callback(functions.stop)
        await functions.start()
        events.start()
        yield SoakedService(functions, store, batch_host)
