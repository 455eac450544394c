"""The STACK predictor with a fake of STACK's process: its input, and the use of its output."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from scipy import sparse

from orchestrator.atlas.profiles import Profile
from orchestrator.prediction.predictor import PromptCells, PromptGroup
from orchestrator.prediction.stack import MIN_TEST_CELLS, StackFailed, StackPredictor, from_env
from shared.errors import SettingsInvalid

GENES = ["A", "b", "C", "c", "D"]
QUERY = sparse.csr_matrix(np.arange(15, dtype=np.float32).reshape(3, 5))

# Records its input beside the checkpoint; its model knows the genes B, D and one that the atlas lacks.
FAKE_STACK = """\
    import json, os, sys
    import anndata as ad, numpy as np, pandas as pd
    isolated, quiet, script, checkpoint, base, test, genelist, folder, seed = sys.argv[1:]
    base, test = ad.read_h5ad(base), ad.read_h5ad(test)
    received = {
        "isolated": isolated,
        "seed": seed,
        "splits": base.obs["split"].astype(str).tolist(),
        "base": base.X.toarray().tolist(),
        "test": list(test.shape),
        "genes": base.var_names.tolist(),
        "environment": sorted(os.environ),
    }
    with open(checkpoint + ".received", "w") as file:
        json.dump(received, file)
    for split in sorted(base.obs["split"].unique()):
        counts = np.tile({"perturbed": [7.0, 0.0, 9.0], "control": [1.0, 2.0, 9.0]}[split], (test.n_obs, 1))
        made = ad.AnnData(counts, obs=test.obs, var=pd.DataFrame(index=["B", "D", "ELSEWHERE"]))
        made.write_h5ad(f"{folder}/{split}.h5ad")
"""


@pytest.fixture
def stack(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Return an environment with STACK configured, and this program as its interpreter."""

    def make(program: str = FAKE_STACK) -> dict[str, str]:
        python = tmp_path / "python"
        python.write_text(f"#!{sys.executable}\n{dedent(program)}")
        python.chmod(0o755)
        checkpoint, genelist = tmp_path / "model.ckpt", tmp_path / "genes.pkl"
        checkpoint.touch()
        genelist.touch()
        return {
            "STACK_CHECKPOINT": str(checkpoint),
            "STACK_GENELIST": str(genelist),
            "STACK_PYTHON": str(python),
            "PATH": "/usr/bin:/bin",
            "ANTHROPIC_API_KEY": "secret",
        }

    return make


def predictor(environment: Mapping[str, str]) -> StackPredictor:
    found = from_env(environment)
    assert found is not None
    return found


def prompt(cells: int, *, control: int | None, count: float = 1.0) -> PromptGroup:
    def full(size: int, value: float) -> sparse.csr_matrix:
        return sparse.csr_matrix(np.full((size, 5), value, dtype=np.float32))

    matched = None if control is None else full(control, 2.0)
    return PromptGroup.of("D1", "T", PromptCells(full(cells, count), matched, full(2, 3.0)))


def test_its_output_replaces_the_genes_it_knows_and_leaves_the_others(
    stack: Callable[..., dict[str, str]],
) -> None:
    prompts, fake = [prompt(6, control=4), prompt(2, control=1)], predictor(stack())
    found = fake.predict(QUERY, prompts, genes=GENES, seed=5)
    assert found.perturbed.toarray().tolist() == [[0, 7, 2, 3, 0], [5, 7, 7, 8, 0], [10, 7, 12, 13, 0]]
    assert found.control is not None
    assert found.control.toarray().tolist() == [[0, 1, 2, 3, 2], [5, 1, 7, 8, 2], [10, 1, 12, 13, 2]]
    assert fake.weights(Profile.of(QUERY), prompts) == (0.75, 0.25)


def test_its_process_gets_prompt_cells_by_split_enough_test_cells_and_no_secret(
    stack: Callable[..., dict[str, str]],
) -> None:
    environment = stack()
    predictor(environment).predict(
        QUERY, [prompt(2, control=1), prompt(1, control=1, count=4.0)], genes=GENES, seed=2**32 - 1
    )
    received = json.loads(Path(f"{environment['STACK_CHECKPOINT']}.received").read_text())
    assert received["splits"] == ["perturbed"] * 3 + ["control"] * 2
    assert [row[0] for row in received["base"]] == [1, 1, 4, 2, 2]
    assert received["genes"] == ["A", "b", "C", "D"]
    assert received["test"] == [MIN_TEST_CELLS, 4]
    assert int(received["seed"]) < 2**31
    assert received["isolated"] == "-I"
    assert "ANTHROPIC_API_KEY" not in received["environment"]


def test_without_matched_controls_there_is_one_split_and_no_control_prediction(
    stack: Callable[..., dict[str, str]],
) -> None:
    environment = stack()
    found = predictor(environment).predict(QUERY, [prompt(2, control=1), prompt(1, control=None)], genes=GENES, seed=1)
    assert found.control is None
    received = json.loads(Path(f"{environment['STACK_CHECKPOINT']}.received").read_text())
    assert received["splits"] == ["perturbed"] * 3


def test_a_failed_process_is_reported_with_its_output(stack: Callable[..., dict[str, str]]) -> None:
    broken = predictor(stack("import sys; print('no such weights'); sys.exit(3)"))
    with pytest.raises(StackFailed, match=r"exit code 3: no such weights"):
        broken.predict(QUERY, [prompt(2, control=1)], genes=GENES, seed=1)


def test_a_missing_interpreter_is_reported(stack: Callable[..., dict[str, str]]) -> None:
    with pytest.raises(StackFailed, match="cannot be started"):
        predictor(stack() | {"STACK_PYTHON": "/nowhere/python"}).predict(
            QUERY, [prompt(2, control=1)], genes=GENES, seed=1
        )


def test_it_is_used_only_if_checkpoint_and_gene_list_are_set(stack: Callable[..., dict[str, str]]) -> None:
    assert from_env({}) is None
    assert predictor(stack()).name == "STACK (model.ckpt)"
    with pytest.raises(SettingsInvalid, match="STACK_GENELIST is missing"):
        from_env({"STACK_CHECKPOINT": stack()["STACK_CHECKPOINT"]})
    with pytest.raises(SettingsInvalid, match="does not exist"):
        from_env(stack() | {"STACK_GENELIST": "/nowhere/genes.pkl"})
