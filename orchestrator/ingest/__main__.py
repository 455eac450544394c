"""The command line of the ingest: `python -m orchestrator.ingest DATASET PATH`, and `list`, `show NAME` and `remove NAME`."""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from orchestrator.atlas.errors import AtlasUnusable
from orchestrator.ingest import atlases, interruption, on_batch, replacement, terminal_progress
from orchestrator.ingest.options import Options
from orchestrator.ingest.refusals import told
from shared.errors import HaystackError

OPTIONS = {
    "layer": "matrix with the raw counts: X, raw, or the name of a layer",
    "symbol-column": "var column of the gene symbols",
    "organism": "human, if the genes are human although they do not look it",
    "cell-type-column": "obs column of the cell types",
    "condition-column": "obs column of the conditions; A+B: two columns that act together, such as drug+cytokine",
    "donor-column": "obs column of the donors; none: all cells are of one donor",
    "dose-column": "obs column of the doses; none: there is none",
    "time-column": "obs column of the times; none: there is none",
    "title": "title of the dataset",
    "description": "description of the dataset",
    "licence": "license of the dataset",
    "source": "source of the dataset",
}
REPEATABLE = {
    "control": (
        "LABEL",
        "a control condition; COLUMN=LABEL: the cells with a label of another column, such as time=0h",
    ),
    "control-for": ("CONDITION=CONTROL", "the only control of a condition"),
    "exclude": ("LABEL", "leave out the cells of a condition or cell type"),
    "rename": ("LABEL=NAME", "give a condition or cell type another name, such as stim=IFN-beta"),
}
_PAIRS = ("control_for", "rename")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line: return 0 if it is done, 1 if it cannot be; exit with 2 on wrong usage."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = _command(given) if given and given[0] in atlases.COMMANDS else _ingest(given)
        sys.stdout.flush()
    except BrokenPipeError:  # who read the output has ended, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _command(arguments: list[str]) -> int:
    from shared import wiring  # noqa: PLC0415  # as below

    try:
        container = wiring.container()
    except HaystackError as error:
        print(told(error), file=sys.stderr)
        return 1
    in_cloud = on_batch.InAtlasBucket(container) if container.settings.atlas_bucket else None
    return atlases.main(arguments, container.catalog, container.settings.atlas_root, in_cloud)


def _ingest(arguments: list[str]) -> int:
    parser = _parser()
    parsed = parser.parse_args(arguments)
    cloud = on_batch.take_options(parser, parsed, arguments)
    given = vars(parsed)
    lists = {name.replace("-", "_"): given.pop(name.replace("-", "_")) for name in REPEATABLE}
    pairs = {name: _pairs(parser, name, lists[name]) for name in _PAIRS}
    dataset, path, dry_run = given.pop("dataset"), given.pop("path"), given.pop("dry_run")
    options = Options(
        controls=tuple(map(str.strip, lists["control"])),
        controls_for=pairs["control_for"],
        excluded=tuple(map(str.strip, lists["exclude"])),
        renamed=pairs["rename"],
        **given,
    )
    # These load scientific libraries and adapters, which a wrong command line need not wait for, and Ctrl-C may stop.
    from orchestrator.ingest.build import check_name, examine, ingest  # noqa: PLC0415
    from orchestrator.ingest.summary import announce  # noqa: PLC0415
    from shared import wiring  # noqa: PLC0415

    try:
        if cloud is not None:
            interruption.raise_on_ctrl_c()  # it stops following, not the job
            return on_batch.ingest_on_batch(cloud[0], wait=cloud[1])
        check_name(dataset)
        if dry_run:
            with terminal_progress.shown_on(sys.stderr) as report:
                found = examine(dataset, path, options, report)
            announce(dataset, found.meaning, found.facts)
            print("Nothing was written (--dry-run).")
            return 0
        container = wiring.container()
        root = container.settings.atlas_root
        with terminal_progress.shown_on(sys.stderr) as report:
            entry = replacement.replace(
                dataset,
                root,
                container.catalog,
                lambda: ingest(dataset, path, root, options, report, announce=announce),
            )
    except (AtlasUnusable, HaystackError) as error:
        print(told(error), file=sys.stderr)
        return 1
    print(
        f"{entry.name}: {entry.n_cells} cells × {entry.n_genes} genes, {len(entry.donors)} donors, "
        f"{len(entry.cell_types)} cell types, {len(entry.conditions)} conditions"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m orchestrator.ingest",
        description="Add an atlas to the catalog, or replace one of the same name. "
        f"To manage atlases: {', '.join(f'{name} ({text})' for name, text in atlases.COMMANDS.items())}.",
        epilog="Options that are not given are read from uns['haystack'] of the file, or guessed; the guess is printed first.",
    )
    parser.add_argument("dataset", help="name of the dataset: a-z, 0-9 and _, starting with a letter")
    parser.add_argument(
        "path",
        metavar="PATH",
        help=".h5ad, .zarr, 10x .h5, folder with a 10x matrix.mtx, or .loom, with raw counts; gs://… with --on-batch",
    )
    parser.add_argument(
        "--cells", type=Path, metavar="TABLE", help=".csv or .tsv with the names of cells and further columns of obs"
    )
    for name, text in OPTIONS.items():
        parser.add_argument(f"--{name}", help=text)
    for name, (value, text) in REPEATABLE.items():
        parser.add_argument(f"--{name}", action="append", default=[], metavar=value, help=f"{text}; repeatable")
    parser.add_argument(
        "--guides",
        choices=["knockout", "knockdown", "overexpression"],
        help="what the guides of a screen do to their gene",
    )
    parser.add_argument(
        "--semi-synthetic", action="store_true", default=None, help="mark the dataset as semi-synthetic everywhere"
    )
    parser.add_argument("--dry-run", action="store_true", help="print how the atlas is understood, and write nothing")
    on_batch.add_options(parser)
    return parser


def _pairs(parser: argparse.ArgumentParser, name: str, given: list[str]) -> Mapping[str, str]:
    """Return what is on both sides of the equals signs."""
    found = {}
    for text in given:
        left, separator, right = text.rpartition("=")
        if not separator or not left or not right:
            parser.error(f"--{name.replace('_', '-')} needs two names with = between them, not {text!r}")
        found[left.strip()] = right.strip()
    return found


if __name__ == "__main__":
    interruption.end_on_ctrl_c()
    raise SystemExit(main())
