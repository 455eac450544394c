"""The whole service on 127.0.0.1 in one process tree: functions, run store, Cloud Storage, Batch, Pub/Sub and scheduler."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from local import console, firestore_emulator
from local.batch.admin import Admin
from local.batch.service import BatchEmulator
from local.events import RECONCILE_PATH, Events
from local.firestore_emulator import FirestoreEmulator
from local.gateway import OIDC_KEYS_PATH, ROOT, Gateway
from local.lock import locked
from local.serving import listening, serving_on
from local.storage.server import StorageServer
from local.tokens import TokenIssuer
from shared import wiring
from shared.catalog import folders
from shared.catalog.cache import Catalog
from shared.catalog.entries import DatasetEntry
from shared.settings import LLM_KEYS

PROJECT: Final = "haystack-local"
REGION: Final = "europe-west4"
BUCKET: Final = "haystack-results"
ATLAS_BUCKET: Final = "haystack-atlases"
FIRESTORE_HOST: Final = "FIRESTORE_EMULATOR_HOST"
TOPIC: Final = f"projects/{PROJECT}/topics/batch-notifications"

Say = Callable[[str], None]
# Waits until a process of the service ends by itself, and returns a sentence about that.
Ended = Callable[[], Coroutine[Any, Any, str]]


@asynccontextmanager
async def running(
    data_dir: Path, port: int, store: str, say: Say, frontend: Path | None = None
) -> AsyncIterator[tuple[str, list[Ended]]]:
    """Run the service, and yield its URL and what waits for the unexpected end of each process that it cannot do without.

    Args:
        data_dir: the absolute path of its data folder.
        port: the port; 0: any free port.
        store: `sqlite` or `firestore`.
        say: prints a line for people as parts start.
        frontend: folder of the front end; None: the built-in page.

    Raises:
        FolderInUse: another process uses the data folder.
        OSError: the port is taken.
        RuntimeError: a part did not start; the message contains its output.
    """
    async with AsyncExitStack() as stack:
        describe = stack.enter_context(locked(data_dir))
        listener, url = stack.enter_context(listening(port))
        describe(url, store)
        storage = StorageServer(data_dir=data_dir / "storage", bucket=BUCKET)
        stack.push_async_callback(storage.stop)
        storage_url = await storage.start()
        say(f"Cloud Storage: fake-gcs-server, at {storage_url}, behind a gateway that verifies signed URLs")
        issuer = TokenIssuer(storage.key)
        events = Events(url, issuer)
        stack.push_async_callback(events.stop)
        store_settings, ended = await _start_store(store, data_dir, stack, say)
        common = {
            "PROJECT": PROJECT,
            "REGION": REGION,
            "RESULTS_BUCKET": BUCKET,
            "ATLAS_DIR": str(atlas_dir(data_dir)),
            "STORAGE_EMULATOR_HOST": storage_url,
            "NO_PROXY": "127.0.0.1,localhost",
            **store_settings,
        }
        batch = BatchEmulator(
            log_dir=data_dir / "jobs",
            job_env={**_inherited(), **common, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            on_notification=partial(_notify, events, data_dir / "jobs", say),
            # Keep jobs only where runs survive: the service's own Firestore emulator loses its runs at a restart.
            journal=data_dir / "batch.db" if survives(store) else None,
            buckets={ATLAS_BUCKET: atlas_dir(data_dir)},
        )
        stack.push_async_callback(batch.stop)
        batch_host = f"127.0.0.1:{await batch.start()}"
        say(f"Batch: the project's emulator, at {batch_host}; the logs of jobs are in {data_dir / 'jobs'}")
        functions_env = {
            **common,
            "ENVIRONMENT": "development",
            "BATCH_EMULATOR_HOST": batch_host,
            "JOB_IMAGE": "haystack/orchestrator",
            "JOB_TOPIC": TOPIC,
            "ATLAS_BUCKET": ATLAS_BUCKET,
            "SIGNING_KEY_FILE": str(storage.key_file),
            "RECONCILE_AUDIENCE": url + RECONCILE_PATH,
            "RECONCILE_CALLER": storage.key.email,
            "OIDC_KEYS_URL": url + OIDC_KEYS_PATH,
            "SERVICE_URL": url,
            **({} if frontend is None else {"FRONTEND_DIR": str(frontend)}),
        }
        stack.enter_context(_environment(functions_env))
        names = await register_atlases(wiring.container().catalog, atlas_dir(data_dir))
        say(f"Atlases: {', '.join(names) or 'none; `python -m local atlas` builds the demo atlases'}")
        for name in outdated(atlas_dir(data_dir)):
            say(f"Atlas {name} was ingested by an older version and is not used: ingest it again")
        await stack.enter_async_context(serving_on(listener, Admin(batch.faults, Gateway(issuer.key_set()))))
        events.start()
        yield url, [storage.ended, *ended]


async def _notify(events: Events, logs: Path, say: Say, attributes: dict[str, str]) -> None:
    """Say what happened to a job, and publish its notification."""
    if line := console.job_event(attributes, lambda job_id: logs / f"{job_id}.log"):
        say(line)
    await events.publish(attributes)


def atlas_dir(data_dir: Path) -> Path:
    """Return the folder of ingested atlases."""
    return data_dir / "atlases"


async def _start_store(
    store: str, data_dir: Path, stack: AsyncExitStack, say: Say
) -> tuple[dict[str, str], list[Ended]]:
    """Start the run store, and return the settings that point to it and what waits for the end of its process, if any."""
    if store == "sqlite":
        path = data_dir / "runs.db"
        say(f"Run store: SQLite, {path}")
        return {"STORE": "sqlite", "SQLITE_PATH": str(path)}, []
    if host := os.environ.get(FIRESTORE_HOST):
        say(f"Run store: the Firestore emulator that already runs at {host}")
        return {"STORE": "firestore", FIRESTORE_HOST: host}, []
    found = firestore_emulator.find()
    if isinstance(found, str):
        raise RuntimeError(f"the Firestore emulator cannot start: {found}. Or use --store sqlite, the default.")
    say("Run store: starting the Firestore emulator, which takes a few seconds")
    emulator = FirestoreEmulator(found, data_dir / "logs" / "firestore.log")
    stack.push_async_callback(emulator.stop)
    host = await emulator.start()
    say(f"Run store: the Firestore emulator, at {host}; it keeps data in memory, so a restart loses all runs and jobs")
    return {"STORE": "firestore", FIRESTORE_HOST: host}, [emulator.ended]


def survives(store: str) -> bool:
    """Return whether runs survive a restart: those in SQLite, or in an emulator that FIRESTORE_EMULATOR_HOST names."""
    return store == "sqlite" or FIRESTORE_HOST in os.environ


async def register_atlases(catalog: Catalog, folder: Path) -> list[str]:
    """Make the catalog have the entries of all atlases that are in the folder, and no others; return their names.

    A new or emptied store lacks them, and an atlas may have been removed while no service ran.
    """
    entries = ingested(folder)
    stored = {entry.name: entry for entry in await catalog.load()}
    for entry in entries:
        if stored.pop(entry.name, None) != entry:
            await catalog.put(entry)
    for name in stored:
        await catalog.remove(name)
    return [entry.name for entry in entries]


def ingested(folder: Path) -> list[DatasetEntry]:
    """Return the catalog entries that the ingest left beside the cells of each atlas, except those that must be ingested again."""
    return [entry for _, entry in folders.newest(folder) if entry is not None]


def outdated(folder: Path) -> list[str]:
    """Return the names of atlases that an older version ingested."""
    return [name for name, entry in folders.newest(folder) if entry is None]


def _inherited() -> dict[str, str]:
    """Return the part of this environment that jobs get: what they need of the machine, and what the user sets for them."""
    machine = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
    predictor = ("STACK_CHECKPOINT", "STACK_GENELIST", "STACK_PYTHON")
    return {name: os.environ[name] for name in (*machine, *predictor, *LLM_KEYS.values()) if name in os.environ}


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the block, and make the wiring read them."""
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
    """Print a line for people, beside the logs."""
    print(f"local: {line}", file=sys.stderr, flush=True)
