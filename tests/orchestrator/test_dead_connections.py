"""The job survives connections that die without FIN or RST, with the deadlines of production."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.storage.server import StorageServer
from orchestrator.main import Exit, run_job
from orchestrator.progress import Progress
from shared.errors import Unavailable
from shared.gcp.storage import GoogleResultFiles
from shared.runs.records import Run
from shared.runs.states import Phase, RunState, results_folder
from shared.settings import Settings
from shared.stores.firestore import FirestoreRunStore
from shared.stores.firestore_client import FirestoreDatabase
from tests.support.builders import lease, make_run
from tests.support.orchestrator.world import World
from tests.support.proxies import BlackHoleProxy

Clock = Callable[[], datetime]
# Seconds between heartbeats: at the second one, the limit is over.
BEAT = 9.0
# Seconds that a dead connection may keep the job away.
LIMIT = 20.0


@dataclass(frozen=True)
class Remote:
    """Run store and results bucket as the job sees them, the run store as others see it, and the proxies between."""

    store: FirestoreRunStore
    files: GoogleResultFiles
    sound: FirestoreRunStore
    proxies: tuple[BlackHoleProxy, BlackHoleProxy]

    def lose_connections(self) -> None:
        """Lose all open connections of the job."""
        for proxy in self.proxies:
            proxy.swallow()


@pytest.fixture
async def remote(firestore: FirestoreDatabase, firestore_host: str) -> AsyncIterator[Remote]:
    storage = StorageServer(data_dir=None, bucket="results")
    url = await storage.start()
    near, far = BlackHoleProxy(firestore_host), BlackHoleProxy(urlsplit(url).netloc)
    await near.start()
    await far.start()
    database = FirestoreDatabase(firestore.name.split("/")[1], "(default)", near.host)
    files = GoogleResultFiles(
        Settings(project="p", results_bucket="results", storage_emulator_host=f"http://{far.host}")
    )
    yield Remote(FirestoreRunStore(database), files, FirestoreRunStore(firestore), (near, far))
    files.close()
    await database.close()
    for server in (near, far, storage):
        await server.stop()


async def stored(store: FirestoreRunStore, run: Run) -> None:
    """Store a run. The first answer of a new emulator takes seconds."""
    async with asyncio.timeout(2 * LIMIT):
        while True:
            try:
                return await store.create(run)
            except Unavailable:
                await asyncio.sleep(0.2)


async def test_a_run_whose_connections_die_in_the_middle_completes_in_its_first_attempt(
    answer_from: Callable[..., World], remote: Remote, tmp_path: Path
) -> None:
    here = answer_from({"CD14 Mono": ("IFN-alpha1",), "cDC": ("IFN-beta",)}, max_iterations=1)
    await stored(remote.sound, here.run)
    (tmp_path / "warm").write_bytes(b"")  # so that the bucket's connection is open when it dies
    await remote.files.upload(results_folder(here.run_id, 1, "warm"), tmp_path / "warm", "text/plain")
    job = asyncio.create_task(run_job(here.run_id, replace(here.ports, store=remote.store, files=remote.files)))
    owners = set()
    async with asyncio.timeout(50), aclosing(remote.sound.watch(here.run_id)) as changes:
        async for run in changes:
            assert run is not None
            if run.status is not RunState.PENDING:
                owners.add(run.compute.lease_owner)
            if run.current_phase is Phase.INFERENCE:
                break
        remote.lose_connections()
        assert await job is Exit.DONE
    done = await remote.sound.get(here.run_id)
    assert done is not None
    assert (done.status, done.compute.attempt, len(owners)) == (RunState.COMPLETED, 1, 1)
    assert done.outcome is not None
    assert len(done.outcome.files) == 6
    assert all(proxy.opened >= 2 for proxy in remote.proxies)


async def test_a_heartbeat_and_a_cancellation_pass_within_twenty_seconds(remote: Remote, ticking: Clock) -> None:
    """Regression: a heartbeat that met a dead connection was repeated a minute later."""
    run = make_run()
    await stored(remote.sound, run)
    leased = lease(run.run_id, store=remote.store, clock=ticking)
    before = await leased.begin()
    progress = Progress(run.run_id, leased, remote.store)
    watching = asyncio.create_task(progress.until_stopped())
    await asyncio.sleep(0.5)  # it listens
    remote.lose_connections()
    began = time.monotonic()
    beating = asyncio.create_task(progress.heartbeats(BEAT))
    async with asyncio.timeout(2 * LIMIT):
        async with aclosing(remote.sound.watch(run.run_id)) as changes:
            while (now := await anext(changes)) is None or now.heartbeat_at == before.heartbeat_at:
                pass
        assert time.monotonic() - began < LIMIT
        await remote.sound.update(
            run.run_id, lambda old: old.model_copy(update={"status": RunState.CANCELLED, "updated_at": ticking()})
        )
        await watching
    assert time.monotonic() - began < LIMIT
    beating.cancel()
