"""Prediction with the STACK foundation model (`arc-stack`), if the operator has configured it.

The package and its weights are for non-commercial use (CC BY-NC-SA 4.0 and Arc's model license). STACK has its own environment
(`orchestrator/requirements-stack.txt`) and runs as a subprocess: prompt cells are its base cells, query cells its test cells, and its two
splits are the prediction and the synthetic control.
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

from orchestrator.atlas.profiles import Profile
from orchestrator.prediction import stack_generate
from orchestrator.prediction.predictor import Prediction, PromptGroup
from orchestrator.prediction.transfer import TransferSettings
from shared.errors import SettingsInvalid

PERTURBED: Final = "perturbed"
CONTROL: Final = "control"
# STACK fills its last window of cells with the first test cells and fails if there are too few of them; this many fill windows of up to
# 1,400 cells. Query cells are repeated up to this number, and the cells generated for the repeats are dropped.
MIN_TEST_CELLS: Final = 256
# The environment variables that STACK's process gets; keys and settings of the service are not passed on.
PASSED_ON: Final = ("PATH", "HOME", "LANG", "TMPDIR", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "OMP_NUM_THREADS")
# Perturbed cells of one prompt, divided among its groups, but at least and at most so many of each group.
MAX_PROMPT_CELLS: Final = 6000
MIN_SHARE, MAX_SHARE = 5, 300
MAX_OUTPUT: Final = 2000  # characters of STACK's output in an error message


class StackFailed(Exception):
    """STACK returned no prediction; the message ends with its output."""


def from_env(environment: Mapping[str, str]) -> "StackPredictor | None":
    """Return the predictor that STACK_CHECKPOINT, STACK_GENELIST and STACK_PYTHON (default: this interpreter) configure, or None.

    Raises:
        SettingsInvalid: only one of the first two is set, or a file does not exist.
    """
    names = ("STACK_CHECKPOINT", "STACK_GENELIST")
    given = {name: environment.get(name, "").strip() for name in names}
    if not any(given.values()):
        return None
    errors = [f"{name} is missing" for name in names if not given[name]]
    errors += [f"{name}: {path} does not exist" for name, path in given.items() if path and not Path(path).is_file()]
    if errors:
        raise SettingsInvalid(errors)
    checkpoint, genelist = (Path(given[name]).absolute() for name in names)
    python = environment.get("STACK_PYTHON", "").strip() or sys.executable
    passed = {name: environment[name] for name in PASSED_ON if name in environment}
    return StackPredictor(checkpoint, genelist, python, passed)


@dataclass
class StackPredictor:
    """A `Predictor` that runs STACK in a subprocess.

    Genes that the model does not know keep the counts of the query cells in both predictions.
    """

    checkpoint: Path
    genelist: Path  # the pickled list of the model's genes; like any pickle, it must be trusted like code
    python: str  # the interpreter that has `arc-stack`
    environment: Mapping[str, str]

    def __post_init__(self) -> None:
        self.transfers = False
        self.name = f"STACK ({self.checkpoint.name})"

    def predict(
        self, query: sparse.csr_matrix, prompts: Sequence[PromptGroup], *, genes: Sequence[str], seed: int
    ) -> Prediction:
        """See `Predictor.predict`.

        Raises:
            StackFailed: STACK's process failed.
        """
        share = min(max(MAX_PROMPT_CELLS // len(prompts), MIN_SHARE), MAX_SHARE)
        cells = [prompt.cells(share) for prompt in prompts]
        splits = {PERTURBED: [each.perturbed for each in cells]}
        controls = [each.control for each in cells if each.control is not None]
        if len(controls) == len(prompts):
            splits[CONTROL] = controls
        with tempfile.TemporaryDirectory(prefix="stack-") as tmp:
            folder = Path(tmp)
            base = sparse.vstack([cells for parts in splits.values() for cells in parts], format="csr")
            labels = np.repeat(list(splits), [sum(part.shape[0] for part in parts) for parts in splits.values()])
            rows = np.arange(max(query.shape[0], MIN_TEST_CELLS)) % query.shape[0]
            _write(folder / "base.h5ad", base, genes, labels)
            _write(folder / "test.h5ad", query[rows], genes, np.repeat("query", len(rows)))
            self._generate(folder, seed)
            predicted = {split: _merged(query, genes, folder / f"{split}.h5ad") for split in splits}
        return Prediction(predicted[PERTURBED], predicted.get(CONTROL))

    def tuned(self, settings: TransferSettings) -> "StackPredictor":  # noqa: ARG002
        """See `Predictor.tuned`. STACK has no such settings."""
        return self

    def weights(self, query: Profile, prompts: Sequence[PromptGroup]) -> tuple[float, ...]:  # noqa: ARG002
        """See `Predictor.weights`. STACK draws from all prompt cells equally, whatever the query."""
        sizes = [prompt.perturbed.cells for prompt in prompts]
        return tuple(size / sum(sizes) for size in sizes)

    def _generate(self, folder: Path, seed: int) -> None:
        # -I: only installed packages can be imported, not the modules beside the script. The package warns in each of its batches.
        command = [self.python, "-I", "-Wignore", stack_generate.__file__, str(self.checkpoint)]
        command += [str(folder / "base.h5ad"), str(folder / "test.h5ad"), str(self.genelist), str(folder)]
        # numpy takes seeds below 2**32, and STACK counts up from the given one.
        command.append(str(seed % 2**31))
        output = folder / "output.txt"
        with output.open("wb") as sink:
            try:
                process = subprocess.Popen(
                    command,
                    env=dict(self.environment),
                    stdin=subprocess.PIPE,  # stays open while this process lives; see stack_generate
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                raise StackFailed(f"{self.python} cannot be started: {error}") from error
            with process:
                code = process.wait()
        if code:
            tail = output.read_text(errors="replace")[-MAX_OUTPUT:].strip()
            raise StackFailed(f"STACK ended with exit code {code}: {tail}")


def _write(path: Path, counts: sparse.csr_matrix, genes: Sequence[str], labels: np.ndarray) -> None:
    """Write cells for STACK. It compares gene names in upper case, so of names that differ only in case the first is written."""
    _, first = np.unique(np.char.upper(np.array(genes, dtype=str)), return_index=True)
    columns = np.sort(first)
    cells = ad.AnnData(
        counts[:, columns].astype(np.float32),
        obs=pd.DataFrame(
            {stack_generate.SPLIT_COLUMN: pd.Categorical(labels)}, index=[f"cell_{i}" for i in range(len(labels))]
        ),
        var=pd.DataFrame(index=[str(genes[i]) for i in columns]),
    )
    cells.write_h5ad(path)


def _merged(query: sparse.csr_matrix, genes: Sequence[str], path: Path) -> sparse.csr_matrix:
    """Return the query cells with the counts that STACK generated in place of their own."""
    generated = ad.read_h5ad(path)
    place = {str(gene).upper(): i for i, gene in reversed(list(enumerate(genes)))}
    columns = [(place[gene], i) for i, gene in enumerate(map(str.upper, generated.var_names)) if gene in place]
    own, theirs = (np.array(side, dtype=np.int64) for side in zip(*columns, strict=True))
    new = sparse.csr_matrix(generated.X)[: query.shape[0], theirs].tocoo()
    old = query.tocoo()
    unknown = ~np.isin(old.col, own)
    rows = np.concatenate([old.row[unknown], new.row])
    cols = np.concatenate([old.col[unknown], own[new.col]])
    data = np.concatenate([old.data[unknown], np.rint(np.maximum(new.data, 0.0))])
    result = sparse.csr_matrix((data.astype(np.float32), (rows, cols)), shape=query.shape)
    result.eliminate_zeros()
    return result
