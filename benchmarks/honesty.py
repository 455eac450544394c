"""Is the job's answer right, and does a wrong one score worse? `python -m benchmarks.honesty FOLDER [--kang PATH.h5ad] [--seeds 10]`.

Each question is answered as if its own combination of cell type and perturbation had never been measured: those cells are taken out of
what prompts are made from, and serve as the truth. Two tables are printed. The first tells how near the predicted change is to the true
one, beside two baselines that any method must beat: no change at all, and the mean change of the other cell types. The second tells how
the right answer scores beside wrong ones. The true cells are scored as well: where the truth itself scores no higher than a wrong answer,
what is expected cannot tell the two apart on this data, no prediction could win, and the question is named as not judged.

The demo atlas is made in FOLDER; its responses are simulated, so that its numbers show that the method works, not that it is right. The
data of Kang et al. 2018 (interferon-beta, real) is used where its path is given.

Exit codes: 0; 1 where a right answer does not win in nine of ten seeds of a question that is judged.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.held_out import Data, HeldOut, demo, kang
from orchestrator.expression import Floats, profile
from orchestrator.inference import Prediction, shifted

MIN_TRUE_CELLS = 10
"""A held-out group with fewer true cells tells nothing: its own noise is larger than any difference of methods."""
DEMO_OTHERS = {
    "IFN-gamma": "TNF-alpha",
    "IFN-beta": "TNF-alpha",
    "TNF-alpha": "IFN-beta",
    "TGF-beta1": "TNF-alpha",
    "IFN-alpha1": "TNF-alpha",
    "IL-1-beta": "IFN-beta",
    "IL-2": "TNF-alpha",
    "IL-6": "TNF-alpha",
    "TRAIL": "IFN-beta",
    "EGF": "IFN-beta",
}
"""The cytokines of the demo atlas, each with one of another programme that gives the wrong answer."""
DEMO_TYPES = ("MDC", "CD8_T")
ENOUGH = 0.9
"""The share of seeds in which the right answer must score higher than each wrong one."""


@dataclass(frozen=True)
class Row:
    """How near a prediction came: Pearson correlation with the true change, and squared error as a share of that of "no change"."""

    cell_type: str
    cells: int
    pearson: float
    pearson_mean: float
    error: float
    error_mean: float


@dataclass(frozen=True)
class Scores:
    """What the right answer, the true cells and wrong answers score, one number a seed."""

    question: str
    right: list[int]
    true: list[int]
    shuffled: list[int]
    unchanged: list[int]
    other: list[int]

    def wins(self, wrong: Sequence[int]) -> int:
        """In how many seeds the right answer scores higher."""
        return _higher(self.right, wrong)

    @property
    def wrong(self) -> tuple[list[int], list[int], list[int]]:
        """The scores of the wrong answers, each kind apart."""
        return self.shuffled, self.unchanged, self.other

    @property
    def judged(self) -> bool:
        """Whether the truth itself scores higher than every wrong answer, so that a right answer can."""
        return all(_higher(self.true, wrong) >= ENOUGH * len(wrong) for wrong in self.wrong)

    @property
    def honest(self) -> bool:
        """Whether the right answer scores higher than every wrong one often enough, or none could."""
        return not self.judged or all(self.wins(wrong) >= ENOUGH * len(wrong) for wrong in self.wrong)


def _higher(mine: Sequence[int], theirs: Sequence[int]) -> int:
    return sum(one > other for one, other in zip(mine, theirs, strict=True))


def change_of(prediction: Prediction) -> Floats:
    """The predicted change of the group's profile."""
    assert prediction.control is not None
    return profile(prediction.perturbed) - profile(prediction.control)


def pearson(one: Floats, other: Floats) -> float:
    """Pearson's correlation."""
    return float(np.corrcoef(one, other)[0, 1])


def accuracy(data: Data, perturbation: str, *, seed: int = 0) -> Iterator[Row]:
    """How near the prediction comes, for each cell type that has enough cells to tell."""
    for entry in data.entry.cell_types:
        held_out = HeldOut(data, entry.label, perturbation, seed)
        if held_out.label != entry.label or held_out.measured_cells(entry.label) < MIN_TRUE_CELLS:
            continue
        truth, mean = held_out.truth(), held_out.mean_change()
        predicted = change_of(held_out.predict(seed))
        nothing = float(np.sum(truth**2))
        yield Row(
            cell_type=entry.label,
            cells=held_out.measured_cells(entry.label),
            pearson=pearson(predicted, truth),
            pearson_mean=pearson(mean, truth),
            error=float(np.sum((predicted - truth) ** 2)) / nothing,
            error_mean=float(np.sum((mean - truth) ** 2)) / nothing,
        )


