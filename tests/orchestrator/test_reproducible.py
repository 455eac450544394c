"""The same seed, atlas and config give the same numbers, to the byte."""

import json
from collections.abc import Callable

import anndata as ad

from orchestrator.main import run_job
from tests.orchestrator.world import World

CONDITIONS = {"CD14 Mono": ("IFN-alpha1",), "cDC": ("IFN-beta",), "B cells": ("IFN-beta",)}


async def answered(here: World) -> tuple[ad.AnnData, str]:
    """The predictions, and what the log tells of prompts, weights and scores without the time it took."""
    await run_job(here.run_id, here.ports)
    iterations = json.loads(here.file("log.json").read_text())["iterations"]
    assert len(iterations) == 3
    for each in iterations:
        del each["duration_seconds"]
    return ad.read_h5ad(here.file("predictions.h5ad")), json.dumps(iterations)


async def test_two_runs_of_one_seed_are_identical_to_the_byte_and_another_seed_differs(
    answer_from: Callable[..., World],
) -> None:
    limits = {"score_threshold": 10, "max_iterations": 3}
    first, told = await answered(answer_from(CONDITIONS, random_seed=1, **limits))
    again, told_again = await answered(answer_from(CONDITIONS, random_seed=1, **limits))
    other, _ = await answered(answer_from(CONDITIONS, random_seed=2, **limits))
    assert told == told_again
    for name in (None, *first.layers):
        mine, theirs = (each.X if name is None else each.layers[name] for each in (first, again))
        assert mine.data.tobytes() == theirs.data.tobytes()
        assert mine.indices.tobytes() == theirs.indices.tobytes()
    assert first.obs.equals(again.obs)
    assert first.var.equals(again.var)
    for column in first.var.select_dtypes("number"):
        assert first.var[column].to_numpy().tobytes() == again.var[column].to_numpy().tobytes()
    assert first.uns["enrichment"].equals(again.uns["enrichment"])
    assert first.X.data.tobytes() != other.X.data.tobytes()
