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
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from deploy import staging
from deploy.target import RUNTIME, START_COMMAND
from local import firestore_emulator
from local.batch.service import BatchEmulator
from local.firestore_emulator import FirestoreEmulator
from local.processes import free_port
from local.serving import serving
from local.storage.signing_key import SigningKey
from local.tokens import key_server, key_set
from shared.auth.identity import ASSERTION_HEADER, ISSUER, MAX_LIFETIME
from shared.routes import FUNCTIONS
from shared.runs.records import Run
from shared.stores.firestore import FirestoreRunStore
from shared.stores.firestore_catalog import FirestoreCatalog
from shared.stores.firestore_client import FirestoreDatabase
from tools import ROOT
from tools.benchmarks import runs
from tools.benchmarks.generator import Request
from tools.benchmarks.service import Service

PEERS: Final = Path(__file__).parent / "peers"
OWNER: Final = "ada@example.com"
HELLO, PEER = "hello world", "FastAPI peer"
# What the peer needs in addition to the requirements of the functions.
PEER_PACKAGES: Final = ("fastapi",)
GOOGLE_AUTH: Final = "import google.auth, google.auth.transport.grpc\n"
AUDIENCE: Final = "/projects/1234/global/backendServices/5678"
KEY_ID: Final = "benchmark"
# Functions start as in production, the smallest one as the framework documents it, the peer as FastAPI documents it for containers.
FUNCTION_COMMAND: Final = START_COMMAND.replace("0.0.0.0", "127.0.0.1")  # noqa: S104  # replaced
HELLO_COMMAND: Final = FUNCTION_COMMAND.replace("shared.http.server:app", "functions_framework.aio:app")
PEER_COMMAND: Final = "uvicorn fastapi_service:app --host 127.0.0.1 --port $PORT"
COMMANDS: Final = {HELLO: HELLO_COMMAND, PEER: PEER_COMMAND}
LONGEST_START: Final = 60.0
# Seconds between two attempts to connect: short compared to a start, and long enough to leave the CPU to the service.
RETRY_SECONDS: Final = 0.002


@dataclass(frozen=True)
class Harness:
    """Starts the measured services, and stores the runs that they read.

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
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "email": user, "iat": now, "exp": now + MAX_LIFETIME}
        assertion = jwt.encode(claims, self.iap_key, algorithm="ES256", headers={"kid": KEY_ID})
        return {ASSERTION_HEADER: assertion, "X-Goog-Authenticated-User-Email": user}

    @asynccontextmanager
    async def running(self, name: str, first: Request) -> AsyncIterator[Service]:
        """Start a function, `HELLO` or `PEER`, send the first request, and end the process on exit.

        Raises:
            RuntimeError: the service ended, did not listen in time, or gave an unexpected response.
        """
        port, log = free_port(), self.scratch / "services.log"
        program, *arguments = COMMANDS.get(name, FUNCTION_COMMAND).replace("$PORT", str(port)).split()
        with log.open("ab") as output:
            started = time.perf_counter()
            process = await asyncio.create_subprocess_exec(
                self.scratch / "environment" / "bin" / program,
                *arguments,
                cwd=self.scratch / name,
                env={**self.environment, **({} if name == PEER else RUNTIME)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            reader, writer = await _connect(process, port, started + LONGEST_START)
            body = await first.send(reader, writer)
            elapsed = time.perf_counter() - started
            writer.close()
            yield Service(process.pid, port, elapsed, body, self.generator)
        except (ConnectionError, EOFError, RuntimeError) as error:
            output_end = (await asyncio.to_thread(log.read_text, errors="replace"))[-2000:]
            raise RuntimeError(f"{name}: {error}\n{output_end}") from error
        finally:
            with suppress(ProcessLookupError):  # it may have ended
                process.kill()
            await process.wait()

    async def add(self, run: Run, *, owner: str = OWNER, number: int = 0) -> Run:
        """Store a run with this owner and a new id."""
        made = runs.owned(run, owner, number, random.SystemRandom())
        await self.store.create(made)
        return made


async def _connect(
    process: asyncio.subprocess.Process, port: int, deadline: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while process.returncode is None and time.perf_counter() < deadline:
        with suppress(ConnectionRefusedError):
            return await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(RETRY_SECONDS)
    raise RuntimeError("it did not start")


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
            "MAX_REQUESTS_PER_MINUTE": "1000000000",  # counted, but not refused
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
