"""Environment of the measured services: the requirements of the functions in a new virtual environment, and emulators of the cloud.

Functions are staged as they are deployed, and started with the command and the settings of production: each request carries
an assertion signed like IAP's, and the function verifies it. All measured processes, also the hello world and the peer,
import google-auth and its gRPC transport at their start, because in production every function does so for its credentials,
which the Firestore emulator does not require.
"""

# google-auth has no type annotations.
# mypy: allow-untyped-calls

import asyncio
import base64
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.auth import jwt
from google.auth.crypt import ES256Signer

from deploy import staging
from local import firestore_emulator
from local.batch.service import BatchEmulator
from local.firestore_emulator import FirestoreEmulator
from local.storage.signing_key import SigningKey
from shared.routes import FUNCTIONS
from shared.runs.records import Run
from shared.stores.firestore import FirestoreCatalog, FirestoreRunStore
from shared.stores.firestore_client import FirestoreDatabase
from tools import ROOT
from tools.benchmarks import runs
from tools.benchmarks.service import Command

PEERS: Final = Path(__file__).parent / "peers"
OWNER: Final = "ada@example.com"
HELLO, PEER = "hello world", "FastAPI peer"
# What the peer needs in addition to the requirements of the functions.
PEER_PACKAGES: Final = ("fastapi",)
GOOGLE_AUTH: Final = "import google.auth, google.auth.transport.grpc\n"
AUDIENCE: Final = "/projects/1234/global/backendServices/5678"


class Iap:
    """Signs assertions like Identity-Aware Proxy, and publishes its key."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._signer = ES256Signer.from_string(pem, key_id="benchmark")
        numbers = key.public_key().public_numbers()
        point = {name: _base64url(value) for name, value in (("x", numbers.x), ("y", numbers.y))}
        self._keys = {
            "keys": [{"kid": "benchmark", "use": "sig", "kty": "EC", "alg": "ES256", "crv": "P-256", **point}]
        }

    def headers(self, user: str = OWNER) -> dict[str, str]:
        """Return the headers that identify a user: an assertion for the functions, a plain header for the peer."""
        now = int(time.time())
        claims = {"iss": "https://cloud.google.com/iap", "aud": AUDIENCE, "email": user, "iat": now, "exp": now + 600}
        assertion = jwt.encode(self._signer, claims).decode()
        return {"X-Goog-IAP-JWT-Assertion": assertion, "X-Goog-Authenticated-User-Email": user}

    @asynccontextmanager
    async def publishing_keys(self) -> AsyncIterator[str]:
        """Serve the public key as a JSON web key set, and yield the URL."""
        body = json.dumps(self._keys).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"

        async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head.encode() + body)
            writer.close()

        async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"


def _base64url(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32)).rstrip(b"=").decode()


@dataclass(frozen=True)
class Harness:
    """Commands of the measured services, and the run store that they use.

    Attributes:
        scratch: folder that is removed at the end.
        environment: environment of every service.
    """

    scratch: Path
    store: FirestoreRunStore
    environment: Mapping[str, str]
    iap: Iap

    @property
    def log(self) -> Path:
        """Output of the services."""
        return self.scratch / "services.log"

    def function(self, name: str) -> Command:
        """Return the command of a function, as in production."""
        target = {"FUNCTION_TARGET": "handle", "FUNCTION_SOURCE": "main.py", "PYDANTIC_DISABLE_PLUGINS": "__all__"}
        served = ("uvicorn", "functions_framework.aio:app", "--host", "127.0.0.1", "--port", "{port}")
        return self._command(name, *served, "--lifespan", "on", "--no-access-log", **target)

    def hello(self) -> Command:
        """Return the command of the smallest function, which is served like the others."""
        return self.function(HELLO)

    def peer(self) -> Command:
        """Return the command of the FastAPI service, as its documentation starts it in a container."""
        return self._command(PEER, "uvicorn", "fastapi_service:app", "--host", "127.0.0.1", "--port", "{port}")

    def firestore_loops(self) -> Command:
        """Return the command of the loops with Firestore's own client."""
        return self._command(PEER, "python", "firestore_loops.py")

    async def add(self, run: Run, *, owner: str = OWNER, number: int = 0) -> Run:
        """Store a run with this owner and a new id."""
        made = runs.owned(run, owner, number, random.SystemRandom())
        await self.store.create(made)
        return made

    def _command(self, name: str, program: str, *arguments: str, **environment: str) -> Command:
        path = str(self.scratch / "environment" / "bin" / program)
        return Command(name, (path, *arguments), self.scratch / name, {**self.environment, **environment})


@asynccontextmanager
async def harness() -> AsyncIterator[Harness]:
    """Prepare everything, and remove it on exit.

    Raises:
        RuntimeError: the Firestore emulator is not installed or does not start.
    """
    found = firestore_emulator.find()
    if isinstance(found, str):
        raise RuntimeError(f"The benchmarks need the Firestore emulator: {found}.")
    with tempfile.TemporaryDirectory(prefix="haystack_benchmarks_") as folder:
        scratch, iap = Path(folder), Iap()
        await asyncio.to_thread(_install, scratch)
        SigningKey.generate().write(scratch / "key.json")
        emulator = FirestoreEmulator(found, scratch / "emulator.log")
        batch = BatchEmulator(log_dir=scratch / "jobs", job_env={}, cwd=scratch, max_parallel=0)
        try:
            host, batch_port = await emulator.start(), await batch.start()
            async with iap.publishing_keys() as keys_url:
                database = FirestoreDatabase("benchmark", "(default)", host)
                await FirestoreCatalog(database).put(runs.dataset())
                environment = {
                    "PATH": os.defpath,
                    "PROJECT": "benchmark",
                    "REGION": "europe-west4",
                    "RESULTS_BUCKET": "results",
                    "JOB_IMAGE": "haystack/orchestrator",
                    "MAX_ACTIVE_RUNS": "1000000",
                    "IAP_AUDIENCE": AUDIENCE,
                    "IAP_KEYS_URL": keys_url,
                    "FIRESTORE_EMULATOR_HOST": host,
                    "BATCH_EMULATOR_HOST": f"127.0.0.1:{batch_port}",
                    "STORAGE_EMULATOR_HOST": "http://127.0.0.1:9",  # signing sends no request
                    "SIGNING_KEY_FILE": str(scratch / "key.json"),
                }
                yield Harness(scratch, FirestoreRunStore(database), environment, iap)
                await database.close()
        finally:
            await batch.stop()
            await emulator.stop()


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
    for name in FUNCTIONS:
        staging.stage(name, scratch)
    for name in (HELLO, PEER):
        (scratch / name).mkdir()
    shutil.copyfile(PEERS / "hello.py", scratch / HELLO / "main.py")
    shutil.copytree(scratch / "status" / "shared", scratch / PEER / "shared")
    for name in ("fastapi_service.py", "firestore_loops.py"):
        shutil.copyfile(PEERS / name, scratch / PEER / name)
    folders = [str(scratch / name) for name in (*FUNCTIONS, HELLO, PEER)]
    subprocess.run([python, "-m", "compileall", "-q", *folders], check=True)
