"""What a store keeps of a user, whole; the service itself never asks for that."""

from shared.ports import RunFilter, RunStore
from shared.records import Run


async def runs_of(store: RunStore, owner: str, *, limit: int = 100) -> list[Run]:
    """The newest runs of this e-mail."""
    listed = await store.page(RunFilter(owner), limit=limit)
    return [run for each in listed if (run := await store.get(each.run_id)) is not None]
