"""The command line of the ingest: `python -m orchestrator.ingest DATASET PATH.h5ad`, and `list`, `show NAME` and `remove NAME`."""

import argparse
import sys

from orchestrator.atlas.errors import AtlasUnusable
from orchestrator.ingest import atlases, on_batch, replacement, terminal_progress
from orchestrator.ingest.options import Options
from shared.errors import HaystackError

OPTIONS = {
    "cell-type-column": "obs column of the cell types",
    "condition-column": "obs column of the conditions",
    "donor-column": "obs column of the donors",
    "title": "title of the dataset",
    "description": "description of the dataset",
    "licence": "license of the dataset",
    "source": "source of the dataset",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line: return 0 if it is done, 1 if it cannot be, 130 if stopped by Ctrl-C; exit with 2 on wrong usage."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        return _command(given) if given and given[0] in atlases.COMMANDS else _ingest(given)
    except KeyboardInterrupt:
        print("\nStopped. The catalog and its atlases are as they were before.", file=sys.stderr)
        return 130


def _command(arguments: list[str]) -> int:
    from shared import wiring  # noqa: PLC0415  # as below

    try:
        container = wiring.container()
    except HaystackError as error:
        print(error, file=sys.stderr)
        return 1
    in_cloud = on_batch.InAtlasBucket(container) if container.settings.atlas_bucket else None
    return atlases.main(arguments, container.catalog, container.settings.atlas_root, in_cloud)


def _ingest(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m orchestrator.ingest",
        description="Add an atlas to the catalog, or replace one of the same name. "
        f"To manage atlases: {', '.join(f'{name} ({text})' for name, text in atlases.COMMANDS.items())}.",
        epilog="Options that are not given are read from uns['haystack'] of the file, or guessed.",
    )
    parser.add_argument("dataset", help="name of the dataset: a-z, 0-9 and _, starting with a letter")
    parser.add_argument("path", metavar="PATH.h5ad", help="the atlas, with raw counts as CSR; gs://… with --on-batch")
    for name, text in OPTIONS.items():
        parser.add_argument(f"--{name}", help=text)
    parser.add_argument(
        "--control", action="append", default=[], metavar="LABEL", help="a control condition; repeatable"
    )
    parser.add_argument(
        "--semi-synthetic", action="store_true", default=None, help="mark the dataset as semi-synthetic everywhere"
    )
    on_batch.add_options(parser)
    given = parser.parse_args(arguments)
    cloud = on_batch.take_options(parser, given, arguments)
    texts = {name: value for name, value in vars(given).items() if name not in {"dataset", "path", "control"}}
    # These load scientific libraries and adapters, which a wrong command line need not wait for, and Ctrl-C may stop.
    from orchestrator.ingest.build import check_name, ingest  # noqa: PLC0415
    from shared import wiring  # noqa: PLC0415

    try:
        if cloud is not None:
            return on_batch.ingest_on_batch(cloud[0], wait=cloud[1])
        check_name(given.dataset)
        container = wiring.container()
        root = container.settings.atlas_root
        options = Options(controls=tuple(given.control), **texts)
        with terminal_progress.shown_on(sys.stderr) as report:
            entry = replacement.replace(
                given.dataset,
                root,
                container.catalog,
                lambda: ingest(given.dataset, given.path, root, options, report),
            )
    except (AtlasUnusable, HaystackError) as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{entry.name}: {entry.n_cells} cells × {entry.n_genes} genes, {len(entry.donors)} donors, "
        f"{len(entry.cell_types)} cell types, {len(entry.conditions)} conditions"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
