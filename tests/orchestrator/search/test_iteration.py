"""What an answer says of the cells that it rests on."""

import json
from collections.abc import Callable
from html import escape

import pytest

from orchestrator.main import Exit, run_job
from tests.support.orchestrator.small_atlas import GENES
from tests.support.orchestrator.world import World

AnswerFrom = Callable[..., World]
DONORS = ("D1", "D2", "D3")


@pytest.mark.parametrize("batches", [{"PBS": "b1", "IFN-beta": "b2"}, None])
async def test_regression_an_answer_from_another_batch_than_its_controls_says_so(
    answer_from: AnswerFrom, batches: dict[str, str] | None
) -> None:
    here = answer_from({"CD14 Mono": ("IFN-beta",), "B": ("IFN-beta",)}, donors=DONORS, batches=batches)
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    told = "In the atlas, cells under IFN-beta and their controls differ in batch, too: a response cannot be told from this difference."
    evidence = json.loads(here.file("log.json").read_text())["evidence"]
    limit = "Perturbed cells and their controls differ in batch, too, so the confidence is at most low."
    page = here.file("report.html").read_text()
    reading = page.partition('class="reading"')[2].partition("</section>")[0]
    for found in (told in here.outcome.notes, limit in evidence["confidence_reason"], escape(told) in reading):
        assert found == bool(batches)
    assert (evidence["confidence"] in {"moderate", "high"}) == (not batches)


async def test_regression_donors_with_too_few_cells_are_not_dropped_silently(answer_from: AnswerFrom) -> None:
    here = answer_from({"CD14 Mono": ("IFN-beta",)}, donors=DONORS, perturbed_cells={"D2": 4})
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    notes = " ".join(here.outcome.notes)
    assert "Not used: 1 of 3 donors, with fewer than 5 CD14-positive monocytes under IFN-beta." in notes


async def test_a_panel_of_few_genes_is_told(answer_from: AnswerFrom) -> None:
    here = answer_from({"CD14 Mono": ("IFN-beta",)}, donors=DONORS)
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    assert any(note.startswith(f"The atlas measures only {len(GENES)} genes.") for note in here.outcome.notes)


async def test_donors_with_enough_cells_are_not_told(answer_from: AnswerFrom) -> None:
    here = answer_from({"CD14 Mono": ("IFN-beta",)}, donors=DONORS, perturbed_cells={"D2": 5})
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    assert "Not used" not in " ".join(here.outcome.notes)
