"""The whole service on 127.0.0.1, in one process tree: the functions, their store, Cloud Storage, Batch, Pub/Sub and the scheduler."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local import firestore_emulator
from local.batch.admin import Admin
from local.batch.server import BatchStandIn
from local.events import PATH as RECONCILE_PATH
from local.events import Events
from local.firestore_emulator import FirestoreEmulator, Installation
from local.gateway import OIDC_KEYS_PATH, Gateway
from local.oidc import TokenIssuer
from local.serving import listening, serving_on
from local.storage.server import StorageServer
from shared import wiring
from shared.catalog.entries import ENTRY_FILE, DatasetEntry
from shared.settings import LLM_KEYS

ROOT: Final = Path(__file__).resolve().parent.parent
PROJECT: Final = "haystack-local"
REGION: Final = "europe-west4"
BUCKET: Final = "haystack-results"
TOPIC: Final = f"projects/{PROJECT}/topics/batch-notifications"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How the service is to run.

    Attributes:
        data_dir: where it keeps its data.
        port: where it listens; 0: any free port.
        store: `firestore`, `sqlite`, or None for Firestore where its emulator is there, else SQLite.
    """

    data_dir: Path
    port: int = 8080
    store: str | None = None


@asynccontextmanager
async def running(plan: Plan, say: Say) -> AsyncIterator[str]:
    """Run the service and give its URL; when the block is left, nothing of it runs any more.

    Args:
        plan: how.
        say: takes a line for a person, as things begin.

    Raises:
        OSError: the port is taken.
        RuntimeError: a part did not start; with its own words.
    """
    data_dir = plan.data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        listener, url = stack.enter_context(listening(plan.port))
        storage = StorageServer(data_dir=data_dir / "storage", bucket=BUCKET)
        stack.push_async_callback(storage.stop)
        storage_url = await storage.start()
        say(f"Cloud Storage: fake-gcs-server, signatures verified, at {storage_url}")
        store_env = await _start_store(plan.store, data_dir, stack, say)
        issuer = TokenIssuer(storage.key)
        events = Events(url, issuer)
        stack.push_async_callback(events.stop)
        shared_env = {
            "PROJECT": PROJECT,
            "REGION": REGION,
            "RESULTS_BUCKET": BUCKET,
            "ATLAS_DIR": str(atlas_dir(data_dir)),
            "STORAGE_EMULATOR_HOST": storage_url,
            "NO_PROXY": "127.0.0.1,localhost",
            **store_env,
        }
        batch = BatchStandIn(
            log_dir=data_dir / "jobs",
            job_env={**_inherited(), **shared_env},
            cwd=ROOT,
            on_notification=events.publish,
        )
        stack.push_async_callback(batch.stop)
        batch_host = f"127.0.0.1:{await batch.start()}"
        say(f"Batch: the project's stand-in at {batch_host}; a job's output is in {data_dir / 'jobs'}")
        stack.enter_context(
            _environment(
                {
                    "ENVIRONMENT": "development",
                    "BATCH_EMULATOR_HOST": batch_host,
                    "JOB_IMAGE": "haystack/orchestrator",
                    "JOB_TOPIC": TOPIC,
                    "SIGNING_KEY_FILE": str(storage.key_file),
                    "RECONCILE_AUDIENCE": url + RECONCILE_PATH,
                    "RECONCILE_CALLER": storage.key.email,
                    "OIDC_KEYS_URL": url + OIDC_KEYS_PATH,
                    **shared_env,
                }
            )
        )
        names = await _register_atlases(atlas_dir(data_dir))
        say(f"Atlases: {', '.join(names) or 'none ingested yet'}")
        await stack.enter_async_context(serving_on(listener, Admin(batch, Gateway(issuer.key_set()))))
        events.start()
        yield url


def atlas_dir(data_dir: Path) -> Path:
    """Where the local service keeps ingested atlases."""
    return data_dir / "atlases"


async def _start_store(wanted: str | None, data_dir: Path, stack: AsyncExitStack, say: Say) -> dict[str, str]:
    """Start the run store and give the settings that point to it."""
    found = firestore_emulator.find() if wanted != "sqlite" else "SQLite was asked for"
    if isinstance(found, Installation):
        emulator = FirestoreEmulator(found, data_dir / "logs" / "firestore.log")
        stack.push_async_callback(emulator.stop)
        host = await emulator.start()
        say(f"Run store: the Firestore emulator at {host}; its data ends with it")
        return {"STORE": "firestore", "FIRESTORE_EMULATOR_HOST": host}
    if wanted == "firestore":
        raise RuntimeError(f"there is no Firestore emulator: {found}")
    path = data_dir / "runs.db"
    say(f"Run store: SQLite, {path} ({found})")
    return {"STORE": "sqlite", "SQLITE_PATH": str(path)}


async def _register_atlases(folder: Path) -> list[str]:
    """Put what was ingested before into the catalog again, since the emulator forgets it."""
    entries = ingested(folder)
    for entry in entries:
        await wiring.container().catalog.put(entry)
    return [entry.name for entry in entries]


def ingested(folder: Path) -> list[DatasetEntry]:
    """The catalog entries of the atlases in a folder, as the ingest left them beside the cells."""
    return [DatasetEntry.from_stored_json(file.read_bytes()) for file in sorted(folder.glob(f"*/{ENTRY_FILE}"))]


def _inherited() -> dict[str, str]:
    """What a job needs of the machine, and what a person set for it; nothing else of our environment reaches it."""
    machine = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "NUMBA_CACHE_DIR")
    predictor = ("STACK_CHECKPOINT", "STACK_GENELIST", "STACK_PYTHON")
    wanted = (*machine, *predictor, *LLM_KEYS.values())
    return {name: os.environ[name] for name in wanted if name in os.environ}


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables for as long as the block lasts, and have the wiring read them anew."""
    before = dict(os.environ)
    os.environ.update(values)
    wiring.replace(None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        wiring.replace(None)


def say_on_stderr(line: str) -> None:
    """Tell a person what begins, beside the logs."""
    print(f"local: {line}", file=sys.stderr, flush=True)
