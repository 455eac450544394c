"""The command line of the ingest: `python -m orchestrator.ingest DATASET PATH`."""

import argparse
import asyncio
import sys
from pathlib import Path

from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.ingest.build import ingest
from orchestrator.ingest.options import Options
from shared.errors import HaystackError

OPTIONS = {
    "layer": "matrix with the raw counts: X, raw, or the name of a layer",
    "symbol-column": "var column of the gene symbols",
    "organism": "human, if the genes are human although they do not look it",
    "cell-type-column": "obs column of the cell types",
    "condition-column": "obs column of the conditions",
    "donor-column": "obs column of the donors",
    "title": "title of the dataset",
    "description": "description of the dataset",
    "licence": "license of the dataset",
    "source": "source of the dataset",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line: return 0 if the dataset is in the catalog, 1 if it cannot be ingested; exit with 2 on wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m orchestrator.ingest",
        description="Add an atlas to the catalog.",
        epilog="Options that are not given are read from uns['haystack'] of the file, or guessed.",
    )
    parser.add_argument("dataset", help="name of the dataset: a-z, 0-9 and _, starting with a letter")
    parser.add_argument(
        "path", type=Path, metavar="PATH", help=".h5ad, .zarr, 10x .h5, folder with matrix.mtx, or .loom"
    )
    parser.add_argument(
        "--cells", type=Path, metavar="TABLE", help=".csv or .tsv with barcodes and columns of the cells"
    )
    for name, text in OPTIONS.items():
        parser.add_argument(f"--{name}", help=text)
    parser.add_argument(
        "--control", action="append", default=[], metavar="LABEL", help="a control condition; repeatable"
    )
    parser.add_argument(
        "--semi-synthetic", action="store_true", default=None, help="mark the dataset as semi-synthetic everywhere"
    )
    given = parser.parse_args(arguments)
    texts = {name: value for name, value in vars(given).items() if name not in {"dataset", "path", "control"}}
    from shared import wiring  # noqa: PLC0415  # loads the adapters, which a wrong command line need not wait for

    try:
        settings = wiring.container().settings
        options = Options(controls=tuple(given.control), **texts)
        entry = ingest(given.dataset, given.path, settings.atlas_root, options)
        asyncio.run(wiring.container().catalog.put(entry))
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
