"""Index the names of the reference facts: `python -m local.name_index`, after the facts or the rules of names have changed.

The index is kept beside the facts, because making it takes longer than all else that a function does for its first question.
"""

import json
from pathlib import Path
from typing import Final

from shared.resolver import cell_names, perturbation_names, receptors

FACTS: Final = Path(__file__).parent.parent / "shared" / "facts"
FILE: Final = FACTS / f"{cell_names.INDEX}.json"
TABLE: Final = FACTS / f"{cell_names.NAMES}.tsv"


def as_table() -> str:
    """The names of cell types, made anew, in the order of their characters."""
    names = cell_names.index_reference_names().stored()
    lines = sorted("\t".join(row) for row in names.items())
    return "\n".join(["\t".join(cell_names.COLUMNS), *lines]) + "\n"


def as_json() -> str:
    """The rest of the index, made anew; a line for each entry, so that its changes can be read."""
    content = {
        "vocabulary": sorted(cell_names.index_reference_names().vocabulary()),
        "labels": sorted(cell_names.index_reference_labels()),
        "perturbations": perturbation_names.index_reference_names().stored(),
        "receptors": receptors.index_receptor_names(),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True, indent=0) + "\n"


if __name__ == "__main__":
    for file, text in ((TABLE, as_table()), (FILE, as_json())):
        file.write_text(text, encoding="utf-8")
        print(f"wrote {file}")
