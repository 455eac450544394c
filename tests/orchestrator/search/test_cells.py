"""The cells that are read for a prompt: few per group if there are many groups, and the same ones each time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from orchestrator.atlas.atlas import Atlas
from orchestrator.config import JobConfig
from orchestrator.question.analysis import Question
from orchestrator.search.cells import CellSource
from orchestrator.search.strategies import candidates


def test_a_prompt_of_many_groups_reads_no_more_cells_than_the_limit(
    ask: Callable[[str], Question], atlas_root: Path
) -> None:
    question = ask("How would CD8 T cells respond to TNF?")
    config = replace(JobConfig(), max_prompt_cells=200)
    source = CellSource(Atlas(atlas_root / question.dataset.name), question.target, config, 1)
    largest = max(candidates(question.target, source.available), key=lambda prompt: len(prompt.groups))
    cells = source.prompt(largest)
    sizes = [group.perturbed.shape[0] for group in cells]
    assert len(cells) == len(largest.groups) > 10
    assert min(sizes) >= config.min_group_cells
    assert sum(sizes) <= config.max_prompt_cells
    assert all(group.control is None or group.control.shape[0] <= max(sizes) for group in cells)


def test_the_query_cells_are_shared_out_over_donors_and_stay_the_same(
    ask: Callable[[str], Question], atlas_root: Path
) -> None:
    question = ask("How would CD8 T cells respond to TNF?")
    config = replace(JobConfig(), max_query_cells=60)
    one, again = (
        CellSource(Atlas(atlas_root / question.dataset.name), question.target, config, 1).query for _ in range(2)
    )
    assert np.array_equal(one.rows, again.rows)
    assert sorted(one.donors.count(donor) for donor in set(one.donors)) == [20, 20, 20]
    assert one.counts.shape[0] == 60
