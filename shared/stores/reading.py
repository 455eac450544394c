"""Read stored runs of which some may be unreadable, because newer code wrote them before it was rolled back."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from shared import logs
from shared.logs import Severity

Stored = TypeVar("Stored")
Read = TypeVar("Read")
UNREADABLE: Final = "a stored run cannot be read"


async def readable_page(
    fetch: Callable[[int, int], Awaitable[Sequence[tuple[str, Stored]]]],
    read: Callable[[Stored], Read],
    *,
    limit: int,
    offset: int,
) -> list[Read]:
    """Return `limit` runs that can be read, fewer only if there are no more, and log an error for each other one.

    Args:
        fetch: returns up to as many ids and stored forms as its first argument, after as many others as its second.
        read: reads the stored form.
    """
    found = list[Read]()
    while missing := limit - len(found):
        stored = await fetch(missing, offset)
        for run_id, each in stored:
            try:
                found.append(read(each))
            except (ValueError, TypeError) as error:
                logs.log(Severity.ERROR, UNREADABLE, error=error, run_id=run_id)
        offset += len(stored)
        if len(stored) < missing:
            break
    return found
