"""A connection that dies without FIN or RST keeps no client away for long, with the deadlines of production.

All clients lose their connections at the same time, so that the tests together take as long as the slowest client.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from google.auth.compute_engine import Credentials as ComputeCredentials
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

# google-auth carries no types.
# mypy: allow-untyped-calls
from local.batch.service import BatchEmulator
from local.serving import serving
from local.storage.server import StorageServer
from local.tokens import key_set
from shared.auth.keys import PublicKeys
from shared.errors import Unavailable
from shared.gcp.batch import GoogleBatchJobs
from shared.gcp.objects import GoogleObjects
from shared.gcp.storage import GoogleResultFiles
from shared.runs.records import StoredFile
from shared.settings import Settings
from shared.stores.firestore import FirestoreRunStore
from shared.stores.firestore_client import FirestoreDatabase
from tests.shared.gcp.test_storage import KEY, LARGE, Cloud, ToCloud, in_an_hour, new_folder
from tests.support.builders import make_run
from tests.support.proxies import BlackHoleProxy

# Seconds that a dead connection may keep a client away.
LIMIT = 20.0
# A caller that got an error tries again after this many seconds.
PAUSE = 0.2
# Idle connections that a client has at a time.
IDLE = 3
FILES = [StoredFile(name=f"{n}", object_name=f"runs/{n}", media_type="", size=0, crc32c="") for n in range(IDLE)]


@dataclass(frozen=True)
class Outcome:
    """How long a client was away, and how many connections it opened before and after."""

    seconds: float
    before: int
    after: int


class Scene:
    """The servers, and proxies in front of them."""

    def __init__(self, folder: Path, firestore_host: str) -> None:
        self.folder, self.firestore_host = folder, firestore_host
        self.stack = AsyncExitStack()
        self.ready: dict[str, asyncio.Event] = {}

    async def start(self) -> None:
        """Start the servers."""
        batch = BatchEmulator(log_dir=self.folder / "jobs", job_env={}, cwd=self.folder, max_parallel=0)
        self.batch_host = f"127.0.0.1:{await batch.start()}"
        self.stack.push_async_callback(batch.stop)
        storage = StorageServer(data_dir=None, bucket="results", key=KEY)
        self.storage_host = urlsplit(await storage.start()).netloc
        self.stack.push_async_callback(storage.stop)
        (self.folder / "small").write_bytes(b"small")
        (self.folder / "large").write_bytes(os.urandom(LARGE))

    async def proxy(self, upstream: str) -> BlackHoleProxy:
        """Start a proxy in front of a server."""
        proxy = BlackHoleProxy(upstream)
        await proxy.start()
        self.stack.push_async_callback(proxy.stop)
        return proxy

    async def storage(self) -> tuple[BlackHoleProxy, Settings]:
        """Return a proxy in front of Cloud Storage, and settings that point at it."""
        proxy = await self.proxy(self.storage_host)
        return proxy, Settings(project="p", results_bucket="results", storage_emulator_host=f"http://{proxy.host}")

    async def results(self) -> tuple[BlackHoleProxy, GoogleResultFiles]:
        """Return a proxy in front of Cloud Storage, and the results bucket behind it with several open connections."""
        proxy, settings = await self.storage()
        files = GoogleResultFiles(settings)
        self.stack.callback(files.close)
        small = self.folder / "small"
        await asyncio.gather(*(files.upload(new_folder(), small, "text/plain") for _ in range(IDLE)))
        assert proxy.opened >= 1
        return proxy, files

    def database(self, host: str) -> FirestoreDatabase:
        """Return the database that all clients of Firestore share."""
        database = FirestoreDatabase("dead-connections", "(default)", host)
        self.stack.push_async_callback(database.close)
        return database


async def success(call: Callable[[], Awaitable[object]]) -> float:
    """Repeat a call until it succeeds, and return the seconds until then."""
    began = time.monotonic()
    async with asyncio.timeout(2 * LIMIT):
        while True:
            try:
                await call()
            except Unavailable:
                await asyncio.sleep(PAUSE)
            else:
                return time.monotonic() - began


async def outage(proxy: BlackHoleProxy, call: Callable[[], Awaitable[object]]) -> Outcome:
    """Lose the open connections, and measure how long it takes until a call succeeds."""
    before = proxy.opened
    proxy.swallow()
    return Outcome(await success(call), before, proxy.opened)


async def read_firestore(scene: Scene) -> Outcome:
    proxy = await scene.proxy(scene.firestore_host)
    database = scene.database(proxy.host)
    await success(database.ping)
    return await outage(proxy, lambda: database.read(f"{database.documents}/runs/none"))


async def write_to_firestore(scene: Scene) -> Outcome:
    proxy = await scene.proxy(scene.firestore_host)
    store = FirestoreRunStore(scene.database(proxy.host))
    await success(store.ping)
    return await outage(proxy, lambda: store.create(make_run(f"run_{uuid4().hex[:12]}"), max_active=20))


async def listen_to_firestore(scene: Scene) -> Outcome:
    """A listener that was quiet before sees a change that is made after its connection died."""
    proxy = await scene.proxy(scene.firestore_host)
    store, sound = (
        FirestoreRunStore(scene.database(proxy.host)),
        FirestoreRunStore(scene.database(scene.firestore_host)),
    )
    run = make_run(f"run_{uuid4().hex[:12]}")
    await sound.create(run)
    async with aclosing(store.watch(run.run_id)) as changes:
        assert await anext(changes) == run

        async def see() -> None:
            changed = await sound.update(run.run_id, lambda old: old.model_copy(update={"label": "changed"}))
            while await anext(changes) != changed:
                pass

        return await outage(proxy, see)


async def ask_batch(scene: Scene) -> Outcome:
    proxy = await scene.proxy(scene.batch_host)
    jobs = GoogleBatchJobs(Settings(project="p", region="r", batch_emulator_host=proxy.host))
    scene.stack.push_async_callback(jobs.close)
    await success(lambda: jobs.describe("none"))
    return await outage(proxy, lambda: jobs.describe("none"))


async def upload(scene: Scene) -> Outcome:
    proxy, files = await scene.results()
    return await outage(proxy, lambda: files.upload(new_folder(), scene.folder / "small", "text/plain"))


async def upload_in_pieces(scene: Scene) -> Outcome:
    proxy, files = await scene.results()
    return await outage(proxy, lambda: files.upload(new_folder(), scene.folder / "large", "text/plain"))


async def list_and_delete(scene: Scene) -> Outcome:
    proxy, files = await scene.results()
    return await outage(proxy, lambda: files.delete("run_0123456789ab"))


async def read_and_write_objects(scene: Scene) -> Outcome:
    proxy, settings = await scene.storage()
    objects = GoogleObjects(settings)
    await asyncio.to_thread(objects.read, "results", "none")

    def use() -> None:
        objects.write(b"1", "results", "object", generation=0)
        assert objects.read("results", "object") is not None
        objects.delete("results", "object")

    return await outage(proxy, lambda: asyncio.to_thread(use))


async def sign_with_iam(scene: Scene) -> Outcome:
    cloud = Cloud(KEY, waiting=asyncio.Barrier(IDLE))
    proxy = await scene.proxy(urlsplit(await scene.stack.enter_async_context(serving(cloud.app()))).netloc)
    files = GoogleResultFiles(
        Settings(project="p", results_bucket="results"),
        credentials=ComputeCredentials(universe_domain="googleapis.com"),
        transport=ToCloud(f"http://{proxy.host}"),
    )
    await files.sign(FILES, in_an_hour())
    assert proxy.opened >= IDLE
    cloud.waiting = asyncio.Barrier(1)
    return await outage(proxy, lambda: files.sign(FILES[:1], in_an_hour()))


async def fetch_keys(scene: Scene) -> Outcome:
    """The connection dies while the keys are being sent; no other connection is open."""
    asked = asyncio.Event()
    key = ec.generate_private_key(ec.SECP256R1()).public_key()

    async def answer(_: Request) -> JSONResponse:
        asked.set()
        await asyncio.sleep(0.5)
        return JSONResponse(key_set({"one": key}))

    app = Starlette(routes=[Route("/keys", answer)])
    proxy = await scene.proxy(urlsplit(await scene.stack.enter_async_context(serving(app))).netloc)
    keys = PublicKeys(f"http://{proxy.host}/keys")
    first = asyncio.create_task(keys.find("one"))
    await asked.wait()
    outcome = await outage(proxy, lambda: keys.find("one"))
    with pytest.raises(Unavailable):
        await first
    return outcome


CLIENTS = {
    client.__name__: client
    for client in (
        read_firestore,
        write_to_firestore,
        listen_to_firestore,
        ask_batch,
        upload,
        upload_in_pieces,
        list_and_delete,
        read_and_write_objects,
        sign_with_iam,
        fetch_keys,
    )
}


@pytest.fixture(scope="module")
async def outcomes(
    tmp_path_factory: pytest.TempPathFactory, firestore_host: str
) -> AsyncIterator[dict[str, Outcome | BaseException]]:
    """The outcome of every client."""
    # By default as few threads as the machine has processors, plus four: the clients here would wait for each other.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4 * len(CLIENTS)))
    scene = Scene(tmp_path_factory.mktemp("scene"), firestore_host)
    await success(scene.database(firestore_host).ping)  # the first answer of a new emulator takes seconds
    await scene.start()
    found = await asyncio.gather(*(client(scene) for client in CLIENTS.values()), return_exceptions=True)
    yield dict(zip(CLIENTS, found, strict=True))
    await scene.stack.aclose()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_dead_connection_keeps_no_client_away_for_more_than_twenty_seconds(
    outcomes: dict[str, Outcome | BaseException], client: str
) -> None:
    """Regression: Cloud Storage was asked for a minute on each of the dead connections."""
    outcome = outcomes[client]
    if isinstance(outcome, BaseException):
        raise outcome
    print(f"{client}: {outcome.seconds:.1f} s")  # noqa: T201  # shown by `pytest -rP`
    assert outcome.seconds < LIMIT
    assert outcome.after > outcome.before
