"""STACK as a predictor: what its process is given and what is made of its answer, with a stand-in for the process."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from scipy import sparse

from orchestrator.inference import PromptCells
from orchestrator.stack_predictor import MIN_TEST_CELLS, StackFailed, StackPredictor, from_env
from shared.errors import SettingsInvalid

GENES = ["A", "b", "C", "c", "D"]
QUERY = sparse.csr_matrix(np.arange(15, dtype=np.float32).reshape(3, 5))

# Keeps what it is told beside the checkpoint; its model knows the genes B, D and one that the atlas lacks.
STAND_IN = """\
    import json, os, sys
    import anndata as ad, numpy as np, pandas as pd
    isolated, quiet, script, checkpoint, base, test, genelist, folder, seed = sys.argv[1:]
    base, test = ad.read_h5ad(base), ad.read_h5ad(test)
    told = {
        "isolated": isolated,
        "seed": seed,
        "splits": base.obs["split"].astype(str).tolist(),
        "base": base.X.toarray().tolist(),
        "test": list(test.shape),
        "genes": base.var_names.tolist(),
        "environment": sorted(os.environ),
    }
    with open(checkpoint + ".told", "w") as file:
        json.dump(told, file)
    for split in sorted(base.obs["split"].unique()):
        counts = np.tile({"perturbed": [7.0, 0.0, 9.0], "control": [1.0, 2.0, 9.0]}[split], (test.n_obs, 1))
        made = ad.AnnData(counts, obs=test.obs, var=pd.DataFrame(index=["B", "D", "ELSEWHERE"]))
        made.write_h5ad(f"{folder}/{split}.h5ad")
"""


@pytest.fixture
def stack(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """An environment with STACK set up, and this program in the place of its interpreter."""

    def make(program: str = STAND_IN) -> dict[str, str]:
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


def prompt(cells: int, *, control: int | None, count: float = 1.0) -> PromptCells:
    def full(size: int, value: float) -> sparse.csr_matrix:
        return sparse.csr_matrix(np.full((size, 5), value, dtype=np.float32))

    return PromptCells("D1", "T", full(cells, count), None if control is None else full(control, 2.0), full(2, 3.0))


def test_its_answer_takes_the_place_of_the_genes_it_knows_and_the_others_stay_as_they_are(
    stack: Callable[..., dict[str, str]],
) -> None:
    prompts, stands = [prompt(6, control=4), prompt(2, control=1)], predictor(stack())
    found = stands.predict(QUERY, prompts, genes=GENES, seed=5)
    assert found.perturbed.toarray().tolist() == [[0, 7, 2, 3, 0], [5, 7, 7, 8, 0], [10, 7, 12, 13, 0]]
    assert found.control is not None
    assert found.control.toarray().tolist() == [[0, 1, 2, 3, 2], [5, 1, 7, 8, 2], [10, 1, 12, 13, 2]]
    assert stands.weights(QUERY, prompts) == (0.75, 0.25)


def test_its_process_gets_prompt_cells_by_split_enough_test_cells_and_no_secret(
    stack: Callable[..., dict[str, str]],
) -> None:
    environment = stack()
    predictor(environment).predict(
        QUERY, [prompt(2, control=1), prompt(1, control=1, count=4.0)], genes=GENES, seed=2**32 - 1
    )
    told = json.loads(Path(f"{environment['STACK_CHECKPOINT']}.told").read_text())
    assert told["splits"] == ["perturbed"] * 3 + ["control"] * 2
    assert [row[0] for row in told["base"]] == [1, 1, 4, 2, 2]
    assert told["genes"] == ["A", "b", "C", "D"]
    assert told["test"] == [MIN_TEST_CELLS, 4]
    assert int(told["seed"]) < 2**31
    assert told["isolated"] == "-I"
    assert "ANTHROPIC_API_KEY" not in told["environment"]


def test_without_matched_controls_there_is_one_split_and_no_control_prediction(
    stack: Callable[..., dict[str, str]],
) -> None:
    environment = stack()
    found = predictor(environment).predict(QUERY, [prompt(2, control=1), prompt(1, control=None)], genes=GENES, seed=1)
    assert found.control is None
    told = json.loads(Path(f"{environment['STACK_CHECKPOINT']}.told").read_text())
    assert told["splits"] == ["perturbed"] * 3


def test_a_process_that_fails_is_told_with_what_it_said(stack: Callable[..., dict[str, str]]) -> None:
    broken = predictor(stack("import sys; print('no such weights'); sys.exit(3)"))
    with pytest.raises(StackFailed, match=r"exit code 3: no such weights"):
        broken.predict(QUERY, [prompt(2, control=1)], genes=GENES, seed=1)


def test_an_interpreter_that_is_not_there_is_told(stack: Callable[..., dict[str, str]]) -> None:
    with pytest.raises(StackFailed, match="cannot be started"):
        predictor(stack() | {"STACK_PYTHON": "/nowhere/python"}).predict(
            QUERY, [prompt(2, control=1)], genes=GENES, seed=1
        )


def test_it_is_used_only_where_checkpoint_and_gene_list_are_set(stack: Callable[..., dict[str, str]]) -> None:
    assert from_env({}) is None
    assert predictor(stack()).name == "STACK (model.ckpt)"
    with pytest.raises(SettingsInvalid, match="STACK_GENELIST is missing"):
        from_env({"STACK_CHECKPOINT": stack()["STACK_CHECKPOINT"]})
    with pytest.raises(SettingsInvalid, match="there is no file"):
        from_env(stack() | {"STACK_GENELIST": "/nowhere/genes.pkl"})
