"""Identity tokens: where they come from, where they are sent, and that they are never printed."""

import asyncio
import stat
from pathlib import Path

import pytest

from haystack_client import Client, RequestRefused
from haystack_client.identity import Bearer
from tests.haystack_client.conftest import Script
from tests.haystack_client.test_transport import EMPTY, STRANGER

TOKEN = "header.payload.signature"


async def test_a_token_from_the_environment_is_sent_and_never_printed() -> None:
    script = Script(STRANGER)
    async with script.served() as haystack:
        done = await haystack("list", HAYSTACK_TOKEN=TOKEN)
    assert done.code == 4
    assert [request.headers["authorization"] for request in script.requests] == [f"Bearer {TOKEN}"]
    assert TOKEN not in done.out + done.err


async def test_an_invalid_token_is_refused_without_being_printed() -> None:
    script = Script(EMPTY)
    async with script.served() as haystack:
        done = await haystack("list", HAYSTACK_TOKEN="Bearer my secret")
    assert (done.code, len(script.requests)) == (4, 0)
    assert "secret" not in done.out + done.err


async def test_gcloud_creates_the_token_for_an_audience(tmp_path: Path) -> None:
    gcloud(tmp_path, f'echo "$@" > {tmp_path}/asked; echo {TOKEN}')
    script = Script(EMPTY)
    async with script.served() as haystack:
        done = await haystack(
            "list",
            PATH=f"{tmp_path}:/usr/bin:/bin",
            HAYSTACK_AUDIENCE="client-1",
            HAYSTACK_SERVICE_ACCOUNT="me@example.com",
        )
    assert done.code == 0, done.err
    assert script.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert (tmp_path / "asked").read_text().split() == [
        "auth",
        "print-identity-token",
        "--audiences=client-1",
        "--impersonate-service-account=me@example.com",
        "--include-email",
    ]


async def test_an_error_of_gcloud_is_printed(tmp_path: Path) -> None:
    gcloud(tmp_path, "echo 'Requires valid service account.' >&2; exit 1")
    async with Script(EMPTY).served() as haystack:
        done = await haystack("list", PATH=f"{tmp_path}:/usr/bin:/bin", HAYSTACK_AUDIENCE="client-1")
    assert done.code == 4
    assert "Requires valid service account." in done.err
    assert "HAYSTACK_SERVICE_ACCOUNT" in done.err


async def test_an_expired_token_is_renewed_once() -> None:
    tokens = iter(["old", "new"])
    script = Script(EMPTY, STRANGER, EMPTY)
    async with script.served() as haystack:

        def ask_twice() -> None:
            with Client(haystack.url, identity=Bearer(lambda: next(tokens))) as client:
                client.list_runs(limit=1)
                client.list_runs(limit=1)

        await asyncio.to_thread(ask_twice)
    assert [request.headers["authorization"] for request in script.requests] == [
        "Bearer old",
        "Bearer old",
        "Bearer new",
    ]


def test_a_token_is_not_sent_unencrypted() -> None:
    with pytest.raises(RequestRefused, match="unencrypted"):
        Client("http://haystack.example.com", identity=Bearer(lambda: TOKEN))


def gcloud(folder: Path, script: str) -> None:
    """Write a gcloud that runs a shell script."""
    program = folder / "gcloud"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(stat.S_IRWXU)
