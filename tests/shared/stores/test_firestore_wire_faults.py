"""Crash matrix on the wire to Firestore: the real adapter, the emulator, and a proxy between them that injects faults."""

from uuid import uuid4

import pytest
from grpc import StatusCode

from shared.stores.firestore import FirestoreRunStore
from shared.stores.firestore_client import DEADLINE, FirestoreDatabase
from tests.support.fakes import FakeBatch
from tests.support.invariants import (
    ENDS,
    Operation,
    World,
    cancel_a_running_run,
    create_with_a_key_and_retry_it,
    live_through,
)
from tests.support.wire_faults import Duration, FaultyGrpc, WireFault, grpc_troubles, inject_everywhere

TROUBLES = grpc_troubles("Commit")


def goes_unnoticed(fault: WireFault) -> bool:
    """Return whether a retry must have helped: nothing struck, a short outage, or a race that was lost once."""
    if fault.at is None or fault.duration is Duration.LASTING:
        return fault.at is None
    lost_race = fault.trouble is StatusCode.ABORTED and fault.calls[fault.at] in TROUBLES.writes
    return fault.trouble is StatusCode.UNAVAILABLE or lost_race


@pytest.mark.parametrize(
    "operation", [each for each in ENDS if each is not cancel_a_running_run]
)  # the same calls as for a pending run
async def test_the_law_holds_whatever_firestore_answers_to_any_call(operation: Operation, firestore_host: str) -> None:
    async def live(fault: WireFault, host: str, deadline: float | None) -> None:
        project = f"test-{uuid4().hex[:12]}"
        sound = FirestoreDatabase(project, "(default)", firestore_host)
        faulty = FirestoreDatabase(project, "(default)", host, deadline=deadline or DEADLINE)
        world = World(FirestoreRunStore(sound), FakeBatch())
        met = await live_through(operation, world, FirestoreRunStore(faulty), world.batch)
        if goes_unnoticed(fault):
            assert met is None, repr(met)
        if operation is create_with_a_key_and_retry_it:
            assert len(world.finished) == 1
        await faulty.close()
        await sound.close()

    tried = await inject_everywhere(lambda: FaultyGrpc(firestore_host), TROUBLES, live)
    print(f"{tried} on the wire to Firestore")  # noqa: T201  # shown by `pytest -rP`
