"""The same seed, atlas and config give byte-identical results."""

from collections.abc import Callable
from typing import Any

from orchestrator.main import run_job
from tests.support.orchestrator.delivered import delivered
from tests.support.orchestrator.world import World

CONDITIONS = {"CD14 Mono": ("IFN-alpha1",), "cDC": ("IFN-beta",), "B cells": ("IFN-beta",)}


async def answered(here: World) -> dict[str, Any]:
    await run_job(here.run_id, here.ports)
    return delivered(here)


async def test_two_runs_of_one_seed_are_identical_to_the_byte_and_another_seed_differs(
    answer_from: Callable[..., World],
) -> None:
    limits = {"score_threshold": 10, "max_iterations": 3}
    first = await answered(answer_from(CONDITIONS, random_seed=1, **limits))
    assert len(first["log"]["iterations"]) == 3
    assert await answered(answer_from(CONDITIONS, random_seed=1, **limits)) == first
    other = await answered(answer_from(CONDITIONS, random_seed=2, **limits))
    assert other["matrices"]["X"] != first["matrices"]["X"]
