"""Connections to Google services recover when the network loses them, and reach the real service with TLS and a token."""

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from google.cloud import batch_v1
from google.cloud.batch_v1.services.batch_service.transports import BatchServiceGrpcAsyncIOTransport
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from local.processes import free_port
from local.serving import serving
from local.storage.signing_key import SigningKey
from shared.errors import Unavailable
from shared.gcp.batch import GoogleBatchJobs
from shared.gcp.connection import Connection
from shared.settings import Settings
from shared.stores.firestore_client import FirestoreDatabase, decode_fields, write
from tests.support.proxies import BlackHoleProxy

# Long enough for an answer on a busy machine.
DEADLINE = 1.0
# After such an outage, gRPC's default is to wait six seconds before it connects again, and in the end two minutes.
OUTAGE = 10.0
SOON = 4.0
KEY = SigningKey.generate("reader@p.iam.gserviceaccount.com")
SLOW, FAST, SILENT = "jobs/slow", "jobs/fast", "jobs/silent"
Batch = Connection[batch_v1.BatchServiceAsyncClient]


@asynccontextmanager
async def served(answer_after: dict[str, float | asyncio.Event]) -> AsyncIterator[tuple[str, list[dict[str, str]]]]:
    """Serve GetJob of Batch, and give `host:port` and the metadata of each call.

    A job answers after these seconds, or after this event; others never.
    """
    asked: list[dict[str, str]] = []

    async def get_job(asked_for: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        asked.append({key: str(value) for key, value in context.invocation_metadata() or ()})
        name = batch_v1.GetJobRequest.deserialize(asked_for).name
        after = answer_after.get(name, 3600)
        await (after.wait() if isinstance(after, asyncio.Event) else asyncio.sleep(after))
        return bytes(batch_v1.Job.serialize(batch_v1.Job(name=name)))

    server = grpc.aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"GetJob": grpc.unary_unary_rpc_method_handler(get_job)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("google.cloud.batch.v1.BatchService", handlers),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}", asked
    finally:
        await server.stop(grace=None)


def connection(host: str, *, attempt_seconds: float = DEADLINE) -> Batch:
    """A connection to Batch that retries nothing."""
    return Connection(
        "Batch",
        batch_v1.BatchServiceAsyncClient,
        BatchServiceGrpcAsyncIOTransport,
        emulator_host=host,
        retried=(),
        attempt_seconds=attempt_seconds,
        total_seconds=attempt_seconds,
        pauses=(0.1, 1.0),
    )


async def get(connection: Batch, name: str, seconds: float = DEADLINE) -> str:
    """Ask for a job, and return its name."""
    job = await connection.call(lambda client, options: client.get_job(name=name, **options), seconds=seconds)
    return str(job.name)


@pytest.fixture
async def black_hole(firestore_host: str) -> AsyncIterator[BlackHoleProxy]:
    """A proxy in front of the Firestore emulator."""
    proxy = BlackHoleProxy(firestore_host)
    await proxy.start()
    yield proxy
    await proxy.stop()


