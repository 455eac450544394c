"""Environment of the measured services: the requirements of the functions in a new virtual environment, and emulators of the cloud.

Functions are staged as they are deployed, and started with the command and the settings of production: each request carries
an assertion signed like IAP's, and the function verifies it. All measured processes, also the hello world and the peer,
import google-auth and its gRPC transport at their start, because in production every function does so for its credentials,
which the Firestore emulator does not require.
"""

import asyncio
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from deploy import staging
from deploy.target import RUNTIME
from local import firestore_emulator
from local.batch.service import BatchEmulator
from local.firestore_emulator import FirestoreEmulator
from local.serving import serving
from local.storage.signing_key import SigningKey
from local.tokens import key_server, key_set
from shared.auth.identity import ASSERTION_HEADER, ISSUER, MAX_LIFETIME
from shared.routes import FUNCTIONS
from shared.runs.records import Run
from shared.stores.firestore import FirestoreCatalog, FirestoreRunStore
from shared.stores.firestore_client import FirestoreDatabase
from tools import ROOT
from tools.benchmarks import runs
from tools.benchmarks.generator import Request
from tools.benchmarks.service import Command, Service, running

PEERS: Final = Path(__file__).parent / "peers"
OWNER: Final = "ada@example.com"
HELLO, PEER = "hello world", "FastAPI peer"
# What the peer needs in addition to the requirements of the functions.
PEER_PACKAGES: Final = ("fastapi",)
GOOGLE_AUTH: Final = "import google.auth, google.auth.transport.grpc\n"
AUDIENCE: Final = "/projects/1234/global/backendServices/5678"
KEY_ID: Final = "benchmark"
SERVED: Final = ("--host", "127.0.0.1", "--port", "{port}")


@dataclass(frozen=True)
class Harness:
    """Commands of the measured services, and the run store that they use.

    Attributes:
        scratch: folder that is removed at the end.
        environment: environment of every service.
        iap_key: signs assertions like Identity-Aware Proxy.
        generator: process that sends the load.
    """

    scratch: Path
    store: FirestoreRunStore
    environment: Mapping[str, str]
    iap_key: ec.EllipticCurvePrivateKey
    generator: Executor

    def headers(self, user: str = OWNER) -> dict[str, str]:
        """Return the headers that identify a user: an assertion for the functions, a plain header for the peer."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "email": user, "iat": now, "exp": now + MAX_LIFETIME}
        assertion = jwt.encode(claims, self.iap_key, algorithm="ES256", headers={"kid": KEY_ID})
        return {ASSERTION_HEADER: assertion, "X-Goog-Authenticated-User-Email": user}

    def function(self, name: str) -> Command:
        """Return the command of a function, as in production; `HELLO` is the smallest function."""
        served = ("functions_framework.aio:app", *SERVED, "--lifespan", "on", "--no-access-log")
        return self._command(name, *served, FUNCTION_SOURCE="main.py", **RUNTIME)

    def peer(self) -> Command:
        """Return the command of the FastAPI service, as its documentation starts it in a container."""
        return self._command(PEER, "fastapi_service:app", *SERVED)

    def running(self, command: Command, first: Request) -> AbstractAsyncContextManager[Service]:
        """Start a service and send the first request; see `service.running`."""
        return running(command, first, self.scratch / "services.log", self.generator)

    async def add(self, run: Run, *, owner: str = OWNER, number: int = 0) -> Run:
        """Store a run with this owner and a new id."""
        made = runs.owned(run, owner, number, random.SystemRandom())
        await self.store.create(made)
        return made

    def _command(self, name: str, *arguments: str, **environment: str) -> Command:
        uvicorn = str(self.scratch / "environment" / "bin" / "uvicorn")
        return Command(name, (uvicorn, *arguments), self.scratch / name, {**self.environment, **environment})


@asynccontextmanager
async def harness() -> AsyncIterator[Harness]:
    """Prepare everything, and remove it on exit.

    Raises:
        RuntimeError: the Firestore emulator is not installed or does not start.
    """
    found = firestore_emulator.find()
    if isinstance(found, str):
        raise RuntimeError(f"The benchmarks need the Firestore emulator: {found}.")
    async with AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="haystack_benchmarks_")))
        await asyncio.to_thread(_install, scratch)
        SigningKey.generate().write(scratch / "key.json")
        emulator = FirestoreEmulator(found, scratch / "emulator.log")
        batch = BatchEmulator(log_dir=scratch / "jobs", job_env={}, cwd=scratch, max_parallel=0)
        stack.push_async_callback(emulator.stop)
        host = await emulator.start()
        stack.push_async_callback(batch.stop)
        batch_port = await batch.start()
        database = FirestoreDatabase("benchmark", "(default)", host)
        stack.push_async_callback(database.close)
        await FirestoreCatalog(database).put(runs.dataset())
        iap_key = ec.generate_private_key(ec.SECP256R1())
        published = key_set({KEY_ID: iap_key.public_key()})
        environment = {
            "PATH": os.defpath,
            "PROJECT": "benchmark",
            "REGION": "europe-west4",
            "RESULTS_BUCKET": "results",
            "JOB_IMAGE": "haystack/orchestrator",
            "MAX_ACTIVE_RUNS": "1000000",
            "IAP_AUDIENCE": AUDIENCE,
            "IAP_KEYS_URL": await stack.enter_async_context(serving(key_server(lambda: published))),
            "FIRESTORE_EMULATOR_HOST": host,
            "BATCH_EMULATOR_HOST": f"127.0.0.1:{batch_port}",
            "STORAGE_EMULATOR_HOST": "http://127.0.0.1:9",  # signing sends no request
            "SIGNING_KEY_FILE": str(scratch / "key.json"),
        }
        generator = stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
        yield Harness(scratch, FirestoreRunStore(database), environment, iap_key, generator)


def _install(scratch: Path) -> None:
    """Install the requirements and the services, all with bytecode, as in an image that is built once and started often."""
    uv, environment = (sys.executable, "-m", "uv"), scratch / "environment"
    python = str(environment / "bin" / "python")
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    packages = ["--requirement", "requirements.txt", "--constraint", "requirements-dev.txt", *PEER_PACKAGES]
    install = [*uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *packages]
    subprocess.run(install, cwd=ROOT, check=True)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (site_packages / "google_auth.pth").write_text(GOOGLE_AUTH)
    folders = [staging.stage(name, scratch) for name in FUNCTIONS]
    for name, file, copied in ((HELLO, "hello.py", "main.py"), (PEER, "fastapi_service.py", "fastapi_service.py")):
        folders.append(scratch / name)
        folders[-1].mkdir()
        shutil.copyfile(PEERS / file, folders[-1] / copied)
    shutil.copytree(scratch / "status" / "shared", scratch / PEER / "shared")
    subprocess.run([python, "-m", "compileall", "-q", *map(str, folders)], check=True)
