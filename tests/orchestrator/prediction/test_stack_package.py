"""The real `arc-stack` with a tiny model of random weights: `make test-stack`.

The test covers the path only; predictions from random weights are meaningless.
"""

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from orchestrator.main import Exit, run_job
from orchestrator.prediction.predictor import PromptCells, PromptGroup
from orchestrator.prediction.stack import from_env
from shared.runs.records import Run
from tests.support.orchestrator.world import World

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("STACK_PYTHON"),
        reason="STACK is not installed here: `make test-stack` installs and tests it",
    ),
    pytest.mark.timeout(600),
]

GENES = [f"G{i}" for i in range(60)]

MAKE_TINY_MODEL = """
import pickle, sys, torch
from stack.model_finetune import ICL_FinetunedModel
checkpoint, genelist, *genes = sys.argv[1:]
torch.manual_seed(0)
config = dict(n_genes=len(genes), n_hidden=8, token_dim=4, n_cells=64, n_layers=1, n_heads=2)
weights = {"model." + name: value for name, value in ICL_FinetunedModel(**config).state_dict().items()}
torch.save({"hyper_parameters": {"model_config": config}, "state_dict": weights}, checkpoint)
with open(genelist, "wb") as file:
    pickle.dump(genes, file)
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[[Sequence[str]], Mapping[str, str]]:
    """Return the environment of a STACK model with random weights that knows these genes."""

    def make(genes: Sequence[str]) -> Mapping[str, str]:
        files = {"STACK_CHECKPOINT": str(tmp_path / "tiny.ckpt"), "STACK_GENELIST": str(tmp_path / "genes.pkl")}
        subprocess.run([os.environ["STACK_PYTHON"], "-c", MAKE_TINY_MODEL, *files.values(), *genes], check=True)
        return {**os.environ, **files}

    return make


def cells(seed: int, n: int) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.random.default_rng(seed).poisson(2.0, (n, len(GENES))).astype(np.float32))


def test_it_generates_whole_counts_for_its_genes_and_the_same_ones_by_the_same_seed(
    tiny: Callable[[Sequence[str]], Mapping[str, str]],
) -> None:
    stack = from_env(tiny([*GENES[:40], "NOT-HERE"]))
    assert stack is not None
    query, prompts = cells(1, 25), [PromptGroup.of("D", "T", PromptCells(cells(2, 30), cells(3, 20), cells(3, 20)))]
    first, again, other = (stack.predict(query, prompts, genes=GENES, seed=seed) for seed in (1, 1, 2))
    assert first.control is not None
    after = first.perturbed.toarray()
    assert after.shape == query.shape
    assert np.array_equal(after, np.rint(after))
    assert after.min() >= 0
    assert np.array_equal(after[:, 40:], query.toarray()[:, 40:])
    assert not np.array_equal(after[:, :40], query.toarray()[:, :40])
    assert not np.array_equal(after, first.control.toarray())
    assert (first.perturbed != again.perturbed).nnz == 0
    assert (first.perturbed != other.perturbed).nnz > 0


async def test_a_run_with_it_is_evaluated_like_any_other(
    tiny: Callable[[Sequence[str]], Mapping[str, str]],
    world: Callable[[Run], World],
    make_run: Callable[..., Run],
    demo_h5ad: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    genes = ad.read_h5ad(demo_h5ad, backed="r").var_names[:300]
    for name, value in tiny(list(genes)).items():
        monkeypatch.setenv(name, value)
    here = world(make_run("How would CD14 monocytes respond to IFN-gamma?", max_iterations=1))
    assert await run_job(here.run_id, here.ports) is Exit.DONE
    log = json.loads(here.file("log.json").read_text())
    assert log["predictor"] == "STACK (tiny.ckpt)"
    # Random weights must not score well.
    assert here.score < 5