async def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until a condition holds. A failed call holds its connection until the garbage collector breaks the cycle of its error."""
    async with asyncio.timeout(seconds):
        while not condition():  # it changes in a proxy's own code
            await asyncio.sleep(0.02)
            gc.collect()


async def test_firestore_answers_again_after_one_deadline_on_a_dead_connection(
    black_hole: BlackHoleProxy, firestore: FirestoreDatabase
) -> None:
    name = f"{firestore.documents}/runs/a"
    await firestore.commit(write(name, {"n": 1}, replaces=None))
    behind = FirestoreDatabase(firestore.name.split("/")[1], "(default)", black_hole.host, deadline=DEADLINE)
    await behind.read(name)
    black_hole.swallow()
    with pytest.raises(Unavailable):
        await behind.read(name)
    found = await behind.read(name)
    assert found is not None
    assert decode_fields(found) == {"n": 1}
    assert black_hole.opened == 2
    await eventually(lambda: black_hole.closed == 1)  # the dead one does not leak
    await behind.close()
    await eventually(lambda: black_hole.closed == 2)


async def test_a_listener_on_a_dead_connection_ends_and_the_next_one_tells_what_was_missed(
    black_hole: BlackHoleProxy, firestore: FirestoreDatabase
) -> None:
    behind = FirestoreDatabase(firestore.name.split("/")[1], "(default)", black_hole.host, deadline=DEADLINE)
    name = f"{firestore.documents}/runs/a"

    async def put(number: int) -> None:
        await firestore.commit(write(name, {"n": number}, replaces=await firestore.read(name)))

    await put(1)
    async with asyncio.timeout(20):
        async with aclosing(behind.changes(name)) as changes:
            assert decode_fields(await anext(changes)) == {"n": 1}
            await asyncio.sleep(2 * DEADLINE)  # quiet, and the probe is answered
            await put(2)
            assert decode_fields(await anext(changes)) == {"n": 2}
            black_hole.swallow()
            await put(3)
            assert await anext(changes, "over") == "over"
        async with aclosing(behind.changes(name)) as changes:
            assert decode_fields(await anext(changes)) == {"n": 3}
    assert black_hole.opened == 2
    await behind.close()


async def test_a_listener_ends_when_its_connection_is_closed_and_does_not_cancel_who_listens(
    firestore: FirestoreDatabase,
) -> None:
    async with asyncio.timeout(10), aclosing(firestore.changes(f"{firestore.documents}/runs/a")) as changes:
        assert await anext(changes) is None
        asyncio.get_running_loop().call_later(0.1, lambda: closing.append(asyncio.ensure_future(firestore.close())))
        closing: list[asyncio.Future[None]] = []
        assert await anext(changes, "over") == "over"
    await asyncio.gather(*closing)


async def test_firestore_is_found_again_soon_after_a_long_outage(
    firestore_host: str, firestore: FirestoreDatabase
) -> None:
    await firestore.read(f"{firestore.documents}/runs/a")  # the first answer of a new emulator takes seconds
    port = free_port()
    database = FirestoreDatabase("outage", "(default)", f"127.0.0.1:{port}", deadline=DEADLINE)
    began = time.monotonic()
    while time.monotonic() < began + OUTAGE:
        assert not await answers(database)
        await asyncio.sleep(0.1)
    proxy = BlackHoleProxy(firestore_host, port)
    await proxy.start()
    try:
        back = time.monotonic()
        while not await answers(database):
            assert time.monotonic() < back + SOON
            await asyncio.sleep(0.1)
    finally:
        await database.close()
        await proxy.stop()


async def answers(database: FirestoreDatabase) -> bool:
    """Return whether the database can be read."""
    try:
        await database.ping()
    except Unavailable:
        return False
    return True


async def test_a_call_to_batch_on_a_dead_connection_succeeds_in_its_next_attempt() -> None:
    parent = "projects/p/locations/r"
    async with AsyncExitStack() as stack:
        host, _ = await stack.enter_async_context(served({f"{parent}/jobs/fast": 0}))
        proxy = BlackHoleProxy(host)
        await proxy.start()
        stack.push_async_callback(proxy.stop)
        settings = Settings(project="p", region="r", batch_emulator_host=proxy.host)
        jobs = GoogleBatchJobs(settings, attempt_seconds=DEADLINE, total_seconds=4 * DEADLINE)
        assert await jobs.describe("fast") is not None
        proxy.swallow()
        began = time.monotonic()
        assert await jobs.describe("fast") is not None
        assert time.monotonic() - began >= DEADLINE
        assert proxy.opened == 2
        await eventually(lambda: proxy.closed == 1)
        await jobs.close()


async def test_a_replaced_channel_lets_the_calls_under_way_finish() -> None:
    replaced = asyncio.Event()
    async with served({SLOW: replaced, FAST: 0}) as (host, asked):
        batch = connection(host, attempt_seconds=30 * DEADLINE)
        slow = asyncio.create_task(get(batch, SLOW, 30 * DEADLINE))
        await eventually(lambda: len(asked) == 1)
        first = batch._current
        with pytest.raises(Unavailable):
            await get(batch, SILENT)
        assert await get(batch, FAST) == FAST
        assert batch._current is not first
        replaced.set()
        assert await slow == SLOW
        await batch.close()


async def test_a_silent_call_does_not_replace_a_channel_that_answers_others() -> None:
    async with served({FAST: 0}) as (host, _):
        batch = connection(host)
        await get(batch, FAST)
        first = batch._current
        silent = asyncio.create_task(get(batch, SILENT))
        await asyncio.sleep(0)
        await get(batch, FAST)
        with pytest.raises(Unavailable):
            await silent
        assert batch._current is first
        await batch.close()


async def test_concurrent_closes_are_safe_and_a_closed_connection_opens_again() -> None:
    async with served({FAST: 0}) as (host, _):
        batch = connection(host)
        with pytest.raises(Unavailable):
            await get(batch, SILENT)
        await get(batch, FAST)
        await asyncio.gather(batch.close(), batch.close(), batch.close())
        await eventually(lambda: not batch._closing)
        assert await get(batch, FAST) == FAST
        await batch.close()


def certificate() -> bytes:
    """A certificate of `localhost`, signed by its own key, valid for an hour."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, KEY.public_key, x509.random_serial_number())
    now = datetime.now(UTC)
    builder = builder.not_valid_before(now - timedelta(minutes=1)).not_valid_after(now + timedelta(hours=1))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    made = builder.add_extension(names, critical=False).sign(KEY.private_key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM)


