"""What only Firestore's store has: documents that Firestore deletes by themselves."""

from shared.runs.states import KEY_LIFETIME
from shared.stores.firestore import FirestoreRunStore
from shared.stores.firestore_client import FirestoreDatabase, decode_fields
from tests.support.builders import make_run


async def test_the_document_of_a_key_outlives_the_key_on_every_clock_and_is_then_deleted(
    firestore: FirestoreDatabase,
) -> None:
    run = make_run(idempotency_key="d" * 64)
    await FirestoreRunStore(firestore).create(run)
    found = await firestore.read(f"{firestore.documents}/idempotency_keys/{run.idempotency_key}")
    assert found is not None
    assert decode_fields(found) == {"run_id": run.run_id, "expire_at": run.created_at + 2 * KEY_LIFETIME}
