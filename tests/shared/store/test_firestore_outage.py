"""An outage of Firestore is over for the service when it is over, and not when gRPC cares to look again."""

import asyncio
import contextlib
import time

from local.processes import free_port
from shared.errors import Unavailable
from shared.stores.firestore_client import FirestoreDatabase

OUTAGE = 10.0
"""By then gRPC, left to itself, would pause for some six seconds before it connects again, and for two minutes in the end."""
SOON = 4.0


async def test_firestore_is_found_again_soon_after_a_long_outage(firestore_host: str) -> None:
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What a client sends goes to the emulator, and its answers back."""
        host, port = firestore_host.rsplit(":", 1)
        there, back = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pass_on(reader, back), pass_on(there, writer))

    here = free_port()
    database = FirestoreDatabase("outage", "(default)", f"127.0.0.1:{here}", deadline=0.5)
    began = time.monotonic()
    while time.monotonic() < began + OUTAGE:
        assert not await answers(database)
        await asyncio.sleep(0.1)
    async with await asyncio.start_server(forward, "127.0.0.1", here):
        back = time.monotonic()
        while not await answers(database):
            assert time.monotonic() < back + SOON
            await asyncio.sleep(0.1)
        await database.close()


async def answers(database: FirestoreDatabase) -> bool:
    """Whether the database can be read."""
    try:
        await database.read(f"{database.documents}/health/ping")
    except Unavailable:
        return False
    return True


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one of the two ends."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