class Firestore(grpc.GenericRpcHandler):
    """A Firestore without documents that records the metadata of its callers."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        async def answer(_request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
            self.asked.append({key: str(value) for key, value in context.invocation_metadata() or ()})
            await context.abort(grpc.StatusCode.NOT_FOUND)

        assert handler_call_details.method == "/google.firestore.v1.Firestore/GetDocument"
        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
async def firestore_by_tls(tmp_path: Path) -> AsyncIterator[tuple[Firestore, str]]:
    """A Firestore behind TLS, and its `host:port`."""
    (tmp_path / "roots.pem").write_bytes(certificate())
    service, server = Firestore(), grpc.aio.server()
    server.add_generic_rpc_handlers((service,))
    keys = grpc.ssl_server_credentials([(KEY.private_pem().encode(), (tmp_path / "roots.pem").read_bytes())])
    port = server.add_secure_port("localhost:0", keys)
    await server.start()
    yield service, f"localhost:{port}"
    await server.stop(grace=None)


async def test_the_real_service_is_asked_over_tls_with_a_token_of_this_process_and_routing_headers(
    firestore_by_tls: tuple[Firestore, str], tmp_path: Path
) -> None:
    async def token(_request: Request) -> JSONResponse:
        return JSONResponse({"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"})

    service, host = firestore_by_tls
    KEY.write(tmp_path / "key.json")
    async with serving(Starlette(routes=[Route("/token", token, methods=["POST"])])) as url:
        content = json.loads((tmp_path / "key.json").read_text()) | {"token_uri": f"{url}/token"}
        (tmp_path / "key.json").write_text(json.dumps(content))
        program = f"""
import asyncio
from shared.stores.firestore_client import FirestoreDatabase
async def main():
    database = FirestoreDatabase("p", "(default)", endpoint="{host}")
    print(await database.read(database.documents + "/runs/run_0123456789ab"))
    await database.close()
asyncio.run(main())
"""
        output, errors, status = await run(
            program,
            {
                "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json"),
                "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(tmp_path / "roots.pem"),
            },
        )
    assert (output, status) == ("None", 0), errors
    assert len(service.asked) == 1
    assert service.asked[0]["authorization"] == "Bearer a-token"
    assert service.asked[0]["google-cloud-resource-prefix"] == "projects/p/databases/(default)"
    routing = "name=projects/p/databases/%28default%29/documents/runs/run_0123456789ab"
    assert service.asked[0]["x-goog-request-params"] == routing


async def test_a_process_without_credentials_is_told_that_the_service_is_unavailable(tmp_path: Path) -> None:
    program = """
import asyncio
from shared.errors import Unavailable
from shared.settings import Settings
from shared.gcp.batch import GoogleBatchJobs
from shared.stores.firestore_client import FirestoreDatabase
async def main():
    for call in (FirestoreDatabase("p", "(default)").ping, lambda: GoogleBatchJobs(Settings(project="p")).describe("j")):
        try:
            await call()
        except Unavailable as error:
            print(error.service, end=" ")
asyncio.run(main())
"""
    (tmp_path / "key.json").write_text("{}")
    output, errors, status = await run(program, {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")})
    assert (output, status) == ("Firestore Batch", 0), errors


async def run(program: str, env: dict[str, str]) -> tuple[str, str, int | None]:
    """Return what a program writes to standard output and error, and its status."""
    env = {**env, "PYTHONPATH": str(Path(__file__).parent.parent.parent.parent)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program), env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    return output.decode().strip(), errors.decode(), process.returncode
