"""Google's services are reached with the process's own credentials, without their libraries and without harm to who wants those."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from local.serving import serving
from local.storage.signing_key import SigningKey
from shared.google_grpc import library_left_out

KEY = SigningKey.generate("reader@p.iam.gserviceaccount.com")


def certificate() -> bytes:
    """A certificate of `localhost`, signed by its own key, good for an hour."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, KEY.public_key, x509.random_serial_number())
    now = datetime.now(UTC)
    builder = builder.not_valid_before(now - timedelta(minutes=1)).not_valid_after(now + timedelta(hours=1))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    made = builder.add_extension(names, critical=False).sign(KEY.private_key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM)


class Firestore(grpc.GenericRpcHandler):
    """A Firestore without documents, which notes who asks."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Answer any call."""

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


async def test_the_real_service_is_asked_over_tls_with_a_token_of_this_process(
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
from shared.store.firestore_database import FirestoreDatabase
database = FirestoreDatabase("p", "(default)", host="{host}")
print(asyncio.run(database.read(database.documents + "/runs/run_0123456789ab")))
"""
        env = {
            "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json"),
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(tmp_path / "roots.pem"),
            "PYTHONPATH": str(Path(__file__).parent.parent.parent),
        }
        done = await run(program, env)
    assert done == "None"
    assert len(service.asked) == 1
    assert service.asked[0]["authorization"] == "Bearer a-token"
    assert service.asked[0]["google-cloud-resource-prefix"] == "projects/p/databases/(default)"
    assert service.asked[0]["x-goog-request-params"] == "project_id=p&database_id=%28default%29"


async def run(program: str, env: dict[str, str]) -> str:
    """What a program prints; it must end well."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program), env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    told, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return told.decode().strip()


def test_a_library_that_was_left_out_can_be_imported_later_and_has_the_same_messages() -> None:
    program = """
import sys
import shared.batch, shared.store.firestore
assert "google.cloud.firestore_v1" not in sys.modules and "google.cloud.batch_v1" not in sys.modules
from google.cloud import batch_v1, firestore
assert batch_v1.Job is shared.batch.batch_v1.Job
assert firestore.AsyncClient and batch_v1.BatchServiceAsyncClient
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_library_that_is_there_already_is_left_as_it_is() -> None:
    before = sys.modules["shared"]
    with library_left_out("shared"):
        assert sys.modules["shared"] is before
    assert sys.modules["shared"] is before


def test_a_library_that_is_not_installed_is_told_by_its_name() -> None:
    with (
        pytest.raises(ModuleNotFoundError, match=r"google\.cloud\.nothing_v1"),
        library_left_out("google.cloud.nothing_v1"),
    ):
        raise AssertionError
    assert "google.cloud.nothing_v1" not in sys.modules
