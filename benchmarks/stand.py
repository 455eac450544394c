"""What the measured services stand on: the functions' own requirements in a fresh environment, and stand-ins for the cloud.

Functions are staged as they are deployed and started as Google's buildpack starts them, in production's settings: every request carries
an assertion that IAP's stand-in signed. The Firestore emulator asks for no credentials and no TLS, of the peers as little as of the
functions.
"""

import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import made_runs
from benchmarks.server import Command
from deploy import staging
from local import firestore_emulator
from local.batch.server import BatchStandIn
from local.firestore_emulator import FirestoreEmulator
from local.gateway import OIDC_KEYS_PATH, Gateway
from local.serving import serving
from local.storage.signing_key import SigningKey
from shared.auth.identity import ASSERTION_HEADER, EMAIL_HEADER
from shared.routes import FUNCTIONS, RUNTIME
from shared.runs.records import Run
from shared.stores.firestore import FirestoreCatalog, FirestoreRunStore
from shared.stores.firestore_client import FirestoreDatabase
from tests.support.catalogs import small_pbmc
from tests.support.iap import AUDIENCE, IapStandIn

ROOT: Final = Path(__file__).resolve().parent.parent
PEERS: Final = ROOT / "benchmarks" / "peers"
PROJECT: Final = "benchmark"
OWNER: Final = "ada@example.com"
HELLO: Final = "hello world"
ASYNCHRONOUS_HELLO: Final = "asynchronous hello world"
PEER: Final = "FastAPI peer"
PEER_PACKAGES: Final = ("fastapi",)
"""What the peer needs beside the functions' requirements."""


@dataclass(frozen=True)
class Stand:
    """A place to measure.

    Attributes:
        scratch: a folder that is removed afterwards.
        store: the runs that the services see.
        environment: what every service finds in its environment.
        iap: who signs assertions.
    """

    scratch: Path
    store: FirestoreRunStore
    environment: Mapping[str, str]
    iap: IapStandIn

    @property
    def log(self) -> Path:
        """Where the services write."""
        return self.scratch / "services.log"

    def function(self, name: str) -> Command:
        """A function, as Google's buildpack starts it."""
        return self._framework(name, self.scratch / name, {**self.environment, **RUNTIME})

    def hello(self) -> Command:
        """The least that the framework can serve."""
        return self._framework(HELLO, self.scratch / "hello", {"PATH": os.defpath})

    def asynchronous_hello(self) -> Command:
        """The least that the framework can serve as it serves the functions."""
        environment = {"PATH": os.defpath, **RUNTIME}
        return self._framework(ASYNCHRONOUS_HELLO, self.scratch / "asynchronous_hello", environment)

    def peer(self) -> Command:
        """The FastAPI service, as its documentation starts it in a container."""
        arguments = ("uvicorn", "fastapi_service:app", "--host", "127.0.0.1", "--port", "{port}")
        return Command(PEER, self._program(*arguments), self.scratch / "peer", self.environment)

    def loops(self) -> Command:
        """Firestore's own client, which is told on its input what to do again and again."""
        return Command(
            "loops", self._program("python", str(PEERS / "firestore_loops.py")), self.scratch, self.environment
        )

    def headers(self, user: str = OWNER) -> dict[str, str]:
        """Who asks: signed for the functions, as a plain header for the peer."""
        return {ASSERTION_HEADER: self.iap.assertion(user).decode(), EMAIL_HEADER: user}

    async def keep(self, run: Run, *, owner: str = OWNER, number: int = 0) -> Run:
        """Keep a run of this owner, with an id of its own."""
        made = made_runs.belonging(run, owner, number, random.SystemRandom())
        await self.store.create(made)
        return made

    def _framework(self, name: str, folder: Path, environment: Mapping[str, str]) -> Command:
        target = {"FUNCTION_TARGET": "handle", "HOST": "127.0.0.1"}
        return Command(name, self._program("functions-framework"), folder, {**environment, **target})

    def _program(self, name: str, *arguments: str) -> Sequence[str]:
        return (str(self.scratch / "environment" / "bin" / name), *arguments)


@asynccontextmanager
async def standing() -> AsyncIterator[Stand]:
    """Make everything ready; it is gone when the block is left.

    Raises:
        RuntimeError: the Firestore emulator is not installed or does not start.
    """
    found = firestore_emulator.find()
    if isinstance(found, str):
        raise RuntimeError(f"The benchmarks need the Firestore emulator: {found}.")
    with tempfile.TemporaryDirectory(prefix="haystack_benchmarks_") as folder:
        scratch = Path(folder)
        await asyncio.to_thread(_install, scratch)
        emulator = FirestoreEmulator(found, scratch / "emulator.log")
        batch = BatchStandIn(log_dir=scratch / "jobs", job_env={}, cwd=scratch, max_parallel=0)
        key = SigningKey.generate()
        key.write(scratch / "key.json")
        iap = IapStandIn(Gateway({}))
        try:
            host, batch_port = await emulator.start(), await batch.start()
            async with serving(Gateway(iap.key_set())) as keys:
                database = FirestoreDatabase(PROJECT, "(default)", host)
                await FirestoreCatalog(database).put(small_pbmc())
                environment = {
                    "PATH": os.defpath,
                    "PROJECT": PROJECT,
                    "REGION": "europe-west4",
                    "RESULTS_BUCKET": "results",
                    "JOB_IMAGE": "haystack/orchestrator",
                    "MAX_ACTIVE_RUNS": "1000000",
                    "IAP_AUDIENCE": AUDIENCE,
                    "IAP_KEYS_URL": f"{keys}{OIDC_KEYS_PATH}",
                    "FIRESTORE_EMULATOR_HOST": host,
                    "BATCH_EMULATOR_HOST": f"127.0.0.1:{batch_port}",
                    "STORAGE_EMULATOR_HOST": "http://127.0.0.1:9",  # signing asks nobody
                    "SIGNING_KEY_FILE": str(scratch / "key.json"),
                }
                yield Stand(scratch, FirestoreRunStore(database), environment, iap)
                await database.close()
        finally:
            await batch.stop()
            await emulator.stop()


def _install(scratch: Path) -> None:
    """The environment, and what runs in it, all with bytecode, as in an image that is built once and started often."""
    uv = (sys.executable, "-m", "uv")
    python = scratch / "environment" / "bin" / "python"
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(scratch / "environment")], check=True)
    pinned = ["--requirement", "requirements.txt", "--constraint", "requirements-dev.txt", *PEER_PACKAGES]
    install = [*uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *pinned]
    subprocess.run(install, cwd=ROOT, check=True)
    for name in FUNCTIONS:
        staging.stage(name, scratch)
    for hello in ("hello", "asynchronous_hello"):
        (scratch / hello).mkdir()
        shutil.copyfile(PEERS / f"{hello}.py", scratch / hello / "main.py")
    shutil.copytree(scratch / "status" / "shared", scratch / "peer" / "shared")
    shutil.copyfile(PEERS / "fastapi_service.py", scratch / "peer" / "fastapi_service.py")
    folders = [str(scratch / name) for name in (*FUNCTIONS, "hello", "asynchronous_hello", "peer")]
    subprocess.run([str(python), "-m", "compileall", "-q", *folders], check=True)
