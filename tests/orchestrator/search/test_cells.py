"""The groups of a prompt: profiles of all their cells, and on demand a few cells, the same ones each time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from orchestrator.atlas.atlas import Atlas
from orchestrator.config import JobConfig
from orchestrator.question.analysis import Question
from orchestrator.search.cells import CellSource
from orchestrator.search.strategies import candidates


def test_a_group_is_a_profile_of_all_its_cells_and_gives_no_more_cells_than_asked_for(
    ask: Callable[[str], Question], atlas_root: Path
) -> None:
    question = ask("How would CD8 T cells respond to TNF?")
    atlas = Atlas(atlas_root / question.dataset.folder)
    source = CellSource(atlas, question.target, JobConfig(), 1)
    largest = max(candidates(question.target, source.available), key=lambda prompt: len(prompt.groups))
    for label in largest.groups[:5]:
        group = source.group(label)
        assert group.perturbed.cells == atlas.size(label)
        cells = group.cells(7)
        assert cells.perturbed.shape[0] == min(7, atlas.size(label))
        assert cells.control is not None
        assert cells.control.shape[0] <= 7


def test_the_query_cells_are_shared_out_over_donors_and_stay_the_same(
    ask: Callable[[str], Question], atlas_root: Path
) -> None:
    question = ask("How would CD8 T cells respond to TNF?")
    config = replace(JobConfig(), max_query_cells=60)
    one, again = (
        CellSource(Atlas(atlas_root / question.dataset.folder), question.target, config, 1).query for _ in range(2)
    )
    assert np.array_equal(one.rows, again.rows)
    assert sorted(one.donors.count(donor) for donor in set(one.donors)) == [20, 20, 20]
    assert one.counts.shape[0] == 60
