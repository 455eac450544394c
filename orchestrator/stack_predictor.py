"""Prediction by the STACK foundation model (`arc-stack`), where an operator has set it up; otherwise nothing of it is touched.

The package and its weights are for non-commercial use (CC BY-NC-SA 4.0 and Arc's model licence). It lives in an environment of its own
(`orchestrator/requirements-stack.txt`) and is run as a subprocess: prompt cells are its base cells, query cells its test cells, and its
two splits are the prediction and the synthetic control.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from orchestrator import stack_generation
from orchestrator.inference import Prediction, PromptCells
from shared.errors import SettingsInvalid

PERTURBED: Final = "perturbed"
CONTROL: Final = "control"
MIN_TEST_CELLS: Final = 256
"""STACK fills its last window of cells with the first test cells and breaks where there are too few of them; with this many, windows of
up to 1,400 cells are filled. Query cells are repeated up to it, and what is generated for the repeats is left out."""
PASSED_ON: Final = ("PATH", "HOME", "LANG", "TMPDIR", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "OMP_NUM_THREADS")
"""What STACK's process gets of the environment; keys and settings of the service stay here."""
TOLD: Final = 2000


class StackFailed(Exception):
    """STACK gave no prediction; the message ends with what it said."""


@dataclass(frozen=True)
class StackModel:
    """Where STACK is.

    Attributes:
        checkpoint: the trained model (`.ckpt`).
        genelist: the pickled list of its genes; as any pickle, it must be trusted like code.
        python: the interpreter that has `arc-stack`.
        environment: what its process gets.
    """

    checkpoint: Path
    genelist: Path
    python: str
    environment: Mapping[str, str]


def from_env(environment: Mapping[str, str]) -> "StackPredictor | None":
    """The predictor that STACK_CHECKPOINT and STACK_GENELIST (and STACK_PYTHON, this interpreter by default) describe; None without them.

    Raises:
        SettingsInvalid: only one of them is set, or a file is not there.
    """
    names = ("STACK_CHECKPOINT", "STACK_GENELIST")
    given = {name: environment.get(name, "").strip() for name in names}
    if not any(given.values()):
        return None
    faults = [f"{name} is missing" for name in names if not given[name]]
    faults += [f"{name}: there is no file {path}" for name, path in given.items() if path and not Path(path).is_file()]
    if faults:
        raise SettingsInvalid(faults)
    checkpoint, genelist = (Path(given[name]).absolute() for name in names)
    python = environment.get("STACK_PYTHON", "").strip() or sys.executable
    passed = {name: environment[name] for name in PASSED_ON if name in environment}
    return StackPredictor(StackModel(checkpoint, genelist, python, passed))


class StackPredictor:
    """A `Predictor` that runs STACK in a subprocess.

    Genes that the model does not know are not predicted: they keep the counts of the query cells in both predictions.

    Args:
        model: where STACK is.
    """

    def __init__(self, model: StackModel) -> None:
        self._model = model
        self.name = f"STACK ({model.checkpoint.name})"

    def predict(
        self, query: sparse.csr_matrix, prompts: Sequence[PromptCells], *, genes: Sequence[str], seed: int
    ) -> Prediction:
        """See `Predictor.predict`.

        Raises:
            StackFailed: its process failed.
        """
        splits = {PERTURBED: [prompt.perturbed for prompt in prompts]}
        controls = [prompt.control for prompt in prompts if prompt.control is not None]
        if len(controls) == len(prompts):
            splits[CONTROL] = controls
        with tempfile.TemporaryDirectory(prefix="stack-") as made:
            folder = Path(made)
            base = sparse.vstack([cells for parts in splits.values() for cells in parts], format="csr")
            labels = np.repeat(list(splits), [sum(part.shape[0] for part in parts) for parts in splits.values()])
            rows = np.arange(max(query.shape[0], MIN_TEST_CELLS)) % query.shape[0]
            _write(folder / "base.h5ad", base, genes, labels)
            _write(folder / "test.h5ad", query[rows], genes, np.repeat("query", len(rows)))
            self._generate(folder, seed)
            predicted = {split: _merged(query, genes, folder / f"{split}.h5ad") for split in splits}
        return Prediction(predicted[PERTURBED], predicted.get(CONTROL))

    def weights(self, query: sparse.csr_matrix, prompts: Sequence[PromptCells]) -> tuple[float, ...]:  # noqa: ARG002
        """See `Predictor.weights`. STACK draws from all prompt cells alike, whatever the query."""
        sizes = [prompt.perturbed.shape[0] for prompt in prompts]
        return tuple(size / sum(sizes) for size in sizes)

    def _generate(self, folder: Path, seed: int) -> None:
        # -I: only the installed packages are importable, not the modules beside the script. The package warns at each of its batches.
        command = [self._model.python, "-I", "-Wignore", stack_generation.__file__, str(self._model.checkpoint)]
        command += [str(folder / "base.h5ad"), str(folder / "test.h5ad"), str(self._model.genelist), str(folder)]
        # numpy takes seeds below 2**32, and STACK counts on from the given one.
        command.append(str(seed % 2**31))
        said = folder / "said.txt"
        with said.open("wb") as sink:
            try:
                process = subprocess.Popen(
                    command,
                    env=dict(self._model.environment),
                    stdin=subprocess.PIPE,  # stays open as long as this process lives; see stack_generation
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                raise StackFailed(f"{self._model.python} cannot be started: {error}") from error
            with process:
                code = process.wait()
        if code:
            tail = said.read_text(errors="replace")[-TOLD:].strip()
            raise StackFailed(f"STACK ended with exit code {code}: {tail}")


def _write(path: Path, counts: sparse.csr_matrix, genes: Sequence[str], labels: np.ndarray) -> None:
    """STACK compares gene names in capitals, so of names that differ in case only the first is given."""
    _, first = np.unique(np.char.upper(np.array(genes, dtype=str)), return_index=True)
    kept = np.sort(first)
    cells = ad.AnnData(
        counts[:, kept].astype(np.float32),
        obs=pd.DataFrame(
            {stack_generation.SPLIT_COLUMN: pd.Categorical(labels)}, index=[f"cell_{i}" for i in range(len(labels))]
        ),
        var=pd.DataFrame(index=[str(genes[i]) for i in kept]),
    )
    cells.write_h5ad(path)


def _merged(query: sparse.csr_matrix, genes: Sequence[str], path: Path) -> sparse.csr_matrix:
    """The query cells with the counts of the genes that STACK generated in the place of their own."""
    generated = ad.read_h5ad(path)
    place = {str(gene).upper(): i for i, gene in reversed(list(enumerate(genes)))}
    columns = [(place[gene], i) for i, gene in enumerate(map(str.upper, generated.var_names)) if gene in place]
    mine, theirs = (np.array(side, dtype=np.int64) for side in zip(*columns, strict=True))
    new = sparse.csr_matrix(generated.X)[: query.shape[0], theirs].tocoo()
    kept = query.tocoo()
    stays = ~np.isin(kept.col, mine)
    rows = np.concatenate([kept.row[stays], new.row])
    cols = np.concatenate([kept.col[stays], mine[new.col]])
    data = np.concatenate([kept.data[stays], np.rint(np.maximum(new.data, 0.0))])
    result = sparse.csr_matrix((data.astype(np.float32), (rows, cols)), shape=query.shape)
    result.eliminate_zeros()
    return result