def scores(data: Data, cell_type: str, perturbation: str, other: str, seeds: Iterable[int]) -> Scores:
    """How the right answer scores beside wrong ones: its change dealt to random genes, no change, another cytokine's.

    Where the atlas has no other cytokine, the same cells are scored as the answer to a question about it.
    """
    found = Scores(f"{data.name}: {cell_type}, {perturbation}, not {other}", [], [], [], [], [])
    for seed in seeds:
        asked = HeldOut(data, cell_type, perturbation, seed)
        query, right = asked.source.query.counts, asked.predict(seed)
        assert right.control is not None
        rng = np.random.default_rng(seed)
        shuffled = shifted(query, rng.permutation(change_of(right)), rng)
        found.right.append(asked.judge(right.perturbed, right.control, seed))
        found.true.append(asked.true_score(seed))
        found.shuffled.append(asked.judge(shuffled, query, seed))
        found.unchanged.append(asked.judge(query, query, seed))
        if other in data.perturbations:
            wrong = HeldOut(data, cell_type, other, seed).predict(seed)
            assert wrong.control is not None
            found.other.append(asked.judge(wrong.perturbed, wrong.control, seed))
        else:
            found.other.append(asked.judge(right.perturbed, right.control, seed, answering=other))
    return found


def _print_accuracy(all_data: Sequence[Data]) -> None:
    print(
        "| data | perturbation | held-out cell type | cells | Pearson | of mean delta | of no change | error | of mean delta |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for data in all_data:
        for perturbation in data.perturbations:
            rows = list(accuracy(data, perturbation))
            shown = rows if len(data.perturbations) == 1 else []
            for row in [*shown, _mean(rows)]:
                numbers = f"{row.pearson:.3f} | {row.pearson_mean:.3f} | 0 | {row.error:.2f} | {row.error_mean:.2f}"
                print(f"| {data.name} | {perturbation} | {row.cell_type} | {row.cells} | {numbers} |", flush=True)


def _mean(rows: Sequence[Row]) -> Row:
    means = [
        float(np.mean([getattr(row, name) for row in rows]))
        for name in ("pearson", "pearson_mean", "error", "error_mean")
    ]
    return Row(f"mean of {len(rows)}", round(float(np.mean([row.cells for row in rows]))), *means)


def _print_scores(questions: Sequence[tuple[Data, str, str, str]], seeds: int) -> bool:
    """Print the second table; whether all of it is honest."""
    print(
        "| held-out question | right | the true cells | shuffled | no change | another cytokine's "
        f"| right is higher, of {seeds} seeds |"
    )
    print("|---|---|---|---|---|---|---|")
    honest = True
    for data, cell_type, perturbation, other in questions:
        found = scores(data, cell_type, perturbation, other, range(seeds))
        honest = honest and found.honest
        columns = (found.right, found.true, *found.wrong)
        told = " | ".join(f"{np.mean(each):.1f} ({min(each)}-{max(each)})" for each in columns)
        wins = " / ".join(str(found.wins(wrong)) for wrong in found.wrong)
        print(f"| {found.question} | {told} | {wins}{'' if found.judged else ', not judged'} |", flush=True)
    return honest


def main(arguments: list[str] | None = None) -> int:
    """Print both tables, and tell whether they are honest."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.honesty", description="Print both tables of honesty.")
    parser.add_argument("folder", type=Path, help="where atlases are made")
    parser.add_argument("--kang", type=Path, help="the interferon-beta data")
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    made = demo(given.folder)
    real = [kang(given.kang, given.folder)] if given.kang else []
    _print_accuracy([*real, made])
    print()
    questions = [(data, entry.label, "IFN-beta", "TNF-alpha") for data in real for entry in data.entry.cell_types]
    questions += [(made, cell_type, name, other) for name, other in DEMO_OTHERS.items() for cell_type in DEMO_TYPES]
    return 0 if _print_scores(questions, given.seeds) else 1


if __name__ == "__main__":
    raise SystemExit(main())
